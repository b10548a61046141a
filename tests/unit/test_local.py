"""Local files become bodies under the limits of downloads; what is canceled holds nothing."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from pixmill.batch import local
from pixmill.batch.local import read_file
from pixmill.errors import InvalidUrl, TooManyBytes
from pixmill.fetch.client import Fetcher
from pixmill.fetch.options import FetchOptions


def open_descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("spill_bytes", [100, 10**7])
async def test_a_file_comes_whole_from_memory_or_from_a_copy(tmp_path, spill_bytes):
    content = os.urandom(3 * 2**20 + 5)
    (tmp_path / "a").write_bytes(content)
    fetcher = Fetcher(FetchOptions(spill_bytes=spill_bytes, spill_total_bytes=2**20))
    with await read_file(str(tmp_path / "a"), fetcher.new_writer()) as body:
        assert body.view() == content
    assert fetcher.budget.used == fetcher.spill.used == 0


@pytest.mark.parametrize("name", ["missing", "folder", "pipe", "nul\0"])
async def test_what_is_no_readable_file_is_invalid(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = open_descriptors()
    with pytest.raises(InvalidUrl):
        await read_file(f"{tmp_path}/{name}", Fetcher(FetchOptions()).new_writer())
    assert open_descriptors() == before


async def test_a_file_past_the_limit_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(bytes(11))
    with pytest.raises(TooManyBytes):
        await read_file(str(tmp_path / "a"), Fetcher(FetchOptions(max_bytes=10)).new_writer())


async def test_a_canceled_read_ends_before_its_descriptor_is_closed(tmp_path, monkeypatch):
    """Else the thread would read from whatever file was given that number next."""
    (tmp_path / "a").write_bytes(bytes(10))
    reading, go_on, read = threading.Event(), threading.Event(), os.read
    outcomes = []

    def slow_read(descriptor, size):
        reading.set()
        go_on.wait(10)
        outcomes.append(read(descriptor, size))
        return outcomes[-1]

    monkeypatch.setattr(local.os, "read", slow_read)
    before = open_descriptors()
    fetcher = Fetcher(FetchOptions())
    task = asyncio.create_task(read_file(str(tmp_path / "a"), fetcher.new_writer()))
    await asyncio.to_thread(reading.wait, 10)
    task.cancel()
    await asyncio.sleep(0.01)
    go_on.set()
    await asyncio.wait([task])
    assert task.cancelled()
    assert outcomes == [bytes(10)]
    assert open_descriptors() <= before
    assert fetcher.budget.used == 0
