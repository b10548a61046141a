"""S3 that is away, hangs, refuses or is shared: one sentence, nothing lost, and then it goes on."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from pixmill.errors import OutputError
from pixmill.store import open_archive
from pixmill.store.blobs import GREYS
from pixmill.store.places import S3Keys
from pixmill.store.s3 import Patience, S3Blobs
from tests.archives import names_of
from tests.contract.archives import capture, image, new_image, put_blobs, s3_place

NAME, OTHER = f"{GREYS}/2026-11-20/1031/a.png", f"{GREYS}/2026-11-20/1031/b.png"
SHORT = Patience(connect_s=1, request_s=0.5, repeat_s=1, repeats=2)
OURS, THEIRS = "a" * 32, "b" * 32


def blobs_in(where, folder, patience=SHORT, **changes):
    return S3Blobs(s3_place(where, **changes), folder / "spool", patience)


def content(blobs, name):
    with blobs.open(name) as blob:
        return blob.read(0, blob.size)


def refusal(call, *arguments):
    with pytest.raises(OutputError) as error:
        call(*arguments)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert "secret" not in sentence.lower().replace("pixmill_s3_secret_key", "")
    assert error.value.__cause__ is None
    return sentence


def test_a_server_that_was_away_goes_on_where_it_was(own_s3_bucket, tmp_path):
    blobs = blobs_in(own_s3_bucket, tmp_path)
    blobs.put(NAME, b"before")
    opened = blobs.open(NAME)
    made = blobs.spool / "made.png"
    made.write_bytes(b"made")
    own_s3_bucket.server.stop()
    for call in (
        lambda: blobs.put(OTHER, made),
        lambda: blobs.open(NAME),
        lambda: blobs.delete(NAME),
        lambda: list(blobs.all(GREYS)),
        lambda: opened.read(0, 6),
    ):
        assert f"{own_s3_bucket.server.url} can not be reached" in refusal(call)
    assert made.read_bytes() == b"made"  # it is not taken over before it is kept
    own_s3_bucket.server.start()
    assert opened.read(0, 6) == content(blobs, NAME) == b"before"
    blobs.put(OTHER, made)
    assert {info.name for info in blobs.all(GREYS)} == {NAME, OTHER}


def test_a_restart_is_waited_for(own_s3_bucket, tmp_path):
    blobs = blobs_in(own_s3_bucket, tmp_path, Patience(repeats=100))
    blobs.put(NAME, b"before")
    own_s3_bucket.server.stop()
    putting = threading.Thread(target=blobs.put, args=(OTHER, b"meanwhile"))
    putting.start()
    own_s3_bucket.server.start()
    putting.join()
    assert content(blobs, OTHER) == b"meanwhile"


def test_a_server_that_hangs_is_given_up_in_time_and_comes_back(own_s3_bucket, tmp_path):
    blobs = blobs_in(own_s3_bucket, tmp_path)
    blobs.put(NAME, b"before")
    with own_s3_bucket.server.hanging():
        for call in (lambda: blobs.put(OTHER, b"x"), lambda: blobs.open(NAME)):
            assert f"{own_s3_bucket.server.url} does not answer in time" in refusal(call)
    patient = blobs_in(own_s3_bucket, tmp_path, Patience())
    assert content(patient, NAME) == b"before"
    patient.put(OTHER, b"whole")
    assert content(patient, OTHER) == b"whole"


def test_what_is_sent_in_parts_is_whole_or_not_there(own_s3_bucket, tmp_path):
    blobs = blobs_in(own_s3_bucket, tmp_path, Patience(request_s=20, repeat_s=1, repeats=0))
    data = os.urandom(2**20) * 40
    killer = threading.Timer(0.1, own_s3_bucket.server.stop)
    killer.start()
    with suppress(OutputError):
        for _ in range(50):
            blobs.put(NAME, data)
    killer.join()
    own_s3_bucket.server.start()
    listed = {info.name: info.bytes for info in blobs.all(GREYS)}
    assert listed in ({}, {NAME: len(data)})
    blobs.put(OTHER, data)
    with blobs.open(OTHER) as blob:
        assert blob.read(0, blob.size) == data
        assert blob.read(17 * 2**20 - 3, 9 * 2**20) == data[17 * 2**20 - 3 : 26 * 2**20 - 3]


def test_parts_are_read_ahead_but_never_from_another_object(s3_bucket, tmp_path):
    blobs = blobs_in(s3_bucket, tmp_path)
    data = os.urandom(3 * 2**20)
    blobs.put(NAME, data)
    with blobs.open(NAME) as blob:
        pieces = [blob.read(offset, 100_000) for offset in range(0, len(data), 100_000)]
        assert b"".join(pieces) == data
        assert blob.read(0, 10) == data[:10]
        blobs.put(NAME, b"another")
        assert "was written anew while it was read" in refusal(blob.read, 2**21, 10)
        blobs.delete(NAME)
        assert "was deleted while it was read" in refusal(blob.read, 2**21, 10)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"bucket": "no-such-bucket"}, "there is no such bucket; make it"),
        ({"keys": S3Keys("pixmill-tests", "wrong")}, "its keys are refused (Signature"),
        ({"keys": S3Keys("nobody", "wrong")}, "its keys are refused"),
        ({"region": "eu-west-9"}, "its region is us-east-1; let PIXMILL_S3_REGION say so"),
        ({"endpoint": "http://127.0.0.1:1"}, "http://127.0.0.1:1 can not be reached"),
        ({"endpoint": "https://127.0.0.1:1"}, "https://127.0.0.1:1 can not be reached"),
    ],
)  # fmt: skip
def test_a_place_that_is_wrong_is_one_sentence_and_no_missing_blob(
    s3_bucket, tmp_path, changes, cause
):
    blobs = blobs_in(s3_bucket, tmp_path, **changes)
    for call in (
        lambda: blobs.claim(OURS, lambda: True),
        lambda: blobs.put(NAME, b"x"),
        lambda: blobs.open(NAME),
        lambda: blobs.delete(NAME),
        lambda: list(blobs.all(GREYS)),
    ):
        assert cause in refusal(call)


def test_without_any_keys_they_are_asked_for(s3_bucket, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    blobs = blobs_in(s3_bucket, tmp_path, keys=None)
    assert "it was given no keys; set them: look at PIXMILL_S3_ACCESS_KEY" in refusal(
        blobs.claim, OURS, lambda: True
    )


def test_keys_and_endpoint_of_the_environment_serve_and_ours_go_before_them(
    s3_bucket, tmp_path, monkeypatch
):
    server = s3_bucket.server
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    blobs = blobs_in(s3_bucket, tmp_path, keys=None, endpoint=None)
    blobs.put(NAME, b"x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert content(blobs_in(s3_bucket, tmp_path), NAME) == b"x"


def test_a_certificate_counts_where_its_authority_is_named(tls_s3_bucket, tmp_path, monkeypatch):
    bucket, authority = tls_s3_bucket
    unknown = refusal(blobs_in(bucket, tmp_path).put, NAME, b"x")
    assert f"the certificate of {bucket.server.url} is not trusted" in unknown
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    blobs = blobs_in(bucket, tmp_path)
    blobs.put(NAME, b"x")
    assert content(blobs, NAME) == b"x"


def test_of_two_archives_that_race_for_a_place_one_has_it(s3_bucket, tmp_path):
    gate, had = threading.Barrier(8), []

    def attempt(archive_id):
        blobs = blobs_in(s3_bucket, tmp_path, Patience())
        gate.wait()
        with suppress(OutputError):
            blobs.claim(archive_id, lambda: True)
            had.append(archive_id)

    threads = [threading.Thread(target=attempt, args=(each,)) for each in (OURS, THEIRS) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(had)) == 1
    assert len(had) == 4


def test_the_place_of_another_archive_or_of_nobody_is_not_taken(s3_bucket, tmp_path):
    place = s3_place(s3_bucket)
    with open_archive(None, None, place, tmp_path / "data") as archive:
        new_image(archive)
    with pytest.raises(OutputError, match="that of another archive"):
        open_archive(None, None, place, tmp_path / "other")
    empty = replace(place, prefix="empty")
    with pytest.raises(OutputError, match="is its bucket the right one, and is PIXMILL_BLOBS"):
        open_archive(None, None, empty, tmp_path / "data")
    open_archive(None, None, empty, tmp_path / "other").close()
    open_archive(None, None, place, tmp_path / "data").close()


def test_an_image_that_could_not_be_kept_is_kept_once_s3_is_back(own_s3_bucket, tmp_path):
    with open_archive(None, None, s3_place(own_s3_bucket), tmp_path / "data") as archive:
        first = new_image(archive, 1)
        own_s3_bucket.server.stop()
        with pytest.raises(OutputError):
            put_blobs(archive, image(2).md5)
        own_s3_bucket.server.start()
        (outcome,) = archive.add([capture(image(2, blobs=put_blobs(archive, image(2).md5)))])
        assert outcome.result == "success"
        assert set(first.blobs) < names_of(archive)
