"""The mark of a place of files, by which a cluster knows that all have theirs in one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pixmill.errors import OutputError
from pixmill.jobs.common_place import open_common_place
from pixmill.settings import load_settings
from pixmill.store import open_catalog
from pixmill.store.shards import Worker
from tests import shards

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def place(tmp_path, catalog):
    """Call it to open a place by its name."""
    return lambda name: open_common_place(load_settings(blobs=str(tmp_path / name)), catalog)


def marks(folder):
    return [path.name for path in (folder / "place").iterdir()]


def test_the_first_place_is_that_of_all(catalog, place, tmp_path):
    assert catalog.workers.place() is None
    for _ in range(3):
        place("nas")
        assert marks(tmp_path / "nas") == [f"{catalog.workers.place():016x}"]


def test_another_place_is_refused_while_a_worker_is_alive(catalog, place, tmp_path):
    place("nas")
    catalog.workers.renew(Worker("a", "a", 2, "1", NOW, NOW), 60.0)
    with pytest.raises(OutputError, match="/other is not the place where the files of the other"):
        place("other")
    assert not (tmp_path / "other" / "place").exists()
    place("nas")


def test_another_place_is_refused_while_there_are_shards(catalog, place):
    """As the folder of a disk that is not mounted, after all have ended."""
    place("nas")
    catalog.keys.add("one", ["jobs"])
    shards.cut(catalog, 2)
    with pytest.raises(OutputError, match="is its disk mounted"):
        place("other")
    place("nas")


def test_all_may_move_where_nothing_is_left_behind(catalog, place, tmp_path):
    place("nas")
    place("other")
    assert marks(tmp_path / "nas") == marks(tmp_path / "other")


def test_of_two_who_begin_at_once_one_is_refused(catalog, place, monkeypatch):
    """The other was known before, with a worker."""
    found = catalog.workers.place
    asked = []

    def late():
        asked.append(1)
        if len(asked) == 1:
            catalog.workers.settle(7)
            catalog.workers.renew(Worker("a", "a", 2, "1", NOW, NOW), 60.0)
            return None
        return found()

    monkeypatch.setattr(catalog.workers, "place", late)
    with pytest.raises(OutputError):
        place("nas")


def test_a_place_that_can_not_be_written_is_told(place, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can not be used"):
        place("file/nas")
