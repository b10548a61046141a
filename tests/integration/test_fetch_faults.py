"""Every fault of a server ends in its code, with the attempts and the status that belong to it."""

from __future__ import annotations

import asyncio
import gzip
import random
import resource
import socket
import ssl
from email.utils import formatdate
from ipaddress import ip_network

import pytest
import trustme

from pixmill.errors import FetchError, OutputError
from pixmill.fetch.client import Fetcher
from pixmill.fetch.options import FetchOptions
from tests import origin as o

LOOPBACK = (ip_network("127.0.0.0/8"),)
BODY = bytes(range(256)) * 400
GZIP = {"Content-Encoding": "gzip"}


class NoJitter(random.Random):
    """Draws 0, so that backing off takes no time."""

    def random(self):
        return 0.0


@pytest.fixture
def origin():
    with o.Origin() as server:
        yield server


def options(**changes):
    return FetchOptions(**{"allow_networks": LOOPBACK, "timeout_s": 20.0, **changes})


async def fetch(url, *, headers=None, rng=None, ssl_context=None, **changes):
    """One download, whole; what the fetcher holds afterwards must be nothing."""
    fetcher = Fetcher(options(**changes), rng=rng or NoJitter(), ssl_context=ssl_context)
    async with fetcher:
        try:
            download = await fetcher.fetch(url, headers=headers or {})
            with download.body as body:
                return bytes(body.view()), download
        finally:
            assert_nothing_held(fetcher)


def assert_nothing_held(fetcher):
    assert fetcher.budget.used == 0
    assert fetcher._slots.idle
    assert not fetcher._hosts._gates
    assert not fetcher._connector._acquired


async def failing(url, **changes):
    with pytest.raises(FetchError) as caught:
        await fetch(url, **changes)
    return caught.value


@pytest.mark.parametrize(
    ("reply", "code", "attempts", "status"),
    [
        (o.answer(status=404), "http_error", 1, 404),
        (o.answer(status=410), "http_error", 1, 410),
        (o.answer(status=403), "http_error", 1, 403),
        (o.answer(status=204), "http_error", 1, 204),
        (o.answer(BODY, status=206), "http_error", 1, 206),
        (o.answer(status=304), "http_error", 1, 304),
        (o.answer(status=302), "http_error", 1, 302),
        (o.answer(status=999), "http_error", 1, 999),
        (o.answer(status=408), "http_error", 3, 408),
        (o.answer(status=425), "http_error", 3, 425),
        (o.answer(status=500), "http_error", 3, 500),
        (o.answer(status=503), "http_error", 3, 503),
        (o.close(), "connect_failed", 3, None),
        (o.reset(), "connect_failed", 3, None),
        (o.reset(o.head()[:20]), "connect_failed", 3, None),
        (o.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "connect_failed", 3, None),
        (o.raw(b"\x00\xff" * 500), "connect_failed", 3, None),
        (o.raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), "connect_failed", 3, None),
        (o.raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), "connect_failed", 3, None),
        (o.raw(o.head(headers={"X": "x" * 100_000})), "connect_failed", 3, None),
        (o.raw(o.head(headers={f"X{i}": "x" for i in range(2000)})), "connect_failed", 3, None),
        (o.lying(BODY, len(BODY) + 1), "truncated_body", 3, 200),
        (o.lying(b"", 1), "truncated_body", 3, 200),
        (o.chunked(BODY, cut=True), "truncated_body", 3, 200),
        (o.answer(gzip.compress(BODY)[:-9], headers=GZIP), "truncated_body", 3, 200),
        (o.answer(BODY, headers=GZIP), "truncated_body", 1, 200),
        (o.reset(o.head(headers={"Content-Length": "9"}) + b"abc"), "truncated_body", 3, 200),
        (o.reset(o.head(headers={"Connection": "close"}) + b"abc"), "truncated_body", 3, 200),
    ],
)  # fmt: skip
async def test_what_a_server_does_wrong_has_a_code(origin, reply, code, attempts, status):
    error = await failing(origin.on("/a", reply), retries=2)
    assert (error.code, error.attempts, error.http_status) == (code, attempts, status)
    assert origin.hits("/a") == attempts
    assert error.message


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (o.hang(), None),
        (o.stall_after_headers(), 200),
        (o.hang(o.head(headers={"Content-Length": "9"}) + b"abc"), 200),
        (o.hang(o.head(headers={"Transfer-Encoding": "chunked"}) + b"3\r\nabc\r\n"), 200),
    ],
)
async def test_a_server_that_falls_silent_is_left_after_the_idle_time(origin, reply, status):
    error = await failing(origin.on("/a", reply), retries=1, idle_timeout_s=0.2)
    assert (error.code, error.attempts, error.http_status) == ("timeout", 2, status)


@pytest.mark.parametrize("reply", [o.drip(BODY, 0.05), o.slow_headers(0.05)])
async def test_a_server_that_drips_is_left_at_the_deadline_over_all(origin, reply):
    error = await failing(origin.on("/a", reply), timeout_s=0.4, idle_timeout_s=5)
    assert (error.code, error.attempts) == ("timeout", 1)


async def test_nobody_listening_is_connect_failed():
    error = await failing(f"http://127.0.0.1:{o.closed_port()}/", retries=1)
    assert (error.code, error.attempts, error.http_status) == ("connect_failed", 2, None)


async def test_a_server_that_never_accepts_is_a_timeout():
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        error = await failing(url, retries=0, connect_timeout_s=0.2)
    assert error.code == "timeout"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class TestTls:
    @pytest.fixture
    def trusting(self, authority):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    @staticmethod
    def server(certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return o.Origin(tls=context)

    async def test_a_trusted_certificate_is_a_download(self, authority, trusting):
        with self.server(authority.issue_cert("127.0.0.1")) as origin:
            data, _ = await fetch(origin.serve("/a", BODY), ssl_context=trusting)
        assert data == BODY

    async def test_a_certificate_of_nobody_is_tls_failed(self):
        with self.server(trustme.CA().issue_cert("127.0.0.1")) as origin:
            error = await failing(origin.serve("/a", BODY))
        assert (error.code, error.attempts) == ("tls_failed", 1)
        assert origin.requests == []

    async def test_a_certificate_for_another_name_is_tls_failed(self, authority, trusting):
        with self.server(authority.issue_cert("other.example")) as origin:
            error = await failing(origin.serve("/a", BODY), ssl_context=trusting)
        assert error.code == "tls_failed"

    async def test_no_tls_behind_https_is_tls_failed(self, origin):
        error = await failing(origin.serve("/a", BODY).replace("http:", "https:"))
        assert error.code == "tls_failed"

    async def test_https_may_redirect_to_http_as_in_browsers(self, origin, authority, trusting):
        with self.server(authority.issue_cert("127.0.0.1")) as secure:
            url = secure.on("/a", o.redirect(origin.serve("/b", BODY)))
            data, download = await fetch(url, ssl_context=trusting)
        assert (data, download.url) == (BODY, origin.url("/b"))


class TestRetries:
    @pytest.mark.parametrize(
        "fault", [o.answer(status=500), o.close(), o.reset(), o.lying(b"a", 2), o.retry_after(0)]
    )
    async def test_a_fault_that_passes_is_a_download(self, origin, fault):
        data, download = await fetch(origin.on("/a", fault, fault, o.answer(BODY)))
        assert (data, download.attempts) == (BODY, 3)

    async def test_no_more_attempts_than_allowed(self, origin):
        error = await failing(origin.on("/a", o.answer(status=500)), retries=0)
        assert (error.attempts, origin.hits("/a")) == (1, 1)

    @pytest.mark.parametrize("status", [429, 503])
    async def test_retry_after_is_waited_for(self, origin, status):
        url = origin.on("/a", o.retry_after(1, status), o.answer(BODY))
        _, download = await fetch(url)
        first, second = origin.requests
        assert download.attempts == 2
        assert second.at - first.at >= 1

    async def test_retry_after_may_be_a_date(self, origin):
        now = 1_800_000_000.0
        url = origin.on("/a", o.retry_after(formatdate(now + 1, usegmt=True)), o.answer(BODY))
        async with Fetcher(options(), rng=NoJitter(), wall_clock=lambda: now) as fetcher:
            (await fetcher.fetch(url)).body.close()
        first, second = origin.requests
        assert second.at - first.at >= 1

    async def test_a_retry_after_past_the_deadline_ends_at_once(self, origin):
        error = await failing(origin.on("/a", o.retry_after(3600)), timeout_s=30)
        assert (error.code, error.http_status, error.attempts) == ("http_error", 429, 1)
        assert error.retry_after_s == 3600

    async def test_backing_off_past_the_deadline_ends_at_once_with_the_cause(self, origin):
        class FullJitter(random.Random):
            def random(self):
                return 1.0

        url = origin.on("/a", o.answer(status=500))
        error = await failing(url, timeout_s=0.4, rng=FullJitter())
        assert (error.code, error.attempts) == ("http_error", 1)


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_are_followed(self, origin, status):
        origin.serve("/c?d=%2F", BODY)
        origin.on("/b", o.redirect("c?d=%2F", status))
        data, download = await fetch(origin.on("/a", o.redirect("/b", status)))
        assert (data, download.url, download.attempts) == (BODY, origin.url("/c?d=%2F"), 1)

    async def test_in_a_circle(self, origin):
        origin.on("/b", o.redirect("/a"))
        error = await failing(origin.on("/a", o.redirect("/b")))
        assert (error.code, error.http_status, error.attempts) == ("too_many_redirects", 302, 1)
        assert len(origin.requests) == 2

    async def test_to_itself(self, origin):
        error = await failing(origin.on("/a", o.redirect("/a#again")))
        assert error.code == "too_many_redirects"
        assert len(origin.requests) == 1

    async def test_up_to_the_limit_and_no_further(self, origin):
        for hop in range(3):
            origin.on(f"/{hop}", o.redirect(f"/{hop + 1}"))
        origin.serve("/3", BODY)
        data, _ = await fetch(origin.url("/0"), max_redirects=3)
        assert data == BODY
        error = await failing(origin.url("/0"), max_redirects=2)
        assert error.code == "too_many_redirects"

    async def test_to_what_is_no_url(self, origin):
        error = await failing(origin.on("/a", o.redirect("file:///etc/passwd")))
        assert (error.code, error.http_status, error.attempts) == ("invalid_url", 302, 1)


class TestBodies:
    @pytest.mark.parametrize("body", [b"", b"x", BODY, BODY * 30])
    @pytest.mark.parametrize(
        "reply",
        [
            o.answer,
            o.until_close,
            o.zipped,
            lambda body: o.chunked(*(body[i : i + 5000] for i in range(0, len(body), 5000))),
            lambda body: o.zipped(body, "deflate"),
            lambda body: o.zipped(body, "raw-deflate"),
            lambda body: o.answer(body, headers={"Content-Encoding": "identity"}),
            lambda body: o.answer(body, status=203),
        ],
    )
    @pytest.mark.parametrize("limits", [{}, {"spill_bytes": 1000}, {"memory_bytes": 0}])
    async def test_arrive_whole_however_they_are_sent(self, origin, reply, body, limits):
        data, download = await fetch(origin.on("/a", reply(body)), **limits)
        assert data == body
        assert download.body.size == len(body)

    async def test_nothing_but_identity_is_asked_for(self, origin):
        await fetch(origin.serve("/a", BODY))
        assert origin.requests[0].headers["accept-encoding"] == "identity"

    async def test_a_coding_that_can_not_be_undone_passes_as_it_came(self, origin):
        url = origin.serve("/a", BODY, headers={"Content-Encoding": "br"})
        data, _ = await fetch(url)
        assert data == BODY

    async def test_html_as_image_is_a_download_for_others_to_judge(self, origin):
        url = origin.serve("/a", b"<html>", headers={"Content-Type": "image/jpeg"})
        data, download = await fetch(url)
        assert (data, download.headers["content-type"]) == (b"<html>", "image/jpeg")

    @pytest.mark.parametrize("limits", [{}, {"spill_bytes": 10}])
    @pytest.mark.parametrize(
        "reply",
        [
            o.answer(BODY),
            o.until_close(BODY),
            o.chunked(BODY),
            o.zipped(BODY),
            o.lying(BODY, 10**15),
            o.gzip_bomb(64 * 2**20),
        ],
    )
    async def test_past_the_limit(self, origin, reply, limits):
        error = await failing(origin.on("/a", reply), max_bytes=len(BODY) - 1, **limits)
        assert (error.code, error.attempts, error.http_status) == ("too_many_bytes", 1, 200)

    async def test_exactly_at_the_limit(self, origin):
        data, _ = await fetch(origin.serve("/a", BODY), max_bytes=len(BODY))
        assert data == BODY

    async def test_a_claim_past_the_limit_is_refused_before_the_body(self, origin):
        error = await failing(origin.on("/a", o.stall_after_headers(10**12)))
        assert error.code == "too_many_bytes"

    async def test_a_full_disk_stops_the_run_in_one_sentence(self, origin, tmp_path):
        url = origin.serve("/a", BODY)
        missing = str(tmp_path / "missing")
        async with Fetcher(options(spill_bytes=10, temp_dir=missing)) as fetcher:
            with pytest.raises(OutputError, match=r"no room for temporary files in .*missing"):
                await fetcher.fetch(url)
            assert_nothing_held(fetcher)

    async def test_a_disk_that_fills_up_stops_the_run_and_leaves_nothing(self, origin, tiny_files):
        async with Fetcher(options(spill_bytes=10)) as fetcher:
            with pytest.raises(OutputError, match=r"no room for temporary files"):
                await fetcher.fetch(origin.serve("/a", BODY))
            assert_nothing_held(fetcher)


@pytest.fixture
def tiny_files():
    """No file of this process can grow past some kilobytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestMemory:
    async def test_bodies_share_one_budget_and_spill_past_it(self, origin):
        url = origin.serve("/a", BODY)
        room = len(BODY) * 2
        async with Fetcher(options(memory_bytes=room)) as fetcher:
            downloads = [await fetcher.fetch(url) for _ in range(3)]
            assert [download.body.data is None for download in downloads] == [False, False, True]
            assert fetcher.budget.used == room
            downloads[0].body.close()
            downloads[0].body.close()
            assert fetcher.budget.used == len(BODY)
            again = await fetcher.fetch(url)
            assert again.body.data == BODY
            for download in [*downloads, again]:
                download.body.close()
            assert fetcher.budget.used == 0

    async def test_a_spilled_body_has_a_descriptor_and_a_view_that_outlives_it(self, origin):
        async with Fetcher(options(spill_bytes=10)) as fetcher:
            download = await fetcher.fetch(origin.serve("/a", BODY))
            assert download.body.data is None
            assert download.body.fileno() is not None
            view = download.body.view()
            download.body.close()
            with pytest.raises(ValueError, match="memory"):
                download.body.fileno()
            assert view == BODY


class TestConditions:
    async def test_not_modified_is_an_answer_to_a_validator(self, origin):
        url = origin.on("/a", o.answer(status=304, headers={"ETag": '"1"'}))
        data, download = await fetch(url, headers={"If-None-Match": '"1"'})
        assert (data, download.http_status, download.headers["etag"]) == (b"", 304, '"1"')
        assert origin.requests[0].headers["if-none-match"] == '"1"'

    async def test_headers_for_a_cache_come_along_and_no_others(self, origin):
        sent = {
            "ETag": '"1"',
            "Last-Modified": "x",
            "Cache-Control": "max-age=5",
            "Age": "1",
            "Vary": "Accept",
            "Set-Cookie": "a=b",
            "Server": "x",
        }
        _, download = await fetch(origin.serve("/a", BODY, headers=sent))
        names = {"etag", "last-modified", "cache-control", "age", "vary"}
        assert dict(download.headers) == {
            name.lower(): sent[name] for name in sent if name.lower() in names
        }


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
        """Others wait for half a deadline at most: whoever has less left is told."""
        origin.on("/busy", o.delayed(0.75, o.retry_after(3600)))
        origin.serve("/a", BODY)
        async with Fetcher(options(retries=0, per_host=1, timeout_s=1)) as fetcher:
            urls = [origin.url("/busy"), origin.url("/a?1"), origin.url("/a?2")]
            queued = await asyncio.gather(*map(fetcher.fetch, urls), return_exceptions=True)
            (await fetcher.fetch(origin.url("/a?3"))).body.close()
        for error in queued:
            assert (error.code, error.http_status) == ("http_error", 429)
        assert [error.attempts for error in queued] == [1, 1, 1]
        first, late = origin.requests
        assert late.at - first.at >= 1.2

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
