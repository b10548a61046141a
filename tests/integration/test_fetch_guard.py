"""No packet goes where it must not: spellings, names, redirects, rebinding, and the socket itself.

Only loopback is ever connected to. Every other address is tested at the socket factory, which
refuses before there is a socket.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network

import aiohttp
import pytest

from pixmill.errors import BlockedAddress, DnsFailed, FetchError
from pixmill.fetch.client import Fetcher
from pixmill.fetch.options import FetchOptions
from pixmill.fetch.resolver import GuardedResolver, GuardedSockets, address_check
from tests import origin as o
from tests.unit.test_address import BLOCKED
from tests.unit.test_url import LOOPBACK_SPELLINGS, MALFORMED

ORIGIN_ONLY = (ip_network("127.0.0.1/32"),)


class FakeDns:
    """A `getaddrinfo` with one list of addresses, or one error, a lookup; the last for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.lookups = 0

    def __call__(self, host, port, *, type):  # noqa: A002 - as in socket
        answer = self.answers[min(self.lookups, len(self.answers) - 1)]
        self.lookups += 1
        if isinstance(answer, Exception):
            raise answer
        return [
            (socket.AF_INET6, type, 6, "", (ip, port, 0, 0))
            if ":" in ip
            else (socket.AF_INET, type, 6, "", (ip, port))
            for ip in answer
        ]


async def code_of(url, *, getaddrinfo=socket.getaddrinfo, **options):
    async with Fetcher(FetchOptions(retries=1, **options), getaddrinfo=getaddrinfo) as fetcher:
        with pytest.raises(FetchError) as caught:
            await fetcher.fetch(url)
    return caught.value.code


def has_ipv6_loopback():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def canary():
    with o.Canary() as listener:
        yield listener
        assert listener.hits == 0


@pytest.mark.parametrize(
    "host",
    [
        *LOOPBACK_SPELLINGS,
        *("0", "0.0.0.0", "127.255.255.254", "localhost", "localhost.", "LOCALHOST", "a.localhost"),
        *("[::]", "[::1]", "[0::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    ],
)
async def test_no_spelling_of_loopback_reaches_a_canary(canary, host):
    assert await code_of(f"http://{host}:{canary.port}/") == "blocked_address"


async def test_malformed_urls_reach_no_canary(canary):
    for text in MALFORMED:
        url = text.replace("127.0.0.1", f"127.0.0.1:{canary.port}")
        assert await code_of(url) == "invalid_url"
    assert await code_of(f"http://ok.example@127.0.0.1:{canary.port}/") == "invalid_url"


async def test_a_canary_is_alive_when_it_is_allowed():
    """The zero of the other tests means something: the same listener does count who calls."""
    with o.Canary() as listener:
        url = f"http://127.1:{listener.port}/"
        assert await code_of(url, allow_networks=ORIGIN_ONLY) == "connect_failed"
        assert listener.hits == 2


@pytest.mark.parametrize("address", BLOCKED)
def test_the_socket_factory_refuses_before_there_is_a_socket(monkeypatch, address):
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket was made"))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with pytest.raises(BlockedAddress):
        GuardedSockets(address_check(()))((family, socket.SOCK_STREAM, 6, "", (address, 80)))


@pytest.mark.parametrize(
    "answers", [["127.0.0.2"], ["127.0.0.2", "127.0.0.3"], ["127.0.0.2", "::1"]]
)
async def test_the_factorys_refusal_keeps_its_type_through_aiohttp(canary, answers):
    """Also when a resolver let the addresses pass, and without a socket left over."""

    class Careless(GuardedResolver):
        async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
            kinds = [socket.AF_INET6 if ":" in ip else socket.AF_INET for ip in answers]
            return [
                {"hostname": host, "host": ip, "port": port, "family": kind, "proto": 0, "flags": 0}
                for ip, kind in zip(answers, kinds, strict=True)
            ]

    async with Fetcher(FetchOptions()) as fetcher:
        careless = Careless(socket.getaddrinfo, address_check(()), fetcher.options)
        fetcher._connector._resolver = careless
        with pytest.raises(BlockedAddress):
            await fetcher.fetch(f"http://ok.example:{canary.port}/")


async def test_a_literal_is_refused_even_if_the_socket_factory_were_to_forget(canary):
    async with Fetcher(FetchOptions()) as fetcher:
        fetcher._connector._socket_factory = None
        with pytest.raises(BlockedAddress):
            await fetcher.fetch(f"http://127.1:{canary.port}/")


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.2"],
        ["10.0.0.1"],
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "::1"],
        ["127.0.0.1", "fe80::1%eth0"],
        ["127.0.0.1", "::ffff:169.254.169.254"],
        ["127.0.0.1"] * 40 + ["10.0.0.1"],
    ],
)
async def test_a_name_is_refused_if_any_of_its_answers_is(answers):
    with o.Origin() as origin:
        url = origin.url("/a", host="mixed.example")
        code = await code_of(url, getaddrinfo=FakeDns(answers), allow_networks=ORIGIN_ONLY)
        assert code == "blocked_address"
        assert origin.connections == 0


async def test_a_name_that_turns_private_is_refused_when_it_is_looked_up_again():
    dns = FakeDns(["127.0.0.1"], ["127.0.0.1", "10.0.0.1"])
    options = FetchOptions(allow_networks=ORIGIN_ONLY)
    with o.Origin() as origin:
        origin.on("/a", o.until_close(b"x"))
        async with Fetcher(options, getaddrinfo=dns, dns_ttl_s=0) as fetcher:
            url = origin.url("/a", host="turning.example")
            (await fetcher.fetch(url)).body.close()
            with pytest.raises(BlockedAddress):
                await fetcher.fetch(url)
        assert origin.connections == 1


async def test_names_are_looked_up_once_while_they_are_fresh():
    dns = FakeDns(["127.0.0.1"])
    with o.Origin() as origin:
        origin.on("/a", o.until_close(b"x"))
        async with Fetcher(FetchOptions(allow_networks=ORIGIN_ONLY), getaddrinfo=dns) as fetcher:
            url = origin.url("/a", host="steady.example")
            for download in await asyncio.gather(*(fetcher.fetch(url) for _ in range(10))):
                download.body.close()
        assert (dns.lookups, len(origin.requests)) == (1, 10)
        assert origin.requests[0].headers["host"] == f"steady.example:{origin.port}"


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/",
        "//0x7f000002:1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://localhost/",
    ],
)
async def test_a_redirect_to_a_private_address_is_refused(location, canary):
    allow = (ip_network("127.0.0.3/32"),)
    with o.Origin(host="127.0.0.3") as origin:
        url = origin.on("/a", o.redirect(location))
        async with Fetcher(FetchOptions(allow_networks=allow)) as fetcher:
            with pytest.raises(BlockedAddress) as caught:
                await fetcher.fetch(url)
        assert (caught.value.http_status, caught.value.attempts) == (302, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_allow_private_opens_loopback(host):
    if ":" in host and not has_ipv6_loopback():
        pytest.skip("this machine has no IPv6")
    with o.Origin(host=host) as origin:
        async with Fetcher(FetchOptions(allow_private=True)) as fetcher:
            (await fetcher.fetch(origin.serve("/a", b"x"))).body.close()


@pytest.mark.parametrize(
    ("errno", "lookups"),
    [(socket.EAI_NONAME, 1), (socket.EAI_NODATA, 1), (socket.EAI_AGAIN, 2), (socket.EAI_FAIL, 2)],
)
async def test_a_name_that_does_not_exist_is_not_asked_for_again(errno, lookups):
    dns = FakeDns(socket.gaierror(errno, "no"))
    async with Fetcher(FetchOptions(retries=1), getaddrinfo=dns) as fetcher:
        with pytest.raises(DnsFailed) as caught:
            await fetcher.fetch("http://nowhere.example/")
    assert (caught.value.attempts, dns.lookups) == (lookups, lookups)


async def test_each_who_waited_for_a_name_has_an_error_of_its_own():
    dns = FakeDns(socket.gaierror(socket.EAI_NONAME, "no"))
    async with Fetcher(FetchOptions(), getaddrinfo=dns) as fetcher:
        calls = (fetcher.fetch("http://nowhere.example/") for _ in range(3))
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert len({id(error) for error in errors}) == 3
    assert [error.attempts for error in errors] == [1, 1, 1]


def test_the_refusal_is_no_oserror_which_aiohttp_would_take_for_a_dead_address():
    assert not issubclass(BlockedAddress, (OSError, RuntimeError, aiohttp.ClientError))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refusal_counts_no_request_and_names_the_way_out(canary, host):
    async with Fetcher(FetchOptions()) as fetcher:
        with pytest.raises(BlockedAddress, match="--allow-network") as caught:
            await fetcher.fetch(f"http://{host}:{canary.port}/")
    assert (caught.value.http_status, caught.value.attempts) == (None, 0)
