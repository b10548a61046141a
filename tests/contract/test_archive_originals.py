"""Images that were kept without their originals: what comes later with one completes them."""

from __future__ import annotations

import threading

import pytest

from pixmill.ingest.keeper import ArchiveKeeper, image_of
from pixmill.record import Analysis
from pixmill.store.archive import Outcome
from tests.archives import bytes_of, names_of
from tests.contract.archives import ARCHIVES, RED, capture, image, open_one, put_blobs

ONE = Analysis(
    colors=(RED,), pixels=4, width=2, height=2, format="png", bytes=9, md5=f"{1:032x}", clusters=()
)


@pytest.fixture(params=ARCHIVES)
def archive(request, tmp_path):
    """An empty archive of each adapter."""
    with open_one(request.param, request, tmp_path) as opened:
        yield opened


def come(archive, *, originals):
    """What a run does with an image, with or without its original."""
    keeper = ArchiveKeeper(archive, originals=originals)
    kept = keeper.keep(memoryview(b"original"), f"{1:064x}", ONE, b"grey")
    return archive.add([capture(image_of(ONE, kept))])


def test_a_later_arrival_brings_the_original(archive):
    assert come(archive, originals=False) == [Outcome("success")]
    first = archive.find(ONE.md5).image.blobs
    assert first.original is None
    assert ArchiveKeeper(archive, originals=False).known(ONE.md5) is not None
    assert ArchiveKeeper(archive, originals=True).known(ONE.md5) is None
    assert come(archive, originals=True) == [Outcome("duplicate")]
    names = archive.find(ONE.md5).image.blobs
    assert names.grey == first.grey
    assert bytes_of(archive, names.original) == b"original"
    assert names_of(archive) == set(names)
    assert come(archive, originals=True) == come(archive, originals=False)
    assert archive.find(ONE.md5).image.blobs == names
    assert names_of(archive) == set(names)
    assert archive.delete(ONE.md5)
    assert names_of(archive) == set()


def test_the_same_capture_again_completes_nothing_twice(archive):
    come(archive, originals=False)
    names = put_blobs(archive, ONE.md5)
    again = [capture(image(blobs=names), key=bytes(16))]
    assert archive.add(again) == archive.add(again) == [Outcome("duplicate")]
    assert archive.find(ONE.md5).image.blobs.original == names.original
    assert names.original in names_of(archive)
    assert len(names_of(archive)) == 2


def test_another_file_of_its_md5_gives_it_no_original(archive):
    come(archive, originals=False)
    other = image(sha256="f" * 64, blobs=put_blobs(archive, ONE.md5))
    assert archive.add([capture(other)]) == [Outcome("fail", "md5_collision")]
    assert archive.find(ONE.md5).image.blobs.original is None
    assert len(names_of(archive)) == 1


def test_of_many_at_once_one_brings_it_and_nothing_is_left_of_the_others(archive):
    come(archive, originals=False)
    start = threading.Barrier(6)

    def come_all():
        start.wait()
        come(archive, originals=True)

    threads = [threading.Thread(target=come_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = archive.find(ONE.md5).image.blobs
    assert bytes_of(archive, names.original) == b"original"
    assert names_of(archive) == set(names)


def test_who_drops_the_image_meanwhile_leaves_no_file(archive):
    come(archive, originals=False)
    start = threading.Barrier(2)

    def drop():
        start.wait()
        archive.delete(ONE.md5)

    dropper = threading.Thread(target=drop)
    dropper.start()
    start.wait()
    come(archive, originals=True)
    dropper.join()
    stored = archive.find(ONE.md5)
    assert names_of(archive) == (set(stored.image.blobs) if stored else set())
