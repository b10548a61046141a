"""Servers are asked honestly, only so much at once, and who is canceled leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from pixmill.errors import FetchError
from pixmill.fetch.client import Fetcher
from tests import origin as o
from tests.integration.fetching import BODY, NoJitter, assert_nothing_held, fetch, options


class TestManners:
    async def test_the_user_agent_is_honest_and_cookies_are_not_kept(self, origin):
        origin.serve("/a", BODY, headers={"Set-Cookie": "a=b; Path=/"})
        async with Fetcher(options()) as fetcher:
            for _ in range(2):
                (await fetcher.fetch(origin.url("/a"))).body.close()
        first, second = origin.requests
        assert first.headers["user-agent"].startswith("pixmill/")
        assert "cookie" not in second.headers
        assert first.port == second.port

    async def test_the_environment_names_no_proxy(self, origin, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{o.closed_port()}")
        data, _ = await fetch(origin.serve("/a", BODY))
        assert data == BODY

    async def test_a_path_goes_out_as_it_was_given(self, origin):
        path = "/%7Ea%2Fb/%zz/../c;d?e=%26&f=a+b&g=http://x/"
        await fetch(origin.serve(path, BODY))
        assert origin.requests[0].path == path

    @pytest.mark.parametrize(("fetchers", "per_host"), [(64, 3), (2, 16)])
    async def test_no_more_requests_at_once_than_allowed(self, origin, fetchers, per_host):
        origin.on("/a", o.delayed(0.02, o.answer(BODY)))
        async with Fetcher(options(fetchers=fetchers, per_host=per_host)) as fetcher:

            async def one(number):
                (await fetcher.fetch(origin.url(f"/a?{number}"))).body.close()

            await asyncio.gather(*map(one, range(20)))
            assert_nothing_held(fetcher)
        assert len(origin.requests) == 20
        assert origin.peak == min(fetchers, per_host)
        assert origin.connections == min(fetchers, per_host)

    async def test_an_overloaded_server_is_asked_less_at_once_until_it_recovers(self, origin):
        origin.on("/busy", o.answer(status=503))
        origin.on("/a", o.delayed(0.02, o.answer(BODY)))
        async with Fetcher(options(per_host=8, retries=0)) as fetcher:
            with pytest.raises(FetchError):
                await fetcher.fetch(origin.url("/busy"))
            tasks = [
                fetcher.fetch(origin.url(f"/a?{number}")) for number in range(4 + 5 + 6 + 7 + 30)
            ]
            running = asyncio.gather(*tasks)
            await asyncio.sleep(0.01)
            assert origin.peak <= 4
            for download in await running:
                download.body.close()
        assert origin.peak == 8

    async def test_a_paused_server_is_not_asked_by_anyone_until_it_said(self, origin):
        origin.on("/busy", o.retry_after(1))
        origin.serve("/a", BODY)
        async with Fetcher(options(retries=0)) as fetcher:
            with pytest.raises(FetchError):
                await fetcher.fetch(origin.url("/busy"))
            (await fetcher.fetch(origin.url("/a"))).body.close()
        first, second = origin.requests
        assert second.at - first.at >= 0.99

    async def test_whoever_can_not_outwait_a_pause_is_told_at_once(self, origin):
        """Others wait for half a deadline at most; whoever has less left is told, not asked for."""
        origin.on("/busy", o.delayed(0.6, o.retry_after(3600)))
        origin.serve("/a", BODY)
        with o.Origin() as other:
            other.on("/to", o.delayed(0.75, o.redirect(origin.url("/a?late"))))
            async with Fetcher(options(retries=0, per_host=1, timeout_s=1)) as fetcher:
                urls = [origin.url("/busy"), origin.url("/a?queued"), other.url("/to")]
                tasks = [asyncio.create_task(fetcher.fetch(url)) for url in urls]
                busy, queued, late = await asyncio.gather(*tasks, return_exceptions=True)
        assert (busy.code, busy.http_status, busy.attempts) == ("http_error", 429, 1)
        assert (late.code, late.http_status, late.attempts) == ("http_error", 429, 1)
        with queued.body as body:
            assert bytes(body.view()) == BODY
        first, second = origin.requests
        assert second.path == "/a?queued"
        assert second.at - first.at >= 1.09

    async def test_a_long_queue_before_a_slow_but_healthy_server_fails_nobody(self, origin):
        """Waiting for a turn takes nothing from a URL's time, and is no attempt."""
        origin.on("/a", o.delayed(0.1, o.answer(BODY)))
        async with Fetcher(options(retries=0, per_host=2, timeout_s=0.4)) as fetcher:
            fetches = [fetcher.fetch(origin.url(f"/a?{number}")) for number in range(24)]
            for download in await asyncio.gather(*fetches):
                download.body.close()
                assert download.attempts == 1
        assert len(origin.requests) == 24

    async def test_whoever_waits_behind_a_server_that_hangs_is_given_up(self, origin):
        origin.on("/hang", o.hang())
        async with Fetcher(options(retries=3, per_host=2, timeout_s=0.3)) as fetcher:
            fetches = [fetcher.fetch(origin.url(f"/hang?{number}")) for number in range(12)]
            errors = await asyncio.gather(*fetches, return_exceptions=True)
            assert_nothing_held(fetcher)
        assert [error.code for error in errors] == ["timeout"] * 12
        assert sum(error.attempts for error in errors) == len(origin.requests)
        assert len(origin.requests) <= 6, "two rounds, and those whose turn came as these ended"
        assert any("answered nobody, or hardly, for 0.6 s" in str(error) for error in errors)

    async def test_healthy_urls_behind_some_that_hang_are_fetched(self, origin):
        origin.on("/hang", o.hang())
        origin.serve("/a", BODY)
        async with Fetcher(options(retries=0, per_host=2, timeout_s=0.4)) as fetcher:
            paths = ["/hang?1", "/hang?2", *(f"/a?{number}" for number in range(30))]
            fetches = [fetcher.fetch(origin.url(path)) for path in paths]
            hung, stuck, *well = await asyncio.gather(*fetches, return_exceptions=True)
            assert (hung.code, stuck.code) == ("timeout", "timeout")
            for download in well:
                download.body.close()

    async def test_pauses_are_taken_from_the_time_of_those_who_wait(self, origin):
        """A server that pauses again and again holds nobody for longer than a URL has."""
        origin.on("/a", *[o.retry_after(1)] * 40)
        async with Fetcher(options(retries=0, per_host=1, timeout_s=2.5)) as fetcher:
            fetches = [fetcher.fetch(origin.url(f"/a?{number}")) for number in range(20)]
            errors = await asyncio.gather(*fetches, return_exceptions=True)
        assert {(error.code, error.http_status) for error in errors} == {("http_error", 429)}
        assert len(origin.requests) == 3, "at once, after one second, and after two"

    async def test_whoever_waits_behind_a_name_that_does_not_resolve_is_given_up(self):
        def slow(host, port, **_):
            asked.append(host)
            time.sleep(0.2)
            raise socket.gaierror(socket.EAI_AGAIN, "try again")

        asked = []
        limits = options(retries=1, per_host=1, timeout_s=0.5)
        async with Fetcher(limits, rng=NoJitter(), getaddrinfo=slow) as fetcher:
            fetches = [fetcher.fetch(f"http://dead.example/{number}") for number in range(30)]
            errors = await asyncio.gather(*fetches, return_exceptions=True)
        assert {error.code for error in errors} == {"dns_failed", "timeout"}
        assert len(asked) < 20, "without end it would be 60"

    async def test_a_url_that_waits_for_its_server_takes_no_slot_from_others(self, origin):
        origin.on("/slow", o.hang())
        with o.Origin() as other:
            url = other.serve("/a", BODY)
            async with Fetcher(options(fetchers=2, per_host=1)) as fetcher:
                hanging = [
                    asyncio.create_task(fetcher.fetch(origin.url(f"/slow?{number}")))
                    for number in range(5)
                ]
                await asyncio.sleep(0.05)
                (await asyncio.wait_for(fetcher.fetch(url), 5)).body.close()
                for task in hanging:
                    task.cancel()
                await asyncio.gather(*hanging, return_exceptions=True)
                assert_nothing_held(fetcher)

    async def test_many_servers_leave_nothing_behind(self):
        async with Fetcher(options(retries=0)) as fetcher:
            port = o.closed_port()
            for number in range(1, 200):
                with pytest.raises(FetchError):
                    await fetcher.fetch(f"http://127.0.1.{number}:{port}/")
            assert len(fetcher._hosts) == 0
            assert fetcher._connector.idle == 0

    async def test_idle_connections_are_bounded_over_all_servers(self, origin, monkeypatch):
        monkeypatch.setattr("pixmill.fetch.connector.MAX_IDLE", 10)
        with o.Origin(host="0.0.0.0") as anywhere:
            anywhere.serve("/a", BODY)
            async with Fetcher(options()) as fetcher:
                for number in range(1, 31):
                    url = anywhere.url("/a", host=f"127.0.1.{number}")
                    (await fetcher.fetch(url)).body.close()
                    assert fetcher._connector.idle <= 10


class TestCancellation:
    @pytest.mark.parametrize(
        "reply",
        [
            o.hang(),
            o.hang(o.head()[:10]),
            o.stall_after_headers(),
            o.drip(BODY, 0.005),
            o.hang(o.head(headers={"Content-Length": "200000"}) + BODY),
            o.answer(status=500),
            o.retry_after(5),
        ],
    )
    @pytest.mark.parametrize("after_s", [0.0, 0.01, 0.05])
    @pytest.mark.parametrize("limits", [{}, {"spill_bytes": 10}])
    async def test_in_the_middle_leaks_nothing(self, origin, reply, after_s, limits):
        url = origin.on("/a", reply)
        async with Fetcher(options(per_host=2, **limits)) as fetcher:
            tasks = [asyncio.create_task(fetcher.fetch(url)) for _ in range(5)]
            await asyncio.sleep(after_s)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            assert_nothing_held(fetcher)
            assert fetcher._slots.active == 0
