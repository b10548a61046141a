"""Rows leave in the order of the list, whatever the order of finishing, within bounds."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch.window import Window


def run_through(weights, order, *, rows, max_bytes, batch):
    """Push rows of these weights through a window; their work takes the longer the higher its rank.

    The taker takes `batch` lists at a time. Gives all rows that came out, the most rows and bytes
    that stood in the window at once, and whether two rows ever were more than allowed.
    """
    out, peaks = [], {"rows": 0, "bytes": 0, "crowded": False}

    async def main():
        taken = asyncio.Queue()
        window = Window(taken.put_nowait, max_bytes=max_bytes, rows=rows, flush_s=0)
        inside = {}
        turns = random.Random(str(order))

        async def work(number, rank):
            for _ in range(rank % 5 + turns.randrange(3)):
                await asyncio.sleep(0)
            window.finish(number, number)

        async def take():
            while True:
                runs = [await taken.get()]
                while len(runs) < batch and not taken.empty():
                    runs.append(taken.get_nowait())
                for run in runs:
                    out.extend(run)
                    window.leave(len(run), sum(inside.pop(number) for number in run))

        taker = asyncio.create_task(take())
        async with asyncio.TaskGroup() as tasks:
            for weight, rank in zip(weights, order, strict=True):
                number = await window.enter(weight)
                inside[number] = weight
                peaks["rows"] = max(peaks["rows"], len(inside))
                peaks["bytes"] = max(peaks["bytes"], sum(inside.values()))
                if sum(inside.values()) > max_bytes and len(inside) > 1:
                    peaks["crowded"] = True
                tasks.create_task(work(number, rank))
        window.flush()
        while inside:  # noqa: ASYNC110  the taker's progress has no event
            await asyncio.sleep(0)
        taker.cancel()

    asyncio.run(main())
    return out, peaks


@given(st.data())
def test_any_order_of_finishing_gives_the_order_of_the_list_within_bounds(data):
    weights = data.draw(st.lists(st.integers(1, 60), max_size=40))
    order = data.draw(st.permutations(range(len(weights))))
    rows = data.draw(st.integers(1, 8))
    max_bytes = data.draw(st.integers(1, 100))
    batch = data.draw(st.integers(1, 4))
    out, peaks = run_through(weights, order, rows=rows, max_bytes=max_bytes, batch=batch)
    assert out == list(range(len(weights)))
    assert peaks["rows"] <= rows
    assert peaks["bytes"] <= max(max_bytes, *weights, 0)
    assert not peaks["crowded"], "only a row that stands alone may be larger than the bound"


async def _settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_enter_waits_for_room_of_rows_and_is_released():
    window = Window(lambda run: None, max_bytes=1000, rows=2, flush_s=0)
    assert [await window.enter(1), await window.enter(1)] == [0, 1]
    third = asyncio.create_task(window.enter(1))
    await _settle()
    assert not third.done()
    window.leave(1, 1)
    assert await third == 2


async def test_enter_waits_for_room_of_bytes_until_there_is_enough():
    window = Window(lambda run: None, max_bytes=100, flush_s=0)
    for _ in range(4):
        await window.enter(25)
    fifth = asyncio.create_task(window.enter(50))
    await _settle()
    window.leave(1, 25)
    await _settle()
    assert not fifth.done(), "25 of the 50 bytes are free"
    window.leave(1, 25)
    assert await fifth == 4


async def test_a_row_larger_than_the_whole_bound_passes_alone():
    window = Window(lambda run: None, max_bytes=100, flush_s=0)
    assert await window.enter(1_000) == 0
    second = asyncio.create_task(window.enter(1))
    await _settle()
    assert not second.done()
    window.leave(1, 1_000)
    assert await second == 1
    third = asyncio.create_task(window.enter(1_000))
    await _settle()
    assert not third.done()
    window.leave(1, 1)
    assert await third == 2


async def test_rows_that_became_whole_together_leave_together():
    emitted = []
    window = Window(emitted.append, max_bytes=100, flush_s=0)
    for _ in range(5):
        await window.enter(1)
    for number in (3, 1, 2):
        window.finish(number, number)
    await _settle()
    assert emitted == []
    window.finish(0, 0)
    await _settle()
    assert emitted == [[0, 1, 2, 3]]
    window.finish(4, 4)
    await _settle()
    assert emitted == [[0, 1, 2, 3], [4]]


async def test_flush_at_the_end_waits_for_no_turn_of_the_loop_and_emits_nothing_twice():
    emitted = []
    window = Window(emitted.append, max_bytes=100, flush_s=0)
    await window.enter(1)
    window.finish(0, "row")
    window.flush()
    assert emitted == [["row"]]
    await _settle()
    window.flush()
    assert emitted == [["row"]]


async def test_a_canceled_wait_takes_no_room():
    window = Window(lambda run: None, max_bytes=10, flush_s=0)
    await window.enter(10)
    waiting = asyncio.create_task(window.enter(10))
    await _settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    window.leave(1, 10)
    assert await window.enter(10) == 1
