"""What a server may do with a request: the replies that `tests.origin` is told to give.

A reply is an async function of an `Exchange`. Whatever it does, `origin.py` cleans up behind it
when the client goes away or the server stops.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Request:
    """One request as it came.

    `path` has its query, header names are in lower case, `at` is in seconds of `time.monotonic()`,
    `port` the client's, which tells connections apart; `body` is there where its length was told.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    at: float
    port: int
    body: bytes = b""


@dataclass
class Exchange:
    """What a reply has in hand: the request, the way back, whether to keep the connection."""

    request: Request
    writer: asyncio.StreamWriter
    keep: bool = True

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.keep = False


Reply = Callable[[Exchange], Awaitable[None]]


def head(status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """Status line and headers, with the empty line after them."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def raw(data: bytes, *, keep: bool = False) -> Reply:
    """Exactly these bytes: garbage, a banner of another protocol, headers without end."""

    async def reply(exchange: Exchange) -> None:
        exchange.keep = keep
        await exchange.send(data)

    return reply


def answer(body: bytes = b"", status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """An honest answer with a Content-Length."""
    length = {} if status == 304 else {"Content-Length": str(len(body))}
    return raw(head(status, {**length, **headers}) + body, keep=True)


def redirect(to: str, status: int = 302) -> Reply:
    return answer(b"over there", status, {"Location": to})


def retry_after(seconds: float | str, status: int = 429) -> Reply:
    return answer(b"slow down", status, {"Retry-After": str(seconds)})


def lying(body: bytes, claim: int, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """A Content-Length of `claim` over `body`, then the end of the connection."""
    return raw(head(headers={"Content-Length": str(claim), **headers}) + body)


def until_close(body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """A body that only the end of the connection ends."""
    return raw(head(headers={"Connection": "close", **headers}) + body)


def chunked(*chunks: bytes, cut: bool = False, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """A chunked body; `cut` leaves out its end."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    end = b"" if cut else b"0\r\n\r\n"
    return raw(head(headers={"Transfer-Encoding": "chunked", **headers}) + body + end, keep=not cut)


def zipped(body: bytes, coding: str = "gzip") -> Reply:
    """The body under a Content-Encoding that nobody asked for: gzip, deflate or raw-deflate."""
    if coding == "gzip":
        packed = gzip.compress(body, mtime=0)
    elif coding == "deflate":
        packed = zlib.compress(body)
    else:
        packed = zlib.compress(body)[2:-4]
    return answer(packed, headers={"Content-Encoding": coding.removeprefix("raw-")})


def gzip_bomb(size: int) -> Reply:
    """`size` zeros, a thousandth of that on the wire, chunked so that no length gives it away."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(2**20)
    packed = b"".join(packer.compress(block) for _ in range(size // len(block))) + packer.flush()
    return chunked(packed, headers={"Content-Encoding": "gzip"})


def drip(body: bytes, interval_s: float, *, before: bytes | None = None) -> Reply:
    """`before` (as a rule the honest headers) at once, then one byte an interval."""
    start = head(headers={"Content-Length": str(len(body))}) if before is None else before

    async def reply(exchange: Exchange) -> None:
        exchange.keep = False
        await exchange.send(start)
        for number in body:
            await asyncio.sleep(interval_s)
            await exchange.send(bytes([number]))

    return reply


def slow_headers(interval_s: float) -> Reply:
    """Honest headers, but one byte an interval."""
    return drip(head(headers={"Content-Length": "0"}), interval_s, before=b"")


def hang(before: bytes = b"") -> Reply:
    """`before`, then nothing until the client gives up."""

    async def reply(exchange: Exchange) -> None:
        exchange.keep = False
        await exchange.send(before)
        await asyncio.Event().wait()

    return reply


def stall_after_headers(length: int = 1000) -> Reply:
    return hang(head(headers={"Content-Length": str(length)}))


def reset(before: bytes = b"") -> Reply:
    """`before`, then RST."""

    async def reply(exchange: Exchange) -> None:
        await exchange.send(before)
        # What was sent has to be read first, or the reset would overtake it.
        await asyncio.sleep(0.05 if before else 0)
        exchange.reset()

    return reply


def close(before: bytes = b"") -> Reply:
    """`before`, then an orderly end of the connection."""
    return raw(before)


def delayed(seconds: float, reply: Reply) -> Reply:
    """Another reply, later."""

    async def later(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await reply(exchange)

    return later
