"""Names whose lookup takes for ever cost themselves alone."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading

import pytest

from pixmill.errors import DnsFailed, FetchTimeout
from pixmill.fetch.client import Fetcher
from tests.integration.fetching import BODY, NoJitter, assert_nothing_held, options


class SlowDns:
    """A `getaddrinfo` that answers names with `slow` in them only once `answer` is set."""

    def __init__(self):
        self.answer = threading.Event()
        self.asked = []
        self.error = None
        self._begun = threading.Semaphore(0)

    def __call__(self, host, port, *, type):  # noqa: A002 - as in socket
        self.asked.append(host)
        if "slow" in host:
            self._begun.release()
            assert self.answer.wait(60)
            if self.error is not None:
                raise self.error
        return [(socket.AF_INET, type, 6, "", ("127.0.0.1", port))]

    def has_begun(self, count):
        """Wait until so many slow lookups are under way; False where they never are."""
        return all(self._begun.acquire(timeout=5) for _ in range(count))


@pytest.fixture
def dns():
    names = SlowDns()
    yield names
    names.answer.set()


def fetcher(dns, **changes):
    limits = {"retries": 0, "connect_timeout_s": 0.2, **changes}
    return Fetcher(options(**limits), rng=NoJitter(), getaddrinfo=dns)


async def download(fetcher, url):
    (await fetcher.fetch(url)).body.close()


async def test_a_lookup_that_takes_too_long_is_dns_failed(dns):
    async with fetcher(dns) as fetching:
        with pytest.raises(DnsFailed, match=r"slow\.example did not resolve within 0\.2 s") as slow:
            await fetching.fetch("http://slow.example/")
        assert_nothing_held(fetching)
    assert (slow.value.code, slow.value.retryable, slow.value.attempts) == ("dns_failed", True, 1)


async def test_many_names_that_do_not_answer_keep_no_other_name_waiting(dns, origin):
    origin.serve("/a", BODY)
    async with fetcher(dns, fetchers=64, connect_timeout_s=20.0) as fetching:
        slow = [
            asyncio.create_task(fetching.fetch(f"http://slow{number}.example/"))
            for number in range(40)
        ]
        assert await asyncio.to_thread(dns.has_begun, 40)
        async with asyncio.timeout(10):
            for number in range(5):
                await download(fetching, origin.url("/a", host=f"good{number}.example"))
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)


async def test_waiting_for_a_lookup_of_ones_own_is_not_taken_for_a_slow_lookup(dns, origin):
    """The one thread is still held by a lookup that was given up."""
    origin.serve("/a", BODY)
    async with fetcher(dns, fetchers=1) as fetching:
        with pytest.raises(DnsFailed):
            await fetching.fetch("http://slow.example/")
        good = asyncio.create_task(download(fetching, origin.url("/a", host="good.example")))
        await asyncio.sleep(0.4)
        assert not good.done()
        assert dns.asked == ["slow.example"]
        dns.answer.set()
        await good


async def test_a_name_is_not_looked_up_again_while_a_lookup_of_it_is_under_way(dns, origin):
    """Neither by the same URL's next attempt, nor for another port of the name."""
    url = origin.serve("/a", BODY)
    async with fetcher(dns, retries=2, connect_timeout_s=0.1) as fetching:
        for port in (80, 8080):
            with pytest.raises(DnsFailed) as caught:
                await fetching.fetch(f"http://slow.example:{port}/")
            assert caught.value.attempts == 3
        assert dns.asked == ["slow.example"]
        joined = asyncio.create_task(download(fetching, url.replace("127.0.0.1", "slow.example")))
        await asyncio.sleep(0.02)
        dns.answer.set()
        await joined
    assert dns.asked == ["slow.example"]


async def test_a_lookup_that_fails_after_it_was_given_up_is_no_news(dns, caplog):
    async with fetcher(dns) as fetching:
        with pytest.raises(DnsFailed):
            await fetching.fetch("http://slow.example/")
        dns.error = socket.gaierror(socket.EAI_AGAIN, "no")
        dns.answer.set()
        (lookup,) = fetching._resolver._lookups._under_way.values()
        await asyncio.wait({lookup.task})
        del lookup
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("fetchers", [1, 4])
async def test_leaving_in_the_middle_of_lookups_leaves_nothing_to_report(dns, fetchers):
    async with fetcher(dns, fetchers=fetchers) as fetching:
        tasks = [
            asyncio.create_task(fetching.fetch(f"http://slow{number}.example/"))
            for number in range(3)
        ]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert_nothing_held(fetching)
    assert all(task.cancelled() for task in tasks)


async def test_the_addresses_of_a_name_share_one_time_to_connect():
    """None of them accepts; one after another would take all the time that the URL has."""

    def four(host, port, *, type):  # noqa: A002 - as in socket
        return [(socket.AF_INET, type, 6, "", (f"127.0.0.{n}", port)) for n in range(1, 5)]

    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        async with fetcher(four, timeout_s=0.6) as fetching:
            with pytest.raises(FetchTimeout, match="connecting took too long"):
                await fetching.fetch(f"http://four.example:{port}/")
