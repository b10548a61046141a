"""Every fault of a server ends in its code, with the attempts and the status that belong to it."""

from __future__ import annotations

import gzip
import random
import socket
import ssl
from email.utils import formatdate

import pytest
import trustme

from pixmill.fetch.client import Fetcher
from tests import origin as o
from tests.integration.fetching import BODY, NoJitter, failing, fetch, options

GZIP = {"Content-Encoding": "gzip"}


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
