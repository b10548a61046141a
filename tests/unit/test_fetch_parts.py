"""The parts of the fetcher that need no network: retry times, options, turns."""

from __future__ import annotations

import asyncio
import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import HttpError, UsageError
from pixmill.fetch.gate import Gate
from pixmill.fetch.hosts import MAX_TROUBLED_HOSTS, HostGates
from pixmill.fetch.options import FetchOptions, user_agent
from pixmill.fetch.retry import MAX_BACKOFF_S, MAX_RETRY_AFTER_S, backoff_s, retry_after_s

NOW = 1_800_000_000.0
NEVER = float("inf")


class TestRetryTimes:
    @given(st.integers(1, 10_000), st.integers())
    def test_backing_off_is_capped(self, failed, seed):
        assert 0 <= backoff_s(failed, random.Random(seed)) <= MAX_BACKOFF_S

    def test_backing_off_doubles(self):
        class Most(random.Random):
            def random(self):
                return 1.0

        assert [backoff_s(failed, Most()) for failed in range(1, 7)] == [0.5, 1, 2, 4, 8, 10]

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            (" 120 ", 120.0),
            ("9" * 400, MAX_RETRY_AFTER_S),
            (formatdate(NOW + 30, usegmt=True), 30.0),
            (formatdate(NOW - 30, usegmt=True), 0.0),
            (formatdate(NOW + 1e8, usegmt=True), MAX_RETRY_AFTER_S),
            (None, None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("\u0661", None),
            ("Fri, 99 Nov 2026 25:61:00 GMT", None),
        ],
    )
    def test_retry_after(self, value, seconds):
        assert retry_after_s(value, NOW) == seconds

    @given(st.text())
    def test_retry_after_takes_any_text(self, value):
        seconds = retry_after_s(value, NOW)
        assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


class TestOptions:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"fetchers": 0},
            {"per_host": 0},
            {"max_bytes": 0},
            {"retries": -1},
            {"max_redirects": -1},
            {"spill_bytes": -1},
            {"memory_bytes": -1},
            {"spill_total_bytes": -1},
            {"timeout_s": 0},
            {"connect_timeout_s": -1},
            {"idle_timeout_s": float("nan")},
            {"user_agent": "a\r\nHost: b"},
            {"user_agent": "ü"},
        ],
    )
    def test_values_that_make_no_sense_are_refused(self, wrong):
        with pytest.raises(UsageError):
            FetchOptions(**wrong)

    def test_the_user_agent_names_the_program_and_whom_to_write_to(self):
        assert FetchOptions().user_agent.startswith("pixmill/")
        assert user_agent("ops@example.org").endswith(" (+ops@example.org)")


class TestGates:
    async def test_turns_are_taken_in_order(self):
        gate, order = Gate(1), []
        await gate.acquire()

        async def wait(number):
            await gate.acquire()
            order.append(number)
            gate.release()

        waiting = [asyncio.create_task(wait(number)) for number in range(5)]
        await asyncio.sleep(0)
        gate.release()
        await asyncio.gather(*waiting)
        assert order == [0, 1, 2, 3, 4]
        assert gate.idle

    @pytest.mark.parametrize("released_first", [True, False])
    async def test_a_canceled_wait_passes_its_turn_on(self, released_first):
        gate = Gate(1)
        await gate.acquire()
        first, second = (asyncio.create_task(gate.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        if released_first:
            gate.release()
            first.cancel()
        else:
            first.cancel()
            gate.release()
        await second
        assert first.cancelled() or first.cancelling()
        assert gate.active == 1
        gate.release()
        assert gate.idle

    async def test_overload_halves_once_a_round_and_success_widens_again(self):
        gate = HostGates(16, 60).get(("http", "a", 80))
        asked_at = asyncio.get_running_loop().time()
        gate.overloaded(503, asked_at, None)
        gate.overloaded(503, asked_at - 1, None)
        assert gate.limit == 8
        for _ in range(200):
            gate.overloaded(503, asyncio.get_running_loop().time() + 1, None)
        assert gate.limit == 1
        for _ in range(500):
            gate.went_well()
        assert gate.limit == 16

    async def test_only_servers_in_trouble_are_remembered_and_only_so_many(self):
        gates = HostGates(16, 60)
        for number in range(MAX_TROUBLED_HOSTS + 10):
            well, ill = ("http", "well", number), ("http", "ill", number)
            gates.get(well)
            gates.settle(well)
            gates.get(ill).overloaded(503, NEVER, None)
            gates.settle(ill)
        assert len(gates) == MAX_TROUBLED_HOSTS
        assert gates.get(("http", "ill", number)).limit == 8
        assert gates.get(("http", "ill", 0)).limit == 16

    async def test_a_pause_opens_by_itself_and_turns_away_who_can_not_wait(self):
        gate = HostGates(16, 60).get(("http", "a", 80))
        now = asyncio.get_running_loop().time()
        gate.overloaded(429, now, 0.02)
        with pytest.raises(HttpError) as caught:
            await gate.acquire_within(0.01)
        assert (caught.value.http_status, caught.value.retryable) == (429, False)
        await gate.acquire_within(60)
        assert asyncio.get_running_loop().time() >= now + 0.02
        gate.release()
        assert gate.idle

    async def test_a_longer_pause_outlasts_the_timer_of_a_shorter_one(self):
        gate = HostGates(16, 60).get(("http", "a", 80))
        now = asyncio.get_running_loop().time()
        gate.overloaded(429, now, 0.02)
        late = asyncio.create_task(gate.acquire_within(0.1))  # its wait sets a timer
        await asyncio.sleep(0)
        gate.overloaded(429, now, 0.2)
        with pytest.raises(HttpError):
            await late
        await gate.acquire_within(60)
        assert asyncio.get_running_loop().time() >= now + 0.2
        gate.release()
