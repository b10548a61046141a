"""Documents to URLs: one POST each, guarded as downloads are, and what little of its answer counts.

No redirect is followed and nothing is tried again: what an answer means is for whoever posts.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, NamedTuple, Self

import aiohttp
from yarl import URL

from pixmill.errors import FetchTimeout
from pixmill.fetch.client import DNS_TTL_S
from pixmill.fetch.connector import BoundedConnector
from pixmill.fetch.failures import EXPECTED, failure_of
from pixmill.fetch.resolver import GuardedResolver, GuardedSockets, address_check
from pixmill.fetch.retry import retry_after_s
from pixmill.fetch.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from pixmill.fetch.options import FetchOptions
    from pixmill.fetch.resolver import GetAddrInfo
    from pixmill.fetch.url import Target

ANSWER_BYTES = 4096  # so much is read, that servers of a few words need not see a reset


class Posted(NamedTuple):
    """How a server answered; `retry_after_s` is its own wish in seconds, None without one."""

    http_status: int
    retry_after_s: float | None = None


class Poster:
    """Posts under `options`; an async context manager that lives in one event loop.

    `timeout_s` is the time from the lookup of the name to the answer. Doors as of `Fetcher`.
    """

    def __init__(
        self,
        options: FetchOptions,
        *,
        wall_clock: Callable[[], float] = time.time,
        getaddrinfo: GetAddrInfo = socket.getaddrinfo,
    ) -> None:
        self._options = options
        self._wall_clock = wall_clock
        self._getaddrinfo = getaddrinfo
        self._check_address = address_check(options.open_networks)

    async def __aenter__(self) -> Self:
        self._resolver = GuardedResolver(self._getaddrinfo, self._check_address, self._options)
        connector = BoundedConnector(
            self._resolver,
            GuardedSockets(self._check_address),
            dns_ttl_s=DNS_TTL_S,
            ssl_context=None,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": self._options.user_agent, "Connection": "close"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(sock_connect=self._options.connect_timeout_s),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()
        await self._resolver.close()

    def check(self, url: str) -> Target:
        """Read a URL; InvalidUrl where it is none, BlockedAddress for an address that is shut."""
        target = parse_url(url)
        if target.ip is not None:
            self._check_address(target.ip)
        return target

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Post a body; raises FetchError where there is no answer."""
        target = self.check(url)
        posted: Posted | None = None
        try:
            async with (
                asyncio.timeout(self._options.timeout_s) as deadline,
                self._session.post(
                    URL(target.url, encoded=True), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                asked_s = retry_after_s(response.headers.get("Retry-After"), self._wall_clock())
                posted = Posted(response.status, asked_s)
                await _skim(response)
        except EXPECTED as error:
            if posted is None and deadline.expired():
                sentence = f"no answer within {self._options.timeout_s:g} s"
                raise FetchTimeout(sentence) from error
            if posted is None:
                raise failure_of(error, answered=False) from error
        return posted


async def _skim(response: aiohttp.ClientResponse) -> None:
    left = ANSWER_BYTES
    while left and (piece := await response.content.read(left)):
        left -= len(piece)
