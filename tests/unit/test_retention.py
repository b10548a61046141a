"""What has not come for long is dropped, at once and again; a fault is told and outlived."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from pixmill.errors import OutputError
from pixmill.ingest.retention import forget_old
from pixmill.store.memory import MemoryArchive
from pixmill.store.opening import utc_now
from tests.contract.archives import new_image


async def rounds(archive, number):
    """What is told in so many rounds."""
    told, enough = [], asyncio.Event()

    def take(result):
        told.append(result)
        if len(told) == number:
            enough.set()

    forget = partial(asyncio.to_thread, archive.forget)
    task = asyncio.ensure_future(forget_old(forget, 2, take, every_s=0))
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return told[:number]


async def test_only_what_is_older_goes():
    clock = [utc_now() - timedelta(days=3)]
    archive = MemoryArchive(clock=lambda: clock[0])
    new_image(archive, 1)
    clock[0] += timedelta(days=2)
    new_image(archive, 2)
    assert await rounds(archive, 2) == [1, 0]
    assert [each.image.md5 for each in archive.page(9)] == [f"{2:032x}"]


async def test_an_archive_that_can_not_be_used_is_asked_again():
    class Broken(MemoryArchive):
        def forget(self, before):
            raise OutputError("gone")

    first, second = await rounds(Broken(), 2)
    assert str(first) == str(second) == "gone"
