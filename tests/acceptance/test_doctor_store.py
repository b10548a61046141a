"""`pixmill doctor --store` as an operator types it."""

from __future__ import annotations

import json

import pytest

from pixmill.store import open_archive
from tests.archives import names_of
from tests.command import run
from tests.contract.archives import image, new_image, put_blobs


@pytest.fixture
def doctor(tmp_path):
    def call(*arguments):
        env = {"PIXMILL_DATA": str(tmp_path / "data")}
        return run("doctor", *arguments, cwd=tmp_path, env=env)

    return call


@pytest.fixture
def archive(tmp_path):
    with open_archive(None, None, None, tmp_path / "data") as opened:
        yield opened


def test_an_archive_that_is_whole_is_well(archive, doctor):
    new_image(archive)
    done = doctor("--store", "--older-than", "0")
    assert (done.returncode, done.stdout) == (0, "rows and files belong together\n")


def test_orphans_are_told_and_only_mended_on_demand(archive, doctor):
    one, gone = new_image(archive, 1), new_image(archive, 2)
    stray = put_blobs(archive, image(3).md5)
    archive.blobs.delete(gone.blobs.grey)
    assert doctor("--store").returncode == 1  # the row is told, the young files are not
    told = doctor("--store", "--older-than", "0")
    assert told.returncode == 1
    for name in (*stray, gone.blobs.grey):
        assert name in told.stdout
    assert told.stdout.splitlines()[-1] == (
        "2 files without row, 1 row without file: run with --mend to mend"
    )
    assert names_of(archive) == {*one.blobs, gone.blobs.original, *stray}
    mended = doctor("--store", "--mend", "--older-than", "0", "--json")
    assert mended.returncode == 0
    rows = [json.loads(line) for line in mended.stdout.splitlines()]
    assert {row["kind"] for row in rows} == {"file without row", "row without file"}
    assert all(row["mended"] for row in rows)
    assert names_of(archive) == set(one.blobs)
    assert doctor("--store", "--older-than", "0").returncode == 0


def test_mending_alone_is_a_mistake(doctor):
    done = doctor("--mend")
    assert done.returncode == 2
    assert "--mend goes with --store" in done.stderr
