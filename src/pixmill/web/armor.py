"""What every request goes through before its route: id, limits, headers, errors, log, counts.

Owns the order of these; each of them is a neighbor's. It must stand outside whatever turns
exceptions into answers of its own: Starlette's `middleware=` list is such a place.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from pixmill.telemetry.traces import TRACEPARENT, Begun, record
from pixmill.web.bodies import CountedBody
from pixmill.web.errors import ApiError, error_response, internal_error, overloaded
from pixmill.web.headers import secured

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pixmill.web.access import Log
    from pixmill.web.bodies import BodyLimits
    from pixmill.web.metrics import Metrics

# Where others put or find what the log tells: keys of the scope's `state`.
REQUEST_ID = "request_id"
KEY_NAME = "key_name"
CUT_WITH = "cut_with"
MADE_JOB = "made_job"  # the id of a job, and whether it is new

# What nginx writes where the client was gone before its answer.
CLIENT_GONE = 499
_MOST_TYPE_BYTES = 512
_RESTART_S = 5


class Armor:
    """ASGI middleware around all routes; `metrics` may be left out."""

    def __init__(
        self, app: ASGIApp, *, log: Log, limits: BodyLimits, metrics: Metrics | None = None
    ) -> None:
        self._app = app
        self._log = log
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; only cancellation of what is not HTTP ever leaves this."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, CountedBody(scope, receive, self._limits.of(scope)), send)
        begun = time.perf_counter()
        if self._metrics:
            self._metrics.request_begins()
        try:
            await self._answer(exchange)
        finally:
            self._tell(exchange, time.perf_counter() - begun)

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            if exchange.body.too_large:
                raise exchange.body.refusal()
            _check_content_type(exchange.scope)
            await self._app(exchange.scope, exchange.body.receive, exchange.send)
        except ApiError as error:
            if error.status >= 500:  # not our client's doing, and no defect: one line
                reason = error.__cause__ or "; ".join(error.errors)
                self._log.warning("failed", request_id=exchange.id, reason=str(reason))
            with contextlib.suppress(asyncio.CancelledError):  # the server stops: no time for it
                await asyncio.sleep(error.pause_s)
            await exchange.fail(error)
        except ClientDisconnect:
            exchange.body.disconnected = True
        except asyncio.CancelledError:  # the server stops, and this took too long
            await exchange.fail(overloaded("The service is restarting", retry_after_s=_RESTART_S))
        except Exception as error:  # noqa: BLE001  whatever it is, its text is for the log alone
            self._log.error("defect", error, request_id=exchange.id)
            await exchange.fail(internal_error())

    def _tell(self, exchange: _Exchange, seconds: float) -> None:
        scope, status, route = exchange.scope, exchange.final_status(), exchange.route()
        client = scope.get("client")
        if (made := scope["state"].get(MADE_JOB)) is not None:
            _trace(exchange, made, seconds)
        if self._metrics:
            self._metrics.request_ends(
                method=scope["method"], route=route, status=status, seconds=seconds
            )
        self._log.info(
            "request",
            request_id=exchange.id,
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            bytes_in=exchange.body.size,
            bytes_out=exchange.sent,
            client=client[0] if client else None,
            key=scope["state"].get(KEY_NAME),
        )


def _trace(exchange: _Exchange, made: tuple[str, bool], seconds: float) -> None:
    """Tell the job's trace of the request: no more than the log tells of it, and not by whom.

    The client's own trace, if there is one, is linked to and not joined: it is the client's to
    choose, and no job may end up in that of somebody else.
    """
    scope, route, (job_id, is_new) = exchange.scope, exchange.route(), made
    theirs = dict(scope["headers"]).get(TRACEPARENT.encode())
    link = theirs.decode("latin-1") if theirs else None
    name = f"{scope['method']} {route}"
    record(
        Begun(name, job_id, "server", first=is_new, link=link, ago_s=seconds),
        {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": exchange.final_status(),
        },
        request_id=exchange.id,
    )


def _check_content_type(scope: Scope) -> None:
    """Refuse a long media type before it is parsed, which takes time with its length squared."""
    for name, value in scope["headers"]:
        if name == b"content-type" and len(value) > _MOST_TYPE_BYTES:
            sentence = f"The Content-Type is longer than {_MOST_TYPE_BYTES} bytes"
            raise ApiError(415, "invalid_request", sentence)


class _Exchange:
    """One request and its answer, on the way out."""

    def __init__(self, scope: Scope, body: CountedBody, send: Send) -> None:
        self.id = secrets.token_hex(8)
        self.scope = scope
        self.body = body
        self.sent = 0
        self._send = send
        self._status: int | None = None
        self._muted = False
        scope.setdefault("state", {})[REQUEST_ID] = self.id

    async def send(self, message: Message) -> None:
        """Pass a message of the route on, with the headers that every answer carries."""
        if message["type"] == "http.response.start":
            if self.body.too_large:  # refused, whatever the route made of it
                await self.fail(self.body.refusal())
                self._muted = True
            else:
                await self._start(message)
        elif not self._muted:
            await self._pass(message)

    async def fail(self, error: ApiError) -> None:
        """Answer with an error, unless an answer has begun: the server cuts that one off."""
        if self._status is not None:
            return
        response = error_response(error)
        await self._start(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await self._pass({"type": "http.response.body", "body": bytes(response.body)})

    async def _start(self, message: Message) -> None:
        self._status = message["status"]
        headers = secured(message.get("headers", ()), https=self.scope.get("scheme") == "https")
        headers.append((b"x-request-id", self.id.encode("ascii")))
        await self._send({**message, "headers": headers})

    async def _pass(self, message: Message) -> None:
        self.sent += len(message.get("body", b""))
        await self._send(message)

    def final_status(self) -> int:
        """Return the status of the answer, or what took its place."""
        cut: int | None = self.scope["state"].get(CUT_WITH)
        if cut is not None:
            return cut
        if self._status is not None:
            return self._status
        return CLIENT_GONE if self.body.disconnected else 500

    def route(self) -> str:
        """Return the template of the route, which no client can choose the text of."""
        return getattr(self.scope.get("route"), "path", None) or "unmatched"
