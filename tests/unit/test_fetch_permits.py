"""Gates whose turns are shared with others: who waits for these is not given up for it."""

from __future__ import annotations

import asyncio

import pytest

from pixmill.errors import FetchTimeout
from pixmill.fetch.fair_time import FairTime
from pixmill.fetch.hosts import MOST_PATIENCE, HostGates

PATIENCE_S = 0.02
ORIGIN = ("http", "a", 80)


class Permits:
    """So many permits, for whoever comes first."""

    def __init__(self, number, turns):
        self.number, self.turns = number, turns
        self.used = 0
        self.waiting = []

    def pace(self, host):
        return self.used / self.turns

    def take(self, host, wake):
        if self.number:
            self.number -= 1
            self.used += 1
            self.forget(host, wake)
            return True
        if wake not in self.waiting:
            self.waiting.append(wake)
        return False

    def forget(self, host, wake):
        if wake in self.waiting:
            self.waiting.remove(wake)

    def give_back(self, host, wake=None):
        self.number += 1
        self.used = max(0, self.used - 1)
        for each in list(self.waiting):
            assert each == wake or each()


def gates(number, per_host=2):
    permits = Permits(number, per_host)
    return permits, HostGates(per_host, PATIENCE_S, permits)


async def waits(gate):
    task = asyncio.create_task(gate.acquire_within(60))
    await asyncio.sleep(0)
    return task


async def test_nobody_is_given_up_who_waits_for_permits_alone():
    permits, known = gates(0)
    gate = known.get(ORIGIN)
    tasks = [await waits(gate) for _ in range(3)]
    await asyncio.sleep(PATIENCE_S * (MOST_PATIENCE + 3))
    assert not any(task.done() for task in tasks)
    permits.give_back("")
    for task in tasks:
        await asyncio.wait_for(task, 5)
        gate.release()
    known.settle(ORIGIN)
    assert (len(known), permits.number, permits.waiting) == (0, 1, [])


async def test_who_is_canceled_waits_for_no_permit_any_more():
    permits, known = gates(0)
    task = await waits(known.get(ORIGIN))
    assert len(permits.waiting) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    known.settle(ORIGIN)
    assert (len(known), permits.waiting) == (0, [])


async def test_a_permit_that_comes_when_nobody_waits_is_left_to_others():
    permits, known = gates(0)
    gate = known.get(ORIGIN)
    task = await waits(gate)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    permits.give_back("")
    await asyncio.sleep(0)
    assert (gate.active, permits.number, permits.waiting) == (0, 1, [])


async def test_a_server_that_answers_nobody_is_given_up_with_few_permits_too():
    _, known = gates(1)
    gate = known.get(ORIGIN)
    assert gate.enter()
    began_at = asyncio.get_running_loop().time()
    task = await waits(gate)
    with pytest.raises(FetchTimeout):
        await asyncio.wait_for(task, 5)
    # With half of the turns all takes twice as long.
    assert asyncio.get_running_loop().time() - began_at >= 2 * PATIENCE_S * 0.99
    gate.release()


async def test_who_waits_behind_others_with_few_permits_has_more_time():
    _, known = gates(1, per_host=4)
    gate = known.get(ORIGIN)
    assert gate.enter()
    task = await waits(gate)
    loop = asyncio.get_running_loop()
    began_at, longest_s = loop.time(), PATIENCE_S * (MOST_PATIENCE + 1)
    while not task.done():
        gate.heard()
        await asyncio.sleep(0)  # nothing else of this loop is without word of it
    assert loop.time() - began_at >= 4 * longest_s * 0.99
    assert isinstance(task.exception(), FetchTimeout)


def test_fair_time_runs_as_fast_as_it_is_told_to():
    time = FairTime()
    assert time.at(100.0) == 100.0
    time.run(100.0, 0.5)
    assert time.at(110.0) == 105.0
    time.run(110.0, 0.0)
    assert time.at(1000.0) == 105.0
    time.run(1000.0, 0.0)
    time.run(1000.0, 1.0)
    assert time.at(1001.0) == 106.0
