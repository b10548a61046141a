"""Which files of a watched folder are given, when, and what becomes of those that are not whole."""

from __future__ import annotations

import os
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixmill.errors import InputError
from pixmill.ingest import watch as module
from pixmill.ingest.watch import FolderWatch, Waits
from pixmill.record import Failure, Item, Record
from pixmill.store.archive import Capture
from pixmill.store.memory import MemoryArchive

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.001)


@pytest.fixture
def archive():
    return MemoryArchive()


def watching(folder: Path, archive: MemoryArchive, patience_s: float = 0.01) -> FolderWatch:
    return FolderWatch(folder, archive, "camera", waits=Waits(0.01, patience_s))


def failed(item: Item, code: str) -> Record:
    return Record(line=item.line, url=item.url, failure=Failure(code, "no picture"))


def names(items: Iterator[Item], number: int) -> set[str]:
    return {Path(item.path or "").name for item in islice(items, number)}


def test_regular_files_of_all_depths_are_given_and_no_others(tmp_path, archive):
    folder = tmp_path / "nas"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".trash").mkdir()
    (tmp_path / "secret").write_text("x")
    for name in ("a", "deep/b", "deep/er/c", ".d", ".trash/e", "f.part", "g~", "h.tmp"):
        (folder / name).write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "links").symlink_to(folder / "deep")
    os.mkfifo(folder / "pipe")
    watch = watching(folder, archive)
    items = watch.items()
    assert names(items, 3) == {"a", "b", "c"}
    (folder / "i").write_text("x")
    assert names(items, 1) == {"i"}


def test_a_file_that_grows_is_not_given_before_it_rests(tmp_path, archive):
    (tmp_path / "a").write_text("x")
    watch = watching(tmp_path, archive)
    assert watch._look() == []
    (tmp_path / "a").write_text("xx")
    assert watch._look() == []
    (item,) = islice(watch.items(), 1)
    assert item.position == (2, (tmp_path / "a").stat().st_mtime_ns)


def test_a_file_that_changed_while_it_was_at_work_is_given_again(tmp_path, archive):
    (tmp_path / "a").write_text("x")
    watch = watching(tmp_path, archive)
    items = watch.items()
    first = next(items)
    (tmp_path / "a").write_text("whole")
    assert not watch.stands(first, Record(line=1, url="a"))
    second = next(items)
    assert second.position[0] == 5
    assert watch.stands(second, Record(line=2, url="a"))
    assert watch.key("", first) != watch.key("", second)


def test_what_does_not_decode_has_time_to_become_whole(tmp_path, archive):
    (tmp_path / "a").write_text("half")
    watch = watching(tmp_path, archive)
    items = watch.items()
    first = next(items)
    assert not watch.stands(first, failed(first, "corrupt_image"))
    second = next(items)
    assert second.position == first.position
    assert watch.stands(second, failed(second, "corrupt_image"))


def test_another_failure_is_one_at_once(tmp_path, archive):
    (tmp_path / "a").write_text("large")
    watch = watching(tmp_path, archive)
    (item,) = islice(watch.items(), 1)
    assert watch.stands(item, failed(item, "too_many_pixels"))


def test_a_file_that_is_gone_unread_has_not_come_and_one_that_was_read_has(tmp_path, archive):
    (tmp_path / "a").write_text("x")
    watch = watching(tmp_path, archive)
    (item,) = islice(watch.items(), 1)
    (tmp_path / "a").unlink()
    assert not watch.stands(item, failed(item, "internal"))
    assert watch.stands(item, Record(line=1, url="a"))


def test_what_the_archive_has_is_not_given_whatever_the_folder_is_called_here(tmp_path, archive):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "a").write_text("x")
    watch = watching(here, archive)
    (item,) = islice(watch.items(), 1)
    archive.add([Capture(key=watch.key("", item), source="s", code="corrupt_image")])
    here.rename(there)
    (there / "b").write_text("new")
    assert names(watching(there, archive).items(), 1) == {"b"}


def test_at_most_so_many_files_are_at_work(tmp_path, archive, monkeypatch):
    monkeypatch.setattr(module, "_MOST_AT_WORK", 3)
    for number in range(5):
        (tmp_path / str(number)).write_text("x")
    watch = watching(tmp_path, archive)
    items = watch.items()
    at_work = list(islice(items, 3))
    watch.landed(at_work[0])
    fourth = next(items)
    assert fourth.path not in {item.path for item in at_work}
    items.close()
    watch.stop()
    assert list(watch.items()) == []


def test_what_is_gone_from_the_folder_is_not_remembered(tmp_path, archive):
    (tmp_path / "a").write_text("x")
    watch = watching(tmp_path, archive)
    (item,) = islice(watch.items(), 1)
    watch.landed(item)
    assert len(watch._done) == 1
    (tmp_path / "a").unlink()
    watch._look()
    assert (watch._done, watch._waiting) == (set(), {})


def test_a_folder_that_can_not_be_read_is_refused_at_the_start(tmp_path, archive):
    with pytest.raises(InputError, match=r"can not read .*nowhere: No such file"):
        watching(tmp_path / "nowhere", archive)


def test_files_older_than_what_is_kept_are_left_alone_and_told_once(tmp_path, archive):
    """The archive would drop them, and have them anew at each start."""
    now = time.time()
    for name, days in (("old", 3.1), ("older", 400), ("young", 2.9)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (now, now - days * 86_400))
    watch = FolderWatch(tmp_path, archive, "camera", waits=Waits(0.01), keep_days=3)
    items = watch.items()
    assert names(items, 1) == {"young"}
    (tmp_path / "new").write_text("x")
    assert names(items, 1) == {"new"}
    assert list(watch.news) == [
        "2 files have not changed for more than 3 days, longer than --keep: left alone"
    ]
    os.utime(tmp_path / "old")
    assert names(items, 1) == {"old"}
    assert len(watch.news) == 1
