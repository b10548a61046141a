"""The reader hands over every item of an iterable that may block, a bounded way ahead."""

import asyncio
import queue
import threading
import time

import pytest

from pixmill.batch.reader import Reader, weight
from pixmill.record import Item


def items(count, start=1):
    return [Item(line=line, url=f"http://a/{line}") for line in range(start, start + count)]


async def drain(reader):
    drawn = []
    while (item := await reader.next()) is not None:
        drawn.append(item)
    return drawn


def has_ended(reader):
    reader._thread.join(5)
    return not reader._thread.is_alive()


async def drawn_ahead(taken, expected):
    """Wait until so many items are drawn, and a little longer, to see whether more are."""
    async with asyncio.timeout(60):
        while taken() < expected:  # noqa: ASYNC110  a thread's progress has no event
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    return taken()


@pytest.fixture
async def loop():
    return asyncio.get_running_loop()


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 5000])
async def test_every_item_comes_once_in_order(loop, count):
    reader = Reader(items(count), loop)
    assert await drain(reader) == items(count)
    assert await reader.next() is None, "the end stays the end"
    assert has_ended(reader)


async def test_what_the_iterable_raised_comes_after_its_last_item(loop):
    def broken():
        yield from items(3)
        raise ZeroDivisionError("no more")

    reader = Reader(broken(), loop)
    assert [await reader.next() for _ in range(3)] == items(3)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="no more"):
            await reader.next()
    assert has_ended(reader)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
async def test_what_a_loop_would_take_for_its_own_comes_as_an_ordinary_error(loop, error):
    def broken():
        yield from items(1)
        raise error

    reader = Reader(broken(), loop)
    assert await reader.next() == items(1)[0]
    with pytest.raises(RuntimeError, match=error.__name__):
        await reader.next()


async def test_what_is_not_iterable_raises(loop):
    with pytest.raises(TypeError, match="not iterable"):
        await Reader(7, loop).next()


async def test_an_iterable_that_blocks_does_not_stop_the_loop(loop):
    source = queue.Queue()
    reader = Reader(iter(source.get, None), loop)
    waiting = asyncio.create_task(reader.next())
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not waiting.done()
    source.put(items(1)[0])
    assert await waiting == items(1)[0]
    source.put(None)
    assert await reader.next() is None


async def test_a_canceled_wait_loses_no_item(loop):
    source = queue.Queue()
    reader = Reader(iter(source.get, None), loop)
    for item in items(20):
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0.001)
        waiting.cancel()
        source.put(item)
        assert await reader.next() == item
    source.put(None)


async def test_it_draws_at_most_1024_items_ahead(loop):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Item(line=taken, url="http://a/")

    reader = Reader(endless(), loop)
    ahead = 1024 + 1  # one more is in the thread's hand
    assert await drawn_ahead(lambda: taken, ahead) == ahead
    for _ in range(600):
        await reader.next()
    assert await drawn_ahead(lambda: taken, ahead + 600) == ahead + 600
    reader.stop()
    assert has_ended(reader)


@pytest.mark.parametrize(("char", "bytes_each"), [("x", 1), ("é", 4)])
async def test_it_draws_at_most_4_mib_ahead(loop, char, bytes_each):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Item(line=taken, url=char * 2**18)

    reader = Reader(endless(), loop)
    ahead = 16 // bytes_each + 1  # one more is in the thread's hand
    assert await drawn_ahead(lambda: taken, ahead) == ahead
    drawn = [await reader.next() for _ in range(40)]
    assert [item.line for item in drawn] == list(range(1, 41))
    reader.stop()
    assert has_ended(reader)


async def test_items_larger_than_the_bound_come_one_at_a_time(loop):
    big = [Item(line=line, url="x" * 5 * 2**20) for line in range(1, 6)]
    assert await drain(Reader(big, loop)) == big


async def test_stop_ends_the_thread_of_an_endless_list_and_closes_its_generator(loop):
    closed = threading.Event()

    def endless():
        try:
            line = 0
            while True:
                line += 1
                yield Item(line=line, url="http://a/")
        finally:
            closed.set()

    reader = Reader(endless(), loop)
    await reader.next()
    reader.stop()
    assert has_ended(reader)
    assert closed.is_set()


def test_a_thread_that_outlives_its_loop_ends_quietly():
    source = queue.Queue()

    async def begin():
        reader = Reader(iter(source.get, None), asyncio.get_running_loop())
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0.01)
        reader.stop()
        waiting.cancel()
        return reader

    reader = asyncio.run(begin())
    source.put(items(1)[0])  # pytest fails a test in whose thread an exception is not caught
    assert has_ended(reader)


async def test_no_wake_up_is_lost(loop):
    """Thousands of hand-overs with sleeps on both sides that bring the two into every order."""
    count = 4000

    def uneven():
        for item in items(count):
            if item.line % 7 == 0:
                time.sleep(0)
            if item.line % 97 == 0:
                time.sleep(0.0005)
            yield item

    async def drain_unevenly():
        drawn = []
        reader = Reader(uneven(), loop)
        while (item := await reader.next()) is not None:
            drawn.append(item.line)
            if item.line % 5 == 0:
                await asyncio.sleep(0)
            if item.line % 101 == 0:
                await asyncio.sleep(0.0005)
        return drawn

    async with asyncio.timeout(60):
        runs = await asyncio.gather(*[drain_unevenly() for _ in range(4)])
    assert runs == [list(range(1, count + 1))] * 4


async def test_a_thread_that_waits_for_room_does_not_turn_in_circles(loop):
    class Counting(Reader):
        asked = 0

        def _has_room(self):
            self.asked += 1
            return super()._has_room()

    reader = Counting(iter(lambda: items(1)[0], None), loop)
    await drawn_ahead(lambda: reader.asked, 1025)
    before = reader.asked
    await asyncio.sleep(0.2)
    assert reader.asked == before
    reader.stop()
    assert has_ended(reader)


def test_the_weight_of_an_item_covers_its_texts():
    bare = weight(Item(line=1, url=""))
    assert weight(Item(line=1, url="x" * 100)) == bare + 100
    assert weight(Item(line=1, url="", extra=(("id", "x" * 50), ("label", "y" * 7)))) == bare + 57
    assert weight(Item(line=1, url="", path="/" * 30)) == bare + 30
    assert weight(Item(line=1, url="\U0001f600" * 10)) == bare + 40
