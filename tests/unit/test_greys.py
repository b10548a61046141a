"""Grey images in memory: who is asked for them, how often, and for how long they are believed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pixmill.errors import OutputError
from pixmill.store.archive import BlobNames, Capture, Image
from pixmill.store.memory import MemoryArchive
from pixmill.web.greys import Greys
from pixmill.web.store_calls import StoreCalls

ROOM = 100_000


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Watched(MemoryArchive):
    """An archive that notes what it is asked, and answers `known` when it may."""

    def __init__(self):
        super().__init__()
        self.found, self.looks = [], []
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def find(self, md5):
        self.found.append(md5)
        return super().find(md5)

    def known(self, md5s):
        self.looks.append(sorted(md5s))
        self.is_asked.set()
        assert self.may_answer.wait(30)
        return super().known(md5s)


def keep(archive, number, size=100):
    md5 = f"{number:032x}"
    archive.blobs.put(f"greys/{md5}", bytes([number]) * size)
    image = Image(
        md5=md5, sha256=f"{number:064x}", bytes=1, format="png", width=1, height=1, colors=(),
        color=None, blobs=BlobNames(None, f"greys/{md5}"),
    )  # fmt: skip
    key = number.to_bytes(16, "big")
    archive.add([Capture(key=key, source="test", reference="", image=image, code=None)])
    return md5


@pytest.fixture
def archive():
    return Watched()


async def test_it_is_read_once_and_believed_for_two_seconds(archive):
    clock = Clock()
    greys, md5 = Greys(archive, StoreCalls("archive"), ROOM, clock), keep(archive, 7)
    for _ in range(3):
        assert (await greys.get(md5)).png == b"\7" * 100
        clock.now += 0.9
    assert (archive.found, archive.looks) == ([md5], [])
    assert (await greys.get(md5)).sha256 == f"{7:064x}"
    assert (archive.found, archive.looks) == ([md5], [[md5]])


async def test_what_another_process_dropped_is_gone_within_two_seconds(archive):
    clock = Clock()
    greys, md5 = Greys(archive, StoreCalls("archive"), ROOM, clock), keep(archive, 7)
    assert await greys.get(md5)
    archive.delete(md5)
    assert await greys.get(md5)
    clock.now += 2
    assert await greys.get(md5) is None
    keep(archive, 8)
    assert await greys.get(md5) is None


async def test_many_that_are_asked_for_are_looked_at_with_one_question(archive):
    clock = Clock()
    greys = Greys(archive, StoreCalls("archive"), ROOM, clock)
    md5s = [keep(archive, number) for number in range(1, 21)]
    for md5 in md5s:
        await greys.get(md5)
    for md5 in md5s[:10]:
        await greys.get(md5)
    archive.delete(md5s[3])
    clock.now += 3
    assert await greys.get(md5s[0])
    assert archive.looks == [md5s[:10]]  # the others were asked for but once
    assert [bool(await greys.get(md5)) for md5 in md5s[:10]] == [True] * 3 + [False] + [True] * 6
    assert len(archive.looks) == 1
    assert await greys.get(md5s[15])
    assert archive.looks[1:] == [[md5s[15]]]


async def test_who_comes_while_it_is_looked_waits_for_an_own_look(archive):
    """One that the look does not cover must neither be believed nor spin."""
    clock = Clock()
    greys = Greys(archive, StoreCalls("archive"), ROOM, clock)
    first, second = keep(archive, 1), keep(archive, 2)
    await greys.get(first)
    clock.now += 1
    await greys.get(second)
    clock.now += 1.5
    archive.may_answer.clear()
    looking = asyncio.ensure_future(greys.get(first))
    assert await asyncio.to_thread(archive.is_asked.wait, 30)
    clock.now += 1
    archive.delete(second)
    late = [asyncio.ensure_future(greys.get(second)) for _ in range(3)]
    await asyncio.sleep(0.01)
    archive.may_answer.set()
    async with asyncio.timeout(10):
        assert (await looking).png == b"\1" * 100
        assert await asyncio.gather(*late) == [None] * 3
    assert archive.looks == [[first], [second]]


async def test_a_caller_that_leaves_takes_nobodys_look_with_it(archive):
    clock = Clock()
    greys, md5 = Greys(archive, StoreCalls("archive"), ROOM, clock), keep(archive, 1)
    await greys.get(md5)
    clock.now += 3
    archive.may_answer.clear()
    leaving, staying = (asyncio.ensure_future(greys.get(md5)) for _ in "ab")
    assert await asyncio.to_thread(archive.is_asked.wait, 30)
    leaving.cancel()
    await asyncio.wait({leaving})
    archive.may_answer.set()
    assert await staying
    assert len(archive.looks) == 1


async def test_an_archive_that_can_not_be_used_is_told_and_asked_again(archive, monkeypatch):
    clock = Clock()
    greys, md5 = Greys(archive, StoreCalls("archive"), ROOM, clock), keep(archive, 1)
    await greys.get(md5)
    clock.now += 3

    def broken(_):
        raise OutputError("its disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(archive, "known", broken)
        with pytest.raises(OutputError):
            await greys.get(md5)
    assert await greys.get(md5)


async def test_the_room_is_kept_to_and_who_is_asked_for_stays(archive):
    clock = Clock()
    greys = Greys(archive, StoreCalls("archive"), 10_000, clock)
    md5s = [keep(archive, number) for number in range(1, 41)]
    for md5 in md5s:
        await greys.get(md5s[0])
        await greys.get(md5)
        clock.now += 2
    assert archive.found.count(md5s[0]) == 1
    assert len(archive.found) == 40
    await greys.get(md5s[1])
    assert archive.found[-1] == md5s[1]
    large = await greys.get(keep(archive, 41, size=2000))
    assert large.png is None  # it is to be read from its blob, whoever asks
    with archive.blobs.open(large.blob) as blob:
        assert blob.size == 2000
