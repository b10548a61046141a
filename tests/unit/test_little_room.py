"""A small temporary folder is told of once, by a run that starts."""

import tempfile
from types import SimpleNamespace

import pytest

from pixmill.batch.progress import Progress
from pixmill.cli.voice import TextVoice, note_of_little_room
from pixmill.cli.watch import RunWatcher
from tests.unit.spoken import Clock, FakeRun, Said, lines, succeeded

GIB = 2**30


def disk(free):
    def usage(folder):
        return SimpleNamespace(free=free)

    return usage


@pytest.mark.parametrize(
    ("free", "max_bytes", "is_little"),
    [
        (100 * GIB, GIB, False),
        (6 * GIB, GIB, False),  # half of it holds 2 GiB of files and one more
        (6 * GIB - 2, GIB, True),
        (6 * GIB - 2, GIB // 2, False),
        (0, GIB, True),
    ],
)
def test_the_note_is_there_where_files_can_not_have_all_they_may_take(free, max_bytes, is_little):
    assert (note_of_little_room(max_bytes, disk(free)) is not None) == is_little


def test_the_note_names_the_folder_and_the_way_out(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/small")
    note = note_of_little_room(GIB, disk(GIB))
    assert note.startswith("/small has little room")
    assert "TMPDIR" in note


def test_it_is_said_once_and_only_where_a_run_starts(capsys):
    said, clock = Said(capsys), Clock()
    with RunWatcher(TextVoice(), 0, clock, note="so it is") as watcher:
        assert lines(said) == []
        watcher.started(FakeRun(), Progress(clock), 0)
        watcher.seen(succeeded())
        watcher.tick()
    assert lines(said) == ["so it is"]
