"""Where files lie, as settings say it: a folder or a part of a bucket; secrets are never told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pixmill.cli.settings_table import settings_table
from pixmill.errors import MissingExtra, UsageError
from pixmill.settings import load_settings
from pixmill.store import open_archive, where
from pixmill.store.opening import embedded_store
from pixmill.store.places import S3Keys, S3Place

SECRET = "hush-hush"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PIXMILL_")]:
        monkeypatch.delenv(name)


def refusal(**flags):
    with pytest.raises(UsageError) as error:
        where(load_settings(**flags))
    sentence = str(error.value)
    assert SECRET not in sentence
    assert "\n" not in sentence
    return sentence


def test_a_folder_is_a_folder_and_none_is_the_default(tmp_path):
    assert where(load_settings(blobs="images")).blobs == Path("images")
    assert where(load_settings(blobs=tmp_path)).blobs == tmp_path
    assert where(load_settings(data=tmp_path)) == (None, None, None, tmp_path)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://bucket", ""),
        ("s3://bucket/", ""),
        ("s3://bucket/a", "a"),
        ("s3://bucket/a/b/", "a/b"),
    ],
)
def test_a_url_is_a_bucket_and_a_prefix(url, prefix):
    place = where(load_settings(blobs=url)).blobs
    assert place == S3Place("bucket", prefix)
    assert str(place) == url.rstrip("/")


def test_how_it_is_reached_is_told_by_settings():
    place = where(
        load_settings(
            blobs="s3://bucket", s3_endpoint="http://127.0.0.1:9000/", s3_region="eu-west-1",
            s3_access_key="us", s3_secret_key=SECRET,
        )
    ).blobs  # fmt: skip
    assert (place.endpoint, place.region) == ("http://127.0.0.1:9000", "eu-west-1")
    assert place.keys == S3Keys("us", SECRET)
    assert SECRET not in repr(place) + str(place)


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3://b", "s3:///prefix", f"s3://us:{SECRET}@bucket/x", "s3://bucket/a//b",
        "s3://bucket/../x", "s3://bucket/.hidden", "s3://bucket/a b", "s3://bucket/ä", "s3://bucket?x=1",
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_bucket_is_refused(url):
    assert "or s3://BUCKET/PREFIX" in refusal(blobs=url)


def test_another_scheme_is_refused_by_its_name():
    assert "not with 'gs'" in refusal(blobs=f"gs://us:{SECRET}@bucket")


@pytest.mark.parametrize(
    "url",
    ["s3.example.org", "ftp://host", "https://", "http://host:port", f"https://us:{SECRET}@host",
     "https://host?x=1", "http://[", "http://a\nb"],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(url):
    assert "s3_endpoint is a URL" in refusal(blobs="s3://bucket", s3_endpoint=url)


@pytest.mark.parametrize("name", ["s3_access_key", "s3_secret_key"])
def test_one_key_without_the_other_is_refused(name):
    assert "go together" in refusal(blobs="s3://bucket", **{name: SECRET})


@pytest.mark.parametrize("name", ["s3_access_key", "s3_secret_key"])
def test_secrets_are_shown_nowhere(monkeypatch, name):
    monkeypatch.setenv(f"PIXMILL_{name.upper()}", SECRET)
    assert SECRET not in repr(load_settings())
    (row,) = (row for row in settings_table() if row.name == name)
    assert row.value == "***"
    Path("pixmill.toml").write_text(f'{name} = ["{SECRET}"]', encoding="utf-8")
    monkeypatch.delenv(f"PIXMILL_{name.upper()}")
    assert "***" in refusal()


def test_a_backup_of_images_in_s3_is_refused_with_the_way_to_go(tmp_path):
    with pytest.raises(UsageError, match=r"are in s3://bucket/p, not in a folder: back up"):
        embedded_store(None, None, S3Place("bucket", "p"), tmp_path)


def test_without_obstore_the_extra_is_named(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.startswith("obstore.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "pixmill.store.s3", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"a place of files in S3 needs an extra.*pixmill\[s3\]"):
        open_archive(None, None, S3Place("bucket"), tmp_path)
