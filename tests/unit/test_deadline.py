"""A deadline passes on its time, which stands still in a wait that is excused."""

import asyncio

import pytest

from pixmill.fetch.deadline import Deadline


async def test_time_that_is_not_excused_runs_out():
    with pytest.raises(TimeoutError):
        async with Deadline(0.01):
            await asyncio.sleep(60)


async def test_no_time_runs_in_an_excused_wait():
    async with Deadline(0.05) as deadline:
        before = deadline.left_s
        await deadline.excuse(asyncio.sleep(0.1))
        assert 0 < deadline.left_s <= before


async def test_within_an_excused_wait_what_is_left_stays():
    async with Deadline(5) as deadline:
        wait = asyncio.create_task(deadline.excuse(asyncio.sleep(0.01)))
        await asyncio.sleep(0)
        left_s = deadline.left_s
        await asyncio.sleep(0.002)
        assert deadline.left_s == left_s
        await wait
        await asyncio.sleep(0.002)
        assert deadline.left_s < left_s


async def test_after_an_excused_wait_the_rest_runs_out():
    async def take_too_long():
        async with Deadline(0.02) as deadline:
            await deadline.excuse(asyncio.sleep(0.04))
            waited.append(True)
            await asyncio.sleep(60)

    waited = []
    with pytest.raises(TimeoutError):
        await take_too_long()
    assert waited


async def test_what_a_wait_raises_passes_and_time_runs_again():
    async def fail():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async with Deadline(5) as deadline:
        with pytest.raises(ZeroDivisionError):
            await deadline.excuse(fail())
        left_s = deadline.left_s
        await asyncio.sleep(0.002)
        assert deadline.left_s < left_s


async def test_who_is_canceled_in_an_excused_wait_is_canceled():
    async def wait_for_ever():
        async with Deadline(0.01) as deadline:
            await deadline.excuse(asyncio.sleep(60))

    task = asyncio.create_task(wait_for_ever())
    await asyncio.sleep(0.03)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
