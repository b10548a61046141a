"""Whose a folder of images is: marked once, and never taken for another's or for nothing's."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from pixmill.errors import OutputError
from pixmill.store import open_archive
from pixmill.store.landmark import LANDMARK, claim
from tests.contract.archives import new_image

OURS, THEIRS = "a" * 32, "b" * 32


def yes():
    return True


def no():
    return False


def test_a_new_folder_is_made_and_marked_and_is_then_its_own(tmp_path):
    folder = tmp_path / "deep" / "images"
    claim(folder, OURS, yes)
    assert (folder / LANDMARK).read_text() == f"{OURS}\n"
    claim(folder, OURS, no)
    assert [path.name for path in folder.iterdir()] == [LANDMARK]


def test_the_folder_of_another_archive_is_refused(tmp_path):
    claim(tmp_path, THEIRS, yes)
    with pytest.raises(OutputError, match="that of another archive"):
        claim(tmp_path, OURS, yes)
    assert (tmp_path / LANDMARK).read_text() == f"{THEIRS}\n"


@pytest.mark.parametrize("stands", [True, False])
def test_an_empty_folder_is_not_that_of_an_archive_with_images(tmp_path, stands):
    folder = tmp_path / "images"
    if stands:
        folder.mkdir()
    with pytest.raises(OutputError, match="is its disk mounted"):
        claim(folder, OURS, no)
    assert folder.exists() == stands
    assert not (folder / LANDMARK).exists()


def test_a_folder_from_before_there_were_marks_is_taken(tmp_path):
    (tmp_path / "greys").mkdir()
    claim(tmp_path, OURS, no)
    with pytest.raises(OutputError, match="that of another archive"):
        claim(tmp_path, THEIRS, yes)


def test_of_two_archives_that_race_for_a_folder_one_has_it(tmp_path):
    gate, had = threading.Barrier(8), []

    def attempt(archive_id):
        gate.wait()
        with suppress(OutputError):
            claim(tmp_path, archive_id, yes)
            had.append(archive_id)

    threads = [threading.Thread(target=attempt, args=(each,)) for each in (OURS, THEIRS) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(had)) == 1
    assert len(had) == 4
    assert [path.name for path in tmp_path.iterdir()] == [LANDMARK]


def test_an_archive_whose_disk_is_not_mounted_is_not_opened_and_nothing_is_dropped(tmp_path):
    with open_archive(None, None, None, tmp_path) as archive:
        image = new_image(archive)
    (tmp_path / "blobs").rename(tmp_path / "away")
    for is_mount_point in (False, True):
        if is_mount_point:
            (tmp_path / "blobs").mkdir()
        with pytest.raises(OutputError, match="is its disk mounted"):
            open_archive(None, None, None, tmp_path)
    (tmp_path / "blobs").rmdir()
    (tmp_path / "away").rename(tmp_path / "blobs")
    with open_archive(None, None, None, tmp_path) as archive:
        assert archive.find(image.md5)


def test_a_disk_that_goes_while_the_archive_is_open_is_not_written_under(tmp_path):
    with open_archive(None, None, None, tmp_path) as archive:
        new_image(archive)
        (tmp_path / "blobs").rename(tmp_path / "away")
        for is_mount_point in (False, True):
            if is_mount_point:
                (tmp_path / "blobs").mkdir()
            with pytest.raises(OutputError, match="can not be used"):
                archive.blobs.put("greys/2026-11-20/1031/x.png", b"x")
        assert list((tmp_path / "blobs").iterdir()) == []


def test_two_archives_do_not_share_a_folder_unasked(tmp_path):
    with open_archive(None, None, None, tmp_path) as archive:
        new_image(archive)
    other = f"sqlite:///{tmp_path}/other.sqlite"
    with pytest.raises(OutputError, match=r"another archive: let PIXMILL_BLOBS or --blobs"):
        open_archive(other, None, None, tmp_path)
    open_archive(other, None, tmp_path / "own", tmp_path).close()
