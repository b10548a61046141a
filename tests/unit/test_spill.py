"""Temporary files never take more than their folder can hold, and a full one is one sentence."""

import asyncio
import tempfile
from types import SimpleNamespace

import pytest

from pixmill.errors import OutputError
from pixmill.fetch.body import BodyWriter, MemoryBudget
from pixmill.fetch.options import FetchOptions
from pixmill.fetch.spill import SpillBudget


def disk(free, asked=None):
    """A disk with so many bytes free; the folders it is asked about go to `asked`."""

    def usage(folder):
        if asked is not None:
            asked.append(folder)
        return SimpleNamespace(free=free)

    return usage


@pytest.mark.parametrize(
    ("free", "limit"),
    [
        (10_000, 1000),  # all that was asked for
        (2200, 1000),
        (2000, 900),  # half of what is free, less one file
        (400, 100),
        (200, 0),  # one file at a time
        (0, 0),
    ],
)
def test_the_limit_is_a_share_of_what_is_free_and_leaves_one_file_its_room(free, limit):
    options = FetchOptions(spill_total_bytes=1000, max_bytes=100)
    assert SpillBudget.of(options, disk(free)).limit == limit


@pytest.mark.parametrize("named", [True, False])
def test_the_folder_looked_at_is_the_one_that_files_go_to(tmp_path, monkeypatch, named):
    asked = []
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere" if named else str(tmp_path))
    SpillBudget.of(FetchOptions(temp_dir=str(tmp_path) if named else None), disk(9, asked))
    assert asked == [str(tmp_path)]


def test_a_real_folder_can_be_looked_at(tmp_path):
    options = FetchOptions(temp_dir=str(tmp_path), max_bytes=1, spill_total_bytes=1)
    assert SpillBudget.of(options).limit in {0, 1}


def test_where_there_is_no_folder_the_first_file_says_so(tmp_path):
    options = FetchOptions(temp_dir=str(tmp_path / "gone"), spill_bytes=0)
    writer = BodyWriter(options, MemoryBudget(0), SpillBudget.of(options))
    with pytest.raises(OutputError, match=r"in .*gone: No such file or directory; .* TMPDIR"):
        writer.write(b"x")


def test_where_no_folder_takes_files_that_is_one_sentence_too(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    options = FetchOptions(spill_bytes=0)
    writer = BodyWriter(options, MemoryBudget(0), SpillBudget.of(options))
    with pytest.raises(OutputError, match="in any folder: No usable temporary directory"):
        writer.write(b"x")


class TestTogether:
    """Bodies of 60 bytes in pieces of 10, of which 30 are held in memory before a file begins."""

    options = FetchOptions(spill_bytes=30)

    async def fetch(self, files, memory, most):
        writer = BodyWriter(self.options, memory, files)
        for _ in range(6):
            writer.write(bytes(10))
            await writer.wait_for_room()
            most.append(files.used)
            await asyncio.sleep(0)
        with writer.finish() as body:
            most.append(files.used)
            await asyncio.sleep(0.001)
            assert bytes(body.view()) == bytes(60)

    @pytest.mark.parametrize("limit", [0, 100])
    async def test_many_that_begin_at_once_pass_the_limit_by_one_file(self, limit):
        files, memory, most = SpillBudget(limit), MemoryBudget(1000), []
        await asyncio.gather(*(self.fetch(files, memory, most) for _ in range(30)))
        assert limit < max(most) <= limit + 60
        assert files.used == memory.used == 0

    async def test_what_waits_is_held_in_memory_and_given_back_when_canceled(self):
        files, memory = SpillBudget(0), MemoryBudget(1000)
        first, second = (BodyWriter(self.options, memory, files) for _ in range(2))
        first.write(bytes(40))
        await first.wait_for_room()
        for _ in range(4):
            second.write(bytes(10))
        waiting = asyncio.create_task(second.wait_for_room())
        await asyncio.sleep(0)
        assert (files.used, memory.used) == (40, 30)
        waiting.cancel()
        await asyncio.wait([waiting])
        second.discard()
        assert (files.used, memory.used) == (40, 0)
        first.discard()
        assert files.used == 0
