"""The mark of a place of files, by which a cluster knows that all have theirs in one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pixmill.errors import OutputError
from pixmill.jobs.common_place import marks_of, open_common_place
from pixmill.settings import load_settings
from pixmill.store import open_catalog
from pixmill.store.local import LocalBlobs
from pixmill.store.memory import MemoryBlobs
from pixmill.store.shards import Worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_place_keeps_its_mark_and_two_places_have_two(tmp_path):
    places = [MemoryBlobs(), LocalBlobs(tmp_path / "one"), LocalBlobs(tmp_path / "other")]
    marks = [marks_of(place) for place in places]
    assert [len(mark) for mark in marks] == [1, 1, 1]
    assert len({mark for (mark,) in marks}) == 3
    assert [marks_of(place) for place in places] == marks


@pytest.mark.parametrize("known", ["0" * 32, "f" * 32])
def test_a_place_that_two_marked_at_once_is_that_of_both(catalog, tmp_path, known):
    place = LocalBlobs(tmp_path / "nas")
    (first,) = marks_of(place)
    place.put(f"place/{known}", b"")
    for mark in (first, known):
        at_work(catalog, "one", mark)
        open_common_place(load_settings(blobs=str(tmp_path / "nas")), catalog)


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path / "data") as opened:
        yield opened


def at_work(catalog, name, place):
    catalog.workers.renew(Worker(name, name, 2, "1", NOW, NOW, place), 60.0)


def test_nobody_at_work_refuses_nobody(catalog, tmp_path):
    settings = load_settings(blobs=str(tmp_path / "nas"))
    blobs, mark = open_common_place(settings, catalog)
    assert marks_of(blobs) == [mark]


def test_whose_place_no_worker_has_is_told_so(catalog, tmp_path):
    settings = load_settings(blobs=str(tmp_path / "nas"))
    at_work(catalog, "one", "elsewhere")
    with pytest.raises(OutputError, match=r"/nas is not where the workers' files are, as .* one: "):
        open_common_place(settings, catalog)
    at_work(catalog, "two", marks_of(LocalBlobs(tmp_path / "nas"))[0])
    open_common_place(settings, catalog)


def test_a_place_that_can_not_be_written_is_told(catalog, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can not be used"):
        open_common_place(load_settings(blobs=str(tmp_path / "file" / "nas")), catalog)
