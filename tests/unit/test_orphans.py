"""Files without their row and rows without their file are found, and mended without harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pixmill.store import open_archive
from pixmill.store.memory import MemoryArchive
from pixmill.store.orphans import find_orphans, mend
from tests.archives import names_of
from tests.contract.archives import image, new_image, put_blobs

LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(params=["memory", "sqlite"])
def archive(request, tmp_path):
    if request.param == "memory":
        yield MemoryArchive()
        return
    with open_archive(None, None, None, tmp_path) as opened:
        yield opened


def test_where_all_belongs_together_nothing_is_found(archive):
    for number in range(5):
        new_image(archive, number)
    assert list(find_orphans(archive, LATER)) == []


def test_files_that_no_row_names_go_and_the_others_stay(archive):
    one = new_image(archive)
    lost = put_blobs(archive, image(2).md5)  # of a row that never came
    beaten = put_blobs(archive, one.md5)  # of a row that another one won
    orphans = list(find_orphans(archive, LATER))
    assert {each.kind for each in orphans} == {"file without row"}
    assert {each.name for each in orphans} == {*lost, *beaten}
    for orphan in orphans:
        mend(archive, orphan)
    assert names_of(archive) == set(one.blobs)
    assert list(find_orphans(archive, LATER)) == []


def test_young_files_may_be_in_somebodys_hand_and_are_left_alone(archive):
    put_blobs(archive, image(2).md5)
    assert list(find_orphans(archive, datetime.now(UTC) - timedelta(minutes=1))) == []


@pytest.mark.parametrize("lost", [0, 1])
def test_a_row_without_its_file_goes_and_its_image_may_come_again(archive, lost):
    one, other = new_image(archive, 1), new_image(archive, 2)
    archive.blobs.delete(one.blobs[lost])
    (orphan,) = find_orphans(archive, LATER)
    assert (orphan.kind, orphan.name, orphan.md5) == ("row without file", one.blobs[lost], one.md5)
    mend(archive, orphan)
    assert archive.find(one.md5) is None
    assert names_of(archive) == set(other.blobs)
    new_image(archive, 1)
    assert list(find_orphans(archive, LATER)) == []


def test_what_a_killed_process_left_unfinished_goes(tmp_path):
    with open_archive(None, None, None, tmp_path) as archive:
        left = Path(archive.blobs.spool, "0123456789abcdef.blob")
        left.write_bytes(b"half")
        (orphan,) = find_orphans(archive, LATER)
        assert (orphan.kind, orphan.name) == ("unfinished file", str(left))
        mend(archive, orphan)
        assert not left.exists()


def test_a_row_that_came_anew_while_others_were_mended_stays(archive):
    first = new_image(archive)
    for name in first.blobs:
        archive.blobs.delete(name)
    (orphan,) = find_orphans(archive, LATER)
    archive.delete(first.md5)
    new_image(archive)
    mend(archive, orphan)
    assert archive.find(first.md5)
    assert list(find_orphans(archive, LATER)) == []


def test_a_file_whose_name_is_none_of_ours_is_left_alone(archive):
    archive.blobs.put("greys/stray/x.png", b"x")
    Path(archive.blobs.spool, "mine.txt").write_bytes(b"mine")
    assert list(find_orphans(archive, LATER)) == []
