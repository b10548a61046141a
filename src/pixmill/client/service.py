"""Requests to a pixmill service, tried again until a deadline while it is away or busy.

The key goes to the service's own address and nowhere else: redirects are not followed. Answers are
believed no more than those of any server: they are bounded, and are refused where they are not what
a service says.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiohttp
from yarl import URL

from pixmill.errors import PixmillError, UsageError
from pixmill.fetch.options import user_agent
from pixmill.fetch.retry import backoff_s, retry_after_s
from pixmill.fetch.url import parse_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
SILENCE_S = 60.0  # a service that is at work says something every 15 s
_MOST_ANSWER_BYTES = 2**20
_BUSY = frozenset({408, 429, 502, 503, 504})
_PARTS_LIMIT = 500


class ServiceFailure(PixmillError):
    """The service did not do what was asked; `code` is a stable word, its own where it gave one."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Again(Exception):
    """What was asked is to be asked again, not before `wait_s` seconds; `str()` says why."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Service:
    """A service at the address `base`; for one event loop. `open` makes one."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self._base = base
        self._session = session
        self._rng = random.Random()  # noqa: S311 - jitter, no secret

    @classmethod
    @asynccontextmanager
    async def open(cls, base: str, key: str, silence_s: float = SILENCE_S) -> AsyncIterator[Self]:
        """Begin; connections are closed at the end."""
        headers = {
            "Authorization": f"Bearer {key}",
            "Accept-Encoding": "identity",
            "User-Agent": user_agent(),
        }
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=silence_s
        )
        async with aiohttp.ClientSession(
            headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield cls(base, session)

    async def patiently(self, once: Callable[[], Awaitable[T]], deadline_at: float) -> T:
        """Do something that raises Again for as long as it may help, by the loop's clock.

        Raises ServiceFailure with the last reason where the deadline would pass.
        """
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            try:
                return await once()
            except Again as again:
                failures += 1
                wait_s = again.wait_s + backoff_s(failures, self._rng)
                if loop.time() + wait_s >= deadline_at:
                    raise ServiceFailure("timeout", f"given up: {again}") from again
            await asyncio.sleep(wait_s)

    @asynccontextmanager
    async def asked(
        self, method: str, path: str, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask once, and give the answer of a success. Raises Again and ServiceFailure."""
        try:
            async with self._session.request(
                method, URL(f"{self._base}{path}", encoded=True), allow_redirects=False, **more
            ) as response:
                await _check(response)
                yield response
        except aiohttp.ClientSSLError as error:
            raise ServiceFailure("tls_failed", f"no safe connection: {error}") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            reason = str(error) or "the connection broke"
            raise Again(f"{self._base}: {reason}") from error
        except aiohttp.ClientError as error:
            raise _strange() from error

    async def document(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        """Ask once for a JSON object. Raises as `asked`."""
        async with self.asked(method, path, **more) as response:
            try:
                document = json.loads(await _bounded(response))
            except (ValueError, RecursionError) as error:
                raise _strange() from error
        if not isinstance(document, dict):
            raise _strange()
        return document


def service_address(text: str) -> tuple[str, bool]:
    """Read the address of a service; tell whether the key would go to it unencrypted by a network.

    Raises UsageError.
    """
    try:
        target = parse_url(text)
    except PixmillError as error:
        raise UsageError(f"--server: {error}") from error
    if "?" in target.path:
        raise UsageError("--server: the address of a service has no query")
    near = target.ip.is_loopback if target.ip else f".{target.host}".endswith(".localhost")
    return target.url.rstrip("/"), target.scheme == "http" and not near


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what an answer other than a success means."""
    status = response.status
    if status in {200, 201, 202}:
        return
    if 300 <= status < 400:
        place = response.headers.get("Location", "")[:200]
        raise ServiceFailure(
            "redirected", f"the server redirects to {place!a}; the key is sent nowhere but --server"
        )
    code, sentence = await _complaint(response)
    if status in _BUSY:
        pause_s = retry_after_s(response.headers.get("Retry-After"), time.time())
        raise Again(sentence, pause_s or 0.0)
    raise ServiceFailure(code, sentence)


async def _complaint(response: aiohttp.ClientResponse) -> tuple[str, str]:
    """Read the code and the sentences of a refusal, as far as it has such."""
    status = response.status
    known = status in HTTPStatus._value2member_map_
    sentence = f"the server answered {status}{f' {HTTPStatus(status).phrase}' if known else ''}"
    try:
        told = json.loads(await _bounded(response))
        code, parts = told["code"], told["errors"]
    except (ValueError, RecursionError, KeyError, TypeError, ServiceFailure):
        return "http_error", sentence
    if not isinstance(code, str) or not isinstance(parts, list):
        return "http_error", sentence
    return code[:40], "; ".join(str(part) for part in parts)[:_PARTS_LIMIT] or sentence


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    data = b""
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > _MOST_ANSWER_BYTES:
            raise _strange()
    return data


def _strange() -> ServiceFailure:
    return ServiceFailure("http_error", "the server's answer is not that of a pixmill service")
