"""One connection: uvicorn's HTTP/1.1 protocol, held to the limits of `patience.py`.

Owns what a client may do before there is a request, and what becomes of a connection whose client
is too slow, too fast, too large or not understood. uvicorn itself bounds none of that. How a
connection ends: the answer is written, our half of it is closed, and the client gets a short time
to read before the rest is; else the kernel's reset for unread bytes would take the answer away.

Sources: RFC 9112 (HTTP/1.1), sections 7.1.2, 9.3 and 9.6; RFC 6585 (431).
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pixmill.web.armor import CUT_WITH
from pixmill.web.intake import Intake
from pixmill.web.patience import Rate
from pixmill.web.refusals import Refusal, body_and_upgrade, crowd_out, too_many_ahead, unclear

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Message, Receive, Scope, Send
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from pixmill.web.patience import ConnectionLimits
    from pixmill.web.refusals import Capacity

# A head is parsed in pieces so small that its bound is passed by no more than one of them.
_HEAD_PIECE = 4096


class Connection(HttpToolsProtocol):
    """A uvicorn protocol; `wait` must be told every piece of time that passes."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        capacity: Capacity,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._capacity = capacity
        self._intake = Intake(limits)
        self._running: RequestResponseCycle | None = None
        self._crowded = False
        self._deaf = False  # nothing more is read as HTTP
        self._last = False  # the answer under way is the last one
        self._lingered = -1  # bytes since our half was closed, -1 before
        self._answer_rate = Rate(limits.window_s, limits.bytes_per_s)
        self._written = self._pending = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or turn it away: once its request is read, so that it hears it."""
        super().connection_made(transport)
        crowd = len(self.connections) - self._capacity.served
        self._crowded = crowd > 0
        if crowd > self._capacity.refused:
            self._tell(0)
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, as long as the client keeps to the rules."""
        if self._lingered >= 0:
            self._drain(len(data))
            return
        self._unset_keepalive_if_required()
        if self._intake.phase == "rest" and not self._in_flight():
            self._intake.enter_head()
        rest = memoryview(data)
        while rest and not self._deaf:
            size = len(rest) if self._intake.phase == "body" else _HEAD_PIECE
            self._feed(rest[:size])
            rest = rest[size:]
        if self._deaf and self._lingered < 0:
            self.flow.pause_reading()

    def _feed(self, piece: memoryview) -> None:
        self._intake.feed(len(piece))
        try:
            self.parser.feed_data(piece)
            self._intake.fed(len(piece))
        except Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserUpgrade:  # it is answered as if it had not asked
            self._deaf = self._last = True
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refusal) else unclear())

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._intake.begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._intake.keep(len(url), 0)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; those after a body are not looked at (RFC 9112, section 7.1.2)."""
        if self._intake.phase == "head":
            super().on_header(name, value)
            self._intake.keep(len(name) + len(value), len(self.headers))

    def on_headers_complete(self) -> None:
        """Start the request, or queue it behind the one that is answered."""
        if self.parser.should_upgrade() and self._has_body():
            raise body_and_upgrade()
        self._intake.end_head()
        super().on_headers_complete()
        if len(self.pipeline) > self._limits.pipelined:
            raise too_many_ahead()

    def _has_body(self) -> bool:
        # The parser takes what follows an upgrade's head for another protocol's, a body too.
        bodies = {b"content-length", b"transfer-encoding"}
        return any(name in bodies and value != b"0" for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._intake.take_body(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the client did its part."""
        self._intake.end_body()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        if self._crowded:
            self._tell(503)
        super()._start_asgi_task(cycle, self._guard(cycle, crowd_out if self._crowded else app))

    def _guard(self, cycle: RequestResponseCycle, app: Any) -> Any:
        """Watch an answer: what it writes, and whether the request was read to its end by then."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    # A body that nobody reads any more would keep the connection busy.
                    self._last = self._last or self._crowded or cycle.more_body
                    self._deaf = self._deaf or self._last
                    closing = self._last and not cycle.response_started
                    cycle.keep_alive = cycle.keep_alive and not closing
                    await send(message)
                    # uvicorn would close at once; `on_response_complete` does it properly.
                    cycle.keep_alive = cycle.keep_alive or closing
                else:
                    self._written += len(message.get("body", b""))
                    await send(message)

            await app(scope, receive, watched)

        return guarded

    def on_response_complete(self) -> None:
        """Go on to the next request, or end the connection."""
        if self._last and not self.transport.is_closing():
            self.server_state.total_requests += 1
            self._linger()
            return
        super().on_response_complete()

    def wait(self, elapsed_s: float) -> None:
        """Count time that passed, and end what took too long."""
        if self._answer_is_stuck(elapsed_s):
            self._tell(0)
            self._reset()
        elif not self._deaf and not self.transport.is_closing() and self._client_is_awaited():
            refusal = self._intake.wait(elapsed_s)
            if refusal and self._intake.phase == "head" and not self._intake.head_fed:
                self.transport.close()  # nothing was asked, so nothing is answered
            elif refusal:
                self._refuse(refusal)

    def _client_is_awaited(self) -> bool:
        """Tell whether it is the client that lets us wait, and not we the client."""
        if self._intake.phase == "head":
            return not self._in_flight()
        held = self.flow.read_paused or self.cycle.waiting_for_100_continue
        return not held and not self.cycle.response_complete

    def _answer_is_stuck(self, elapsed_s: float) -> bool:
        pending = self.transport.get_write_buffer_size()
        if not pending:
            self._answer_rate.restart()
        self._answer_rate.moved(max(0, self._pending + self._written - pending))
        self._pending, self._written = pending, 0
        return pending > 0 and self._answer_rate.wait(elapsed_s)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is not understood, or end the connection after the answer under way."""
        self._deaf = self._last = True
        self._tell(refusal.status)
        running = self._running
        if running is None or running.response_complete:
            self._answer(refusal)
        elif running is self.cycle and running.more_body:
            self._cut(running, refusal)
        else:
            running.keep_alive = running.response_started

    def _cut(self, running: RequestResponseCycle, refusal: Refusal) -> None:
        """End a request whose own body is wrong; its route sees a client that is gone."""
        started = running.response_started
        running.scope["state"][CUT_WITH] = refusal.status
        running.disconnected = True
        running.waiting_for_100_continue = False
        running.message_event.set()
        if started:
            self.transport.abort()
        else:
            self._answer(refusal)

    def _answer(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(refusal.answer(self.server_state.default_headers))
        self._linger()

    def _reset(self) -> None:
        """Drop the connection with what the system still holds of the answer, at once."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _linger(self) -> None:
        """Close our half, and the rest when the client had time to read."""
        self._deaf, self._lingered = True, 0
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(self._limits.linger_s, self.transport.close)

    def _drain(self, size: int) -> None:
        self._lingered += size
        if self._lingered > self._limits.linger_bytes:
            self.flow.pause_reading()

    def _in_flight(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _tell(self, status: int) -> None:
        self._capacity.on_refusal(status, self.client[0] if self.client else None)
