"""A small service made of the real parts, over real sockets, and clients that misbehave.

`serving` runs it in a thread; `python -m tests.integration.web_serving` runs it as a process, which
prints its URLs and ends by signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pixmill.fetch.body import BodyWriter, MemoryBudget
from pixmill.fetch.options import FetchOptions
from pixmill.fetch.spill import SpillBudget
from pixmill.settings import load_settings
from pixmill.web.access import Log
from pixmill.web.armor import Armor
from pixmill.web.bodies import BodyLimits
from pixmill.web.errors import ApiError
from pixmill.web.metrics import Metrics
from pixmill.web.patience import ConnectionLimits
from pixmill.web.proxies import TrustedProxies
from pixmill.web.server import Server, ServerLimits
from pixmill.web.uploads import read_upload

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
MIB = 2**20
SECRET = "the text of the defect"

# Small enough for tests, large enough for a machine that is busy with others.
QUICK = ConnectionLimits(head_s=0.3, window_s=0.3, linger_s=0.5)


@dataclass
class Budgets:
    """What uploads are held in; `left` is what nobody gave back."""

    options: FetchOptions = field(default_factory=lambda: FetchOptions(max_bytes=8 * MIB))
    memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(64 * MIB))
    spill: SpillBudget | None = None
    room_timeout_s: float = 20.0

    def writer(self) -> BodyWriter:
        # It is made here, since its events belong to the loop that serves.
        self.spill = self.spill or SpillBudget(64 * MIB)
        return BodyWriter(self.options, self.memory, self.spill)

    @property
    def left(self) -> int:
        return self.memory.used + (self.spill.used if self.spill else 0)


async def hello(request):
    return PlainTextResponse("hello")


async def swallow(request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return JSONResponse({"size": size})


async def deny(request):
    raise ApiError(401, "unauthorized", "No.", headers={"WWW-Authenticate": "Basic"})


async def put_off(request):
    error = ApiError(429, "too_many_requests", "Later.")
    error.pause_s = 0.3
    raise error


async def boom(request):
    raise RuntimeError(SECRET)


async def half(request):
    async def pieces():
        yield b"begun"
        raise RuntimeError(SECRET)

    return StreamingResponse(pieces())


async def slow(request):
    request.app.state.running.set()
    await asyncio.sleep(float(request.query_params.get("s", "1")))
    return PlainTextResponse("finished")


async def lazy(request):
    await asyncio.sleep(1)
    return await swallow(request)


async def stubborn(request):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(600)
    await asyncio.sleep(600)


async def gulp(request):
    """As frameworks do that read a body for their routes."""
    try:
        await request.body()
    except Exception:  # noqa: BLE001
        return PlainTextResponse("There was an error parsing the body", 400)
    return PlainTextResponse("read")


async def big(request):
    async def pieces():
        for _ in range(64):
            yield bytes(MIB)

    return StreamingResponse(pieces())


async def who(request):
    names = [name for name in request.headers if name.startswith("x-forwarded")]
    return JSONResponse(
        {"client": request.client.host, "scheme": request.url.scheme, "forwarded": names}
    )


async def named(request):
    request.state.key_name = request.headers.get("x-name")
    return PlainTextResponse("named", headers={"Cache-Control": "max-age=60", "Server": "x"})


async def upload(request):
    budgets = request.app.state.budgets
    got = await read_upload(request, budgets.writer(), room_timeout_s=budgets.room_timeout_s)
    with got.body as body:
        view = body.view()
        return JSONResponse(
            {"size": len(view), "start": bytes(view[:8]).hex(), "fields": dict(got.fields)}
        )


def make_app(log, metrics=None, *, networks=(), limits_of_bodies=None, budgets=None, lifespan=None):
    """The routes above behind the real middleware."""
    app = Starlette(
        routes=[
            Route("/hello", hello),
            Route("/swallow", swallow, methods=["POST"]),
            Route("/deny", deny, methods=["GET", "POST"]),
            Route("/boom", boom),
            Route("/put-off", put_off),
            Route("/half", half),
            Route("/slow", slow, methods=["GET", "POST"]),
            Route("/lazy", lazy, methods=["POST"]),
            Route("/stubborn", stubborn),
            Route("/gulp", gulp, methods=["POST"]),
            Route("/big", big),
            Route("/who", who),
            Route("/named/{secret}", named),
            Route("/upload", upload, methods=["POST"]),
        ],
        middleware=[
            Middleware(TrustedProxies, networks=[ip_network(text) for text in networks]),
            Middleware(
                Armor,
                log=log,
                metrics=metrics,
                limits=limits_of_bodies
                or BodyLimits(
                    by_path={
                        "/upload": 16 * MIB,
                        "/swallow": MIB,
                        "/deny": 64 * MIB,
                        "/lazy": 4 * MIB,
                    }
                ),
            ),
        ],
        lifespan=lifespan,
    )
    app.state.running = threading.Event()
    app.state.budgets = budgets or Budgets()
    return app


@dataclass
class Served:
    """A service that runs."""

    server: Server
    app: Starlette
    written: io.StringIO
    metrics: Metrics

    @property
    def port(self) -> int:
        return int(self.server.urls[0].rpartition(":")[2])

    def lines(self, event, number=1):
        """What the log says of an event, once it is that often; its form must be JSON."""
        deadline = time.monotonic() + 30
        while True:
            whole = self.written.getvalue().rpartition("\n")[0]
            facts = [json.loads(line) for line in whole.splitlines()]
            found = [fact for fact in facts if fact["event"] == event]
            if len(found) >= number or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def request(self, method, path, body=None, headers=(), **more):
        """One request on a connection of its own: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=dict(headers), **more)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def connect(self):
        """A raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def talk(self, *pieces):
        """Send pieces, and read until the service ends the connection."""
        with self.connect() as sock:
            for piece in pieces:
                sock.sendall(piece)
            return read_to_end(sock)


def read_to_end(sock):
    """All that comes until the other side closes; a reset ends it too."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            got += piece
    return got


def read_answer(sock):
    """One whole answer with a Content-Length, and no byte of the next."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += sock.recv(1) or pytest.fail(f"cut off: {got!r}")
    length = int(re.search(rb"content-length: (\d+)", got)[1])
    return got + sock.recv(length, socket.MSG_WAITALL)


@contextmanager
def serving(*, log_format="json", connection=None, limits=None, stream=None, **app) -> Iterator:
    """Run the service in a thread."""
    written = io.StringIO()
    log, metrics = Log(log_format, stream or written), Metrics()
    made = make_app(log, metrics, **app)
    limits = limits or ServerLimits(connection=connection or ConnectionLimits(), stop_s=5)
    settings = load_settings(port=0)
    server = Server(made, settings=settings, log=log, metrics=metrics, limits=limits)
    listening = threading.Event()
    thread = threading.Thread(target=server.serve, args=[listening.set])
    thread.start()
    try:
        assert listening.wait(30)
        yield Served(server, made, written, metrics)
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def serving_process(*arguments) -> Iterator:
    """Run the service as a process; gives it and its port."""
    command = [sys.executable, "-m", "tests.integration.web_serving", *arguments]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def _say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@asynccontextmanager
async def _told(app):
    yield
    _say("cleaned up")


def main() -> None:
    log = Log("json")
    limits = ServerLimits(stop_s=int(sys.argv[1]) if len(sys.argv) > 1 else 25)
    app = make_app(log, lifespan=_told)
    server = Server(app, settings=load_settings(port=0), log=log, limits=limits)
    port = server.urls[0].rpartition(":")[2]
    _say(f"ended by {server.serve(lambda: _say(port))}")


if __name__ == "__main__":
    main()
