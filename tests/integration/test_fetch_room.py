"""A temporary folder without room makes downloads wait, never fail."""

from __future__ import annotations

import asyncio

import pytest

from pixmill.errors import FetchTimeout
from pixmill.fetch.client import Fetcher
from tests import origin as o
from tests.integration.fetching import BODY, assert_nothing_held, options

TIMEOUT_S = 0.5
ONE_FILE_AT_A_TIME = {"spill_bytes": 10, "spill_total_bytes": 0, "timeout_s": TIMEOUT_S}


@pytest.mark.parametrize(
    "limits", [{}, {"fetchers": 2}, {"per_host": 2}], ids=["room", "slot", "server"]
)
async def test_waiting_for_room_is_not_taken_from_a_urls_time(origin, limits):
    """Nor is waiting for a turn behind those who wait for room."""
    url = origin.serve("/a", BODY)
    async with Fetcher(options(**ONE_FILE_AT_A_TIME, retries=0, **limits)) as fetcher:
        first = await fetcher.fetch(url)
        others = [asyncio.create_task(fetcher.fetch(url)) for _ in range(4)]
        await asyncio.sleep(1.5 * TIMEOUT_S)
        assert not any(task.done() for task in others)
        first.body.close()
        for done in asyncio.as_completed(others):
            with (await done).body as body:
                assert bytes(body.view()) == BODY
        assert_nothing_held(fetcher)
        assert fetcher.spill.used == 0


async def test_a_slow_server_is_left_at_the_deadline_while_others_wait_for_room(origin):
    url, hanging = origin.serve("/a", BODY), origin.on("/hang", o.hang())
    async with Fetcher(options(**ONE_FILE_AT_A_TIME, retries=0)) as fetcher:
        first = await fetcher.fetch(url)
        waiting = asyncio.create_task(fetcher.fetch(url))
        with pytest.raises(FetchTimeout, match=r"not done within 0\.5 s"):
            await fetcher.fetch(hanging)
        assert not waiting.done()
        first.body.close()
        (await waiting).body.close()
