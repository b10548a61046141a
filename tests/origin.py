"""An HTTP server that misbehaves on demand, and a canary that counts who calls.

    with Origin() as origin:
        url = origin.serve("/a.png", png)  # always the same body
        origin.on("/b.png", answer(status=500), answer(png))  # first 500, then the body for ever
        ...
        assert origin.hits("/b.png") == 2

`Origin` runs in a thread of its own on a free loopback port and speaks just enough HTTP/1.1 for
GET, and for POST with a Content-Length, with keep-alive. A path's query is part of it; without a
route of its own, `/a.png?17` is answered as `/a.png`, which gives any number of distinct URLs for
one body. What each path does is a list of replies, one a request, the last of them for ever;
unknown paths are 404. The replies stand in `replies.py` and can be imported from here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from tests.replies import (
    NO_HEADERS,
    Exchange,
    Reply,
    Request,
    answer,
    chunked,
    close,
    delayed,
    drip,
    gzip_bomb,
    hang,
    head,
    lying,
    raw,
    redirect,
    reset,
    retry_after,
    slow_headers,
    stall_after_headers,
    until_close,
    zipped,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Mapping
    from pathlib import Path

__all__ = [
    "Canary",
    "Exchange",
    "Origin",
    "Reply",
    "Request",
    "answer",
    "chunked",
    "close",
    "closed_port",
    "delayed",
    "drip",
    "gzip_bomb",
    "hang",
    "head",
    "lying",
    "raw",
    "redirect",
    "reset",
    "retry_after",
    "slow_headers",
    "stall_after_headers",
    "until_close",
    "zipped",
]


def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class _Route:
    replies: list[Reply]
    asked: int = 0

    def next(self) -> Reply:
        reply = self.replies[min(self.asked, len(self.replies) - 1)]
        self.asked += 1
        return reply


@dataclass
class Origin:
    """See the module.

    `requests` are all requests so far, in order of arrival; `peak` is the largest number of them
    that were being answered at once; `connections` is how many were ever accepted.
    """

    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    peak: int = 0
    connections: int = 0
    _routes: dict[str, _Route] = field(default_factory=dict)
    _active: int = 0
    _talks: set[asyncio.Task[None]] = field(default_factory=set)
    _transports: set[asyncio.WriteTransport] = field(default_factory=set)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._socket = socket.create_server((self.host, 0), family=family, backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="origin")
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def url(self, path: str, host: str | None = None) -> str:
        """The absolute URL of a path, under another host name if one is given."""
        scheme = "http" if self.tls is None else "https"
        name = host or self.host
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{self.port}{path}"

    def on(self, path: str, *replies: Reply) -> str:
        """Answer the path with one reply after another, the last for ever. Gives its URL."""
        self._routes[path] = _Route(list(replies))
        return self.url(path)

    def serve(
        self, path: str, body: bytes, status: int = 200, headers: Mapping[str, str] = NO_HEADERS
    ) -> str:
        """Answer the path with that body. Gives its URL."""
        return self.on(path, answer(body, status, headers))

    def serve_folder(self, folder: Path, prefix: str = "/") -> list[str]:
        """Serve every file of a folder under `prefix`, from memory. Gives their URLs by name."""
        files = sorted(path for path in folder.iterdir() if path.is_file())
        return [self.serve(prefix + path.name, path.read_bytes()) for path in files]

    def hits(self, path: str) -> int:
        """How often exactly this path was asked for."""
        return sum(request.path == path for request in self.requests)

    def _run(self, started: threading.Event) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        server = await asyncio.start_server(
            self._accepted, sock=self._socket, ssl=self.tls, limit=2**16
        )
        # What the client does to a connection is no news here.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        async with server:
            started.set()
            await self._stop.wait()
            # Accept nobody else, but greet whom the server has just accepted: once it is closed,
            # asyncio would drop their sockets on the floor.
            self._loop.remove_reader(self._socket)
            await asyncio.sleep(0.005)
            server.close()
            for task in self._talks:
                task.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            for transport in self._transports:
                transport.abort()
        await asyncio.sleep(0.001)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._transports.add(writer.transport)
        talk = self._loop.create_task(self._converse(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        talk.add_done_callback(lambda _: self._hang_up(writer.transport))

    def _hang_up(self, transport: asyncio.WriteTransport) -> None:
        transport.close()
        self._transports.discard(transport)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readexactly(1)
        if not first.isalpha():  # TLS where none is spoken, for one
            writer.write(head(400, {"Connection": "close"}))
            return False
        text = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request = _parse(text, writer.get_extra_info("peername")[1])
        body = await reader.readexactly(int(request.headers.get("content-length", 0)))
        request = replace(request, body=body)
        self.requests.append(request)
        exchange = Exchange(request, writer)
        reply = self._route(request.path)
        self._active += 1
        self.peak = max(self.peak, self._active)
        try:
            await _unless_gone(reader, reply(exchange))
        finally:
            self._active -= 1
        return exchange.keep

    def _route(self, path: str) -> Reply:
        route = self._routes.get(path) or self._routes.get(path.partition("?")[0])
        return answer(b"no such path", 404) if route is None else route.next()


async def _unless_gone(reader: asyncio.StreamReader, reply: Awaitable[None]) -> None:
    """Answer, but no longer than the client stays to hear it."""
    answering = asyncio.ensure_future(reply)
    # Most replies are done at their first step, without the price of a second task.
    await asyncio.sleep(0)
    if answering.done():
        await answering
        return
    gone = asyncio.ensure_future(_end_of(reader))
    try:
        await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            await answering
        else:
            raise ConnectionAbortedError
    finally:
        for task in (answering, gone):
            task.cancel()
        await asyncio.gather(answering, gone, return_exceptions=True)


async def _end_of(reader: asyncio.StreamReader) -> None:
    """Return when the client has closed or broken the connection."""
    # A StreamReader tells of its end to readers only, and reading would eat the next request.
    while not reader.at_eof() and reader.exception() is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def _parse(text: str, port: int) -> Request:
    first, *lines = text.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Request(method, path, headers, time.monotonic(), port)


class Canary:
    """Listens on one port of IPv4's loopback address and, where there is one, IPv6's.

    `hits` counts connections; nobody who obeys the address rule ever calls.
    """

    def __init__(self) -> None:
        self.hits = 0

    def __enter__(self) -> Self:
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        self._threads = [threading.Thread(target=self._count, args=(s,)) for s in self._sockets]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._sockets:
            listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for listener in self._sockets:
            listener.close()

    def _count(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                self.hits += 1
                caller.close()
