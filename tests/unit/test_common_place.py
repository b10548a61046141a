"""The mark of a place of files, by which a cluster knows that all have theirs in one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pixmill.errors import OutputError
from pixmill.jobs.common_place import mark_of, open_common_place
from pixmill.settings import load_settings
from pixmill.store import open_catalog
from pixmill.store.local import LocalBlobs
from pixmill.store.memory import MemoryBlobs
from pixmill.store.shards import Worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_place_keeps_its_mark_and_two_places_have_two(tmp_path):
    places = [MemoryBlobs(), LocalBlobs(tmp_path / "one"), LocalBlobs(tmp_path / "other")]
    marks = [mark_of(place) for place in places]
    assert len(set(marks)) == 3
    assert [mark_of(place) for place in places] == marks


def test_of_two_who_mark_a_place_at_once_both_know_it_by_the_first(tmp_path):
    place = LocalBlobs(tmp_path)
    mark = mark_of(place)
    for other in ("0" * 32, "f" * 32):
        place.put(f"place/{other}", b"\n")
        assert mark_of(place) == mark


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path / "data") as opened:
        yield opened


def at_work(catalog, name, place):
    catalog.workers.renew(Worker(name, name, 2, "1", NOW, NOW, place), 60.0)


def test_nobody_at_work_refuses_nobody(catalog, tmp_path):
    settings = load_settings(blobs=str(tmp_path / "nas"))
    blobs, mark = open_common_place(settings, catalog)
    assert mark_of(blobs) == mark


def test_whose_place_no_worker_has_is_told_so(catalog, tmp_path):
    settings = load_settings(blobs=str(tmp_path / "nas"))
    at_work(catalog, "one", "elsewhere")
    with pytest.raises(OutputError, match=r"/nas is not where the workers' files are, as .* one: "):
        open_common_place(settings, catalog)
    at_work(catalog, "two", mark_of(LocalBlobs(tmp_path / "nas")))
    open_common_place(settings, catalog)


def test_a_place_that_can_not_be_written_is_told(catalog, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can not be used"):
        open_common_place(load_settings(blobs=str(tmp_path / "file" / "nas")), catalog)
