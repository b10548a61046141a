"""The fetcher: one URL in, one body out, within every limit.

Owns the order of things for a URL: its turn at the server and overall, hops, attempts and the one
deadline over all of them. What may be connected to is settled in `resolver.py`, whose turn it is in
`hosts.py`, what bodies cost in `body.py`, what foreign errors mean in `failures.py`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from functools import lru_cache, partial
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from pixmill.errors import (
    BlockedAddress,
    BlockedSource,
    ConnectFailed,
    DnsFailed,
    FetchError,
    FetchTimeout,
    HttpError,
    TlsFailed,
    TooManyRedirects,
)
from pixmill.fetch.body import BodyWriter, MemoryBudget
from pixmill.fetch.call import Call, Download
from pixmill.fetch.connector import BoundedConnector
from pixmill.fetch.deadline import Deadline
from pixmill.fetch.failures import EXPECTED, failure_of
from pixmill.fetch.gate import Gate
from pixmill.fetch.headers import KeptHeaders
from pixmill.fetch.hosts import HostGates
from pixmill.fetch.reading import read_body
from pixmill.fetch.resolver import GuardedResolver, GuardedSockets, address_check
from pixmill.fetch.retry import backoff_s, retry_after_s
from pixmill.fetch.spill import SpillBudget
from pixmill.fetch.url import Target, parse_url, read_authority, resolve_redirect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from pixmill.fetch.hosts import HostGate
    from pixmill.fetch.options import FetchOptions
    from pixmill.fetch.resolver import GetAddrInfo

READ_BUFFER = 2**19
DNS_TTL_S = 60

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SUCCESSES = frozenset({200, 203})
_OVERLOADED = frozenset({429, 503})
_SILENCE = (
    FetchTimeout,
    DnsFailed,
    ConnectFailed,
    TlsFailed,
)  # the server has told nobody anything
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Fetcher:
    """Downloads under `options`; an async context manager that lives in one event loop.

    `rng` draws the jitter and `wall_clock` gives seconds since 1970, for dates in Retry-After;
    `getaddrinfo` looks names up; `ssl_context` replaces the system's trusted certificates. Names
    are kept for `dns_ttl_s` seconds.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, and each a door for what comes from outside
        self,
        options: FetchOptions,
        *,
        budget: MemoryBudget | None = None,
        rng: random.Random | None = None,
        wall_clock: Callable[[], float] = time.time,
        getaddrinfo: GetAddrInfo = socket.getaddrinfo,
        ssl_context: ssl.SSLContext | None = None,
        dns_ttl_s: int = DNS_TTL_S,
    ) -> None:
        self.options = options
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._wall_clock = wall_clock
        self._getaddrinfo = getaddrinfo
        self._ssl_context = ssl_context
        self._dns_ttl_s = dns_ttl_s
        self._check_address = address_check(options.open_networks)
        # Lists name the same servers over and over.
        self._read_authority = lru_cache(maxsize=1024)(read_authority)
        self.budget = budget or MemoryBudget(options.memory_bytes)
        self.spill = SpillBudget.of(options)
        self._slots = Gate(options.fetchers)
        # Twice, so that after some that hang those who come next have their time to be answered.
        self._hosts = HostGates(options.per_host, 2 * options.timeout_s, options.permits)

    async def __aenter__(self) -> Self:
        self._resolver = GuardedResolver(self._getaddrinfo, self._check_address, self.options)
        self._connector = BoundedConnector(
            self._resolver,
            GuardedSockets(self._check_address),
            dns_ttl_s=self._dns_ttl_s,
            ssl_context=self._ssl_context,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            headers={
                "User-Agent": self.options.user_agent,
                "Accept": "image/*,*/*;q=0.8",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            timeout=aiohttp.ClientTimeout(
                sock_connect=self.options.connect_timeout_s, sock_read=self.options.idle_timeout_s
            ),
        )
        # aiohttp would silently ask a second time after a reset, which no limit here would see.
        self._session._retry_connection = False  # noqa: SLF001 - has no public name
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()
        await self._resolver.close()

    def new_writer(self) -> BodyWriter:
        """Make a writer for one body, under the limits and budgets of this fetcher."""
        return BodyWriter(self.options, self.budget, self.spill)

    async def fetch(self, url: str, *, headers: Mapping[str, str] = _NO_HEADERS) -> Download:
        """Download `url`, with `headers` sent along on every hop.

        Raises a `FetchError` with `attempts` and `http_status` (the last answer's, if any) filled
        in, or `OutputError` where this machine has no room for a body.
        """
        target = parse_url(url, self._read_authority)
        timeout_s = self.options.timeout_s
        call = Call(headers, Deadline(timeout_s))
        try:
            async with call.deadline:
                return await self._try_repeatedly(target, call)
        except TimeoutError as error:
            raise FetchTimeout(
                f"not done within {timeout_s:g} s",
                http_status=call.http_status,
                attempts=call.attempts,
            ) from error
        except FetchError as error:
            error.attempts = call.attempts
            if error.http_status is None:
                error.http_status = call.http_status
            raise

    async def _try_repeatedly(self, target: Target, call: Call) -> Download:
        while True:
            try:
                return await self._follow(target, call)
            except FetchError as error:
                if not error.retryable or call.attempts > self.options.retries:
                    raise
                wait_s = backoff_s(call.attempts, self._rng)
                if isinstance(error, HttpError) and error.retry_after_s is not None:
                    wait_s += error.retry_after_s
                if wait_s >= call.deadline.left_s:
                    raise
            await asyncio.sleep(wait_s)

    async def _follow(self, target: Target, call: Call) -> Download:
        """One attempt: the URL and wherever it redirects to."""
        seen = {target.url}
        for hop in range(self.options.max_redirects + 1):
            outcome = await self._take_turn(target, call, first=hop == 0)
            if isinstance(outcome, Download):
                return outcome
            target = outcome
            if target.url in seen:
                raise TooManyRedirects("the redirects go in a circle")
            seen.add(target.url)
        raise TooManyRedirects(f"more than {self.options.max_redirects} redirects")

    async def _take_turn(self, target: Target, call: Call, *, first: bool) -> Download | Target:
        """Make one hop, when its server has a slot and then the fetcher.

        In that order, so that whoever waits for a slow server keeps nobody else waiting. No time
        runs while others are served.
        """
        allowed = self.options.allowed_sources
        if allowed and not any(pattern.allows(target) for pattern in allowed):
            raise BlockedSource("it is not one of the sources that are allowed")
        if target.ip is not None:
            self._check_address(target.ip)
        host = self._hosts.get(target.origin)
        try:
            if not host.enter():
                await call.deadline.excuse(host.acquire_within(call.deadline.left_s))
            try:
                if not self._slots.enter():
                    await call.excuse(host, self._slots.acquire())
                try:
                    return await self._make_hop(target, call, host, first=first)
                finally:
                    self._slots.release()
            finally:
                host.release()
        finally:
            self._hosts.settle(target.origin)

    async def _make_hop(
        self, target: Target, call: Call, host: HostGate, *, first: bool
    ) -> Download | Target:
        """Ask, and keep the books: of attempts, and of servers that hang."""
        call.attempts += first
        try:
            outcome = await self._ask(target, call, host)
        except BlockedAddress:
            call.attempts -= first  # nothing was sent
            raise
        except _SILENCE:
            raise
        except FetchError:
            host.heard()
            raise
        host.heard()
        return outcome

    async def _ask(self, target: Target, call: Call, host: HostGate) -> Download | Target:
        asked_at = asyncio.get_running_loop().time()
        try:
            response = await self._session.get(
                URL(target.url, encoded=True), headers=call.headers, allow_redirects=False
            )
        except EXPECTED as error:
            raise failure_of(error, answered=False) from error
        call.http_status = response.status
        try:
            if response.status in _SUCCESSES:
                host.went_well()
                return await self._download(response, target, call, host)
            return self._without_body(response, target, call, host, asked_at)
        except EXPECTED as error:
            raise failure_of(error, answered=True) from error
        finally:
            response.release()

    async def _download(
        self, response: aiohttp.ClientResponse, target: Target, call: Call, host: HostGate
    ) -> Download:
        body = await read_body(response, self.new_writer(), partial(call.excuse, host))
        kept = KeptHeaders(response)
        return Download(body, target.url, response.status, call.attempts, kept)

    def _without_body(
        self,
        response: aiohttp.ClientResponse,
        target: Target,
        call: Call,
        host: HostGate,
        asked_at: float,
    ) -> Download | Target:
        """Tell what an answer other than success means."""
        status, location = response.status, response.headers.get("Location")
        if status in _REDIRECTS and location is not None:
            return resolve_redirect(target, location)
        if status == HTTPStatus.NOT_MODIFIED and call.is_conditional:
            nothing = self.new_writer().finish()
            return Download(nothing, target.url, status, call.attempts, KeptHeaders(response))
        pause_s = retry_after_s(response.headers.get("Retry-After"), self._wall_clock())
        if status in _OVERLOADED:
            # One URL's wish must not shut out the others of its server for longer than they wait.
            shared_s = min(pause_s, self.options.timeout_s / 2) if pause_s else None
            host.overloaded(status, asked_at, shared_s)
        raise HttpError(
            f"the server answered {_phrase(status)}", http_status=status, retry_after_s=pause_s
        )


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
