"""Turns: so many at work, so many waiting in their order, all others refused."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from pixmill.web.admission import Admission
from pixmill.web.errors import ApiError
from pixmill.web.metrics import Metrics

KEYS = map(str, count())  # each request by a key of its own, but where keys are what it is about


def admission(at_work, waiting, patience_s=60.0):
    return Admission(at_work, waiting, patience_s, Metrics())


class Holder:
    """A task that holds a turn until it is told to give it back."""

    def __init__(self, turns, name=None, began=None):
        self.done = asyncio.Event()
        self._began = began if began is not None else []
        self.task = asyncio.create_task(self._hold(turns, name))

    async def _hold(self, turns, name):
        async with turns.turn(next(KEYS)):
            self._began.append(name)
            await self.done.wait()


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


async def end(*holders):
    for holder in holders:
        holder.done.set()
    await asyncio.gather(*(holder.task for holder in holders))


async def test_beyond_those_at_work_and_waiting_all_are_refused():
    turns = admission(2, 3)
    holders = [Holder(turns) for _ in range(5)]
    await settled()
    assert turns.waiting == 3
    for _ in range(3):
        with pytest.raises(ApiError) as caught:
            async with turns.turn(next(KEYS)):
                pytest.fail("it is full")
        error = caught.value
        assert (error.status, error.code) == (503, "overloaded")
        assert int(error.headers["Retry-After"]) >= 1
        assert 0.1 <= error.pause_s <= 0.5
        with pytest.raises(ApiError):
            turns.check(next(KEYS))
    assert turns.waiting == 3
    await end(*holders)
    turns.check(next(KEYS))
    assert turns.waiting == 0


async def test_turns_come_in_order():
    turns, began = admission(1, 10), []
    holders = [Holder(turns, name, began) for name in range(5)]
    for number, holder in enumerate(holders):
        await settled()
        assert began == list(range(number + 1))
        await end(holder)


async def test_with_no_place_to_wait_a_free_turn_is_still_given():
    turns = admission(1, 0)
    for _ in range(3):
        async with turns.turn(next(KEYS)):
            with pytest.raises(ApiError):
                turns.check(next(KEYS))


async def test_who_goes_away_while_waiting_leaves_no_trace():
    turns = admission(1, 1)
    first, second = Holder(turns), Holder(turns)
    await settled()
    second.task.cancel()
    await asyncio.wait([second.task])
    assert turns.waiting == 0
    third = Holder(turns)
    await settled()
    assert turns.waiting == 1
    await end(first, third)


async def test_an_error_gives_the_turn_back():
    turns = admission(1, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with turns.turn(next(KEYS)):
                raise ZeroDivisionError
    turns.check(next(KEYS))


async def test_patience_ends_and_the_turn_goes_to_others():
    turns = admission(1, 5, patience_s=0.01)
    holder = Holder(turns)
    await settled()
    with pytest.raises(ApiError) as caught:
        async with turns.turn(next(KEYS)):
            pytest.fail("it is held")
    assert caught.value.status == 503
    assert caught.value.errors == ("The request had to wait too long for its turn",)
    assert turns.waiting == 0
    await end(holder)
    async with turns.turn(next(KEYS)):
        pass


async def test_one_key_leaves_a_quarter_of_the_places_to_others():
    turns = admission(2, 2)
    done = asyncio.Event()

    async def hold(key):
        async with turns.turn(key):
            await done.wait()

    tasks = [asyncio.create_task(hold("greedy")) for _ in range(3)]
    await settled()
    with pytest.raises(ApiError) as caught:
        turns.check("greedy")
    assert caught.value.status == 503
    turns.check("other")
    done.set()
    await asyncio.gather(*tasks)
    turns.check("greedy")
