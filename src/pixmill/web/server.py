"""The server: uvicorn on our own sockets, with our own protocol, started and stopped by signals.

Owns the life of the process that serves: listening, the tick that connections measure time by, and
the end, which lets running requests finish. What is served is the caller's.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from pixmill.web.access import libraries_speak_through
from pixmill.web.patience import ConnectionLimits
from pixmill.web.protocol import Connection
from pixmill.web.refusals import Capacity
from pixmill.web.sockets import listening_urls, open_sockets

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from types import FrameType

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pixmill.settings import Settings
    from pixmill.web.access import Log
    from pixmill.web.metrics import Metrics

_IS_ENDING = "is_ending"  # in a request's `state`: a function that tells
# What a stalled event loop did not look at is not counted against clients.
_LONGEST_TICK_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerLimits:
    """What a server takes on; `stop_s` is how long running requests may go on when it ends."""

    connection: ConnectionLimits = field(default_factory=ConnectionLimits)
    connections: int = 512
    # Connections over that which are told so, instead of being cut off.
    refused: int = 256
    # Below the 30 s after which container platforms kill.
    stop_s: int = 25


def is_ending(request: Request) -> bool:
    """Whether the service that serves a request is to end: what has no end itself ends now."""
    told = request.scope["state"].get(_IS_ENDING)
    return told is not None and bool(told())


class Server:
    """Opens sockets, then serves on them once.

    Raises RunError where the service can not listen. `urls` are its addresses.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        log: Log,
        metrics: Metrics | None = None,
        limits: ServerLimits | None = None,
    ) -> None:
        limits = limits or ServerLimits()
        self._log = log
        self._metrics = metrics
        self._startup = _Startup(app)
        self._sockets = open_sockets(settings.host, settings.port)
        self.urls: Sequence[str] = listening_urls(self._sockets)
        served, refused = _affordable(limits)
        capacity = Capacity(served=served, refused=refused, on_refusal=self._refused)
        protocol = partial(Connection, limits=limits.connection, capacity=capacity)
        self._uvicorn = _Uvicorn(_configure(self._startup, protocol, limits))
        self._startup.is_ending = lambda: self._uvicorn.should_exit

    def serve(self, on_listening: Callable[[], None] | None = None) -> int | None:
        """Serve until SIGTERM or SIGINT, and return that signal (None: `stop` was called).

        `on_listening` is called once the URLs answer. Signals are heard in the main thread alone.
        Raises what the app's lifespan raises at its start.
        """
        self._uvicorn.on_listening = on_listening
        try:
            with libraries_speak_through(self._log):
                self._uvicorn.run(self._sockets)
        except SystemExit:
            # uvicorn's word for a lifespan that failed to start
            if self._startup.error is None:
                raise
            raise self._startup.error from None
        finally:
            self.close()
        return self._uvicorn.stopped_by

    def close(self) -> None:
        """Close the sockets of a server that is not to serve after all."""
        for sock in self._sockets:
            sock.close()

    def stop(self) -> None:
        """Let running requests finish, then end; from any thread."""
        self._uvicorn.should_exit = True

    def _refused(self, status: int, client: str | None) -> None:
        if self._metrics:
            self._metrics.connection_refused(status)
        self._log.warning("refused", status=status, client=client)


def _affordable(limits: ServerLimits) -> tuple[int, int]:
    """Cut the numbers of connections to a share of what the process may have open at all.

    The rest is for downloads, temporary files, pipes and the catalog.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return limits.connections, limits.refused
    return min(limits.connections, most // 2), min(limits.refused, most // 8)


def _configure(app: ASGIApp, protocol: Any, limits: ServerLimits) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),
        loop="asyncio",
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.connection.idle_s,
        timeout_graceful_shutdown=limits.stop_s,
    )


class _Uvicorn(uvicorn.Server):
    """uvicorn's loop with a tick for connections, and signals that end it without an error."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopped_by: int | None = None
        self.on_listening: Callable[[], None] | None = None
        self._ticked = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._ticked = time.monotonic()
        if self.on_listening:
            self.on_listening()

    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        elapsed_s, self._ticked = min(now - self._ticked, _LONGEST_TICK_S), now
        for connection in tuple(self.server_state.connections):
            cast(Connection, connection).wait(elapsed_s)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's
        """End after running requests at the first signal, at once at the second."""
        if self.stopped_by is not None:
            self.force_exit = True
            # Whatever still hangs, a thread say, ends by the third.
            signal.signal(sig, signal.SIG_DFL)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end_at_once)
        self.stopped_by = sig
        self.should_exit = True

    def _end_at_once(self) -> None:
        for connection in tuple(self.server_state.connections):
            cast(Connection, connection).transport.abort()
        for task in tuple(self.server_state.tasks):
            task.cancel()


class _Startup:
    """Keeps what a lifespan fails to start with, which uvicorn would write down and forget.

    Requests are told how to find out that the service ends: those without an end of their own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.error: BaseException | None = None
        self.is_ending: Callable[[], bool] = lambda: False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope.setdefault("state", {})[_IS_ENDING] = self.is_ending
            await self._app(scope, receive, send)
            return

        async def quiet(message: Message) -> None:
            failed = message["type"] == "lifespan.startup.failed"
            await send({**message, "message": ""} if failed else message)

        try:
            await self._app(scope, receive, quiet)
        except BaseException as error:
            self.error = error
            raise
