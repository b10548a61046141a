"""The contract of blob stores, over every adapter: whole, durable, under a name of their own."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pixmill.errors import OutputError, UsageError
from pixmill.store.blobs import GREYS, ORIGINALS, blob_name, check_blob_name
from pixmill.store.local import LocalBlobs
from pixmill.store.memory import MemoryBlobs
from pixmill.store.s3 import S3Blobs
from tests.contract.archives import s3_place

NOW = datetime(2026, 11, 20, 10, 31, tzinfo=UTC)
NAME = blob_name(GREYS, "a" * 32, "png", NOW)


@pytest.fixture(params=["memory", "local", "s3"])
def blobs(request, tmp_path):
    match request.param:
        case "local":
            return LocalBlobs(tmp_path / "blobs")
        case "s3":
            return S3Blobs(s3_place(request.getfixturevalue("s3_bucket")), tmp_path / "spool")
    return MemoryBlobs()


def content(blobs, name):
    blob = blobs.open(name)
    if blob is None:
        return None
    with blob:
        return blob.read(0, blob.size)


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000])
def test_what_is_put_is_read_back_whole_and_in_parts(blobs, data):
    blobs.put(NAME, memoryview(data))
    assert content(blobs, NAME) == data
    with blobs.open(NAME) as blob:
        assert blob.size == len(data)
        assert blob.read(10, 5) == data[10:15]
        assert blob.read(len(data), 10) == b""


def test_a_file_is_taken_over(blobs):
    path = Path(blobs.spool, "made.png")
    path.write_bytes(b"made")
    blobs.put(NAME, path)
    assert content(blobs, NAME) == b"made"
    assert not path.exists()


def test_a_file_of_another_disk_is_taken_over_too(blobs, small_disk):
    path = small_disk / "made.png"
    path.write_bytes(b"made")
    blobs.put(NAME, path)
    assert content(blobs, NAME) == b"made"
    assert not path.exists()


def test_what_is_not_there_is_none(blobs):
    assert blobs.open(NAME) is None
    assert not blobs.delete(NAME)
    assert list(blobs.all(GREYS)) == []


def test_a_deleted_blob_is_gone_and_others_stay(blobs):
    other = blob_name(GREYS, "b" * 32, "png", NOW)
    for name in (NAME, other):
        blobs.put(name, b"x")
    assert blobs.delete(NAME)
    assert not blobs.delete(NAME)
    assert blobs.open(NAME) is None
    assert content(blobs, other) == b"x"
    assert blobs.delete(other)
    blobs.put(NAME, b"again")  # into a folder that was removed with its last blob
    assert content(blobs, NAME) == b"again"


def test_the_blobs_of_a_folder_are_listed(blobs):
    original = blob_name(ORIGINALS, "a" * 32, "jpg", NOW)
    blobs.put(NAME, b"grey")
    blobs.put(original, b"original")
    (info,) = blobs.all(GREYS)
    assert (info.name, info.bytes) == (NAME, 4)
    assert abs(datetime.now(UTC) - info.written_at) < timedelta(minutes=1)
    assert [each.name for each in blobs.all(ORIGINALS)] == [original]


@pytest.mark.parametrize(
    "name",
    ["", "a", "/etc/passwd", "../x/y", "a/../b", "a//b", "a/.b", "a/b/", "a/b\0", "a/b\n", "ä/b"],
)
def test_names_that_could_lead_elsewhere_are_refused(blobs, name):
    for attempt in (blobs.open, blobs.delete, lambda each: blobs.put(each, b"x")):
        with pytest.raises(UsageError, match="no blob has a name like"):
            attempt(name)


def test_new_names_are_names_and_never_the_same(blobs):
    names = {blob_name(ORIGINALS, "a" * 32, "jpg", NOW) for _ in range(100)}
    assert len(names) == 100
    for name in names:
        check_blob_name(name)
        assert name.startswith("originals/2026-11-20/1031/" + "a" * 32)


def test_a_full_disk_is_told_and_leaves_nothing_behind(small_disk):
    blobs = LocalBlobs(small_disk / "blobs")
    with pytest.raises(OutputError, match="its disk is full"):
        blobs.put(NAME, bytes(10**6))
    assert blobs.open(NAME) is None
    assert list(blobs.spool.iterdir()) == []
    blobs.put(NAME, b"small")
    assert content(blobs, NAME) == b"small"


@pytest.mark.usefixtures("nobody")
def test_a_folder_that_may_not_be_written_is_told():
    with pytest.raises(OutputError, match="can not be used"):
        LocalBlobs(Path("/proc/blobs")).put(NAME, b"x")


def test_a_killed_put_leaves_a_file_that_is_told_as_stale_and_no_blob(tmp_path):
    blobs = LocalBlobs(tmp_path)
    Path(blobs.spool, "0123.blob").write_bytes(b"half")
    assert list(blobs.all(GREYS)) == []
    now = datetime.now(UTC)
    assert list(blobs.stale_files(now - timedelta(hours=1))) == []
    assert [path.name for path in blobs.stale_files(now + timedelta(hours=1))] == ["0123.blob"]


def test_a_link_out_of_the_folder_is_not_listed(tmp_path):
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.put(NAME, b"x")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "blobs" / GREYS / "link.png").symlink_to(tmp_path / "secret")
    assert [each.name for each in blobs.all(GREYS)] == [NAME]


def test_a_blob_that_nobody_holds_any_more_keeps_no_file_open(tmp_path):
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.put(NAME, b"content")
    descriptor = blobs.open(NAME).fileno()  # and let go of, as by a request that was canceled
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
