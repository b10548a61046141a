"""Answers to what never becomes a request of a route, and the words for them.

Owns their sentences and bytes; when a connection deserves one is `protocol.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from pixmill.web.errors import JSON_TYPE, error_body, error_response, overloaded
from pixmill.web.headers import Header, secured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import Receive, Scope, Send

# About as long as the requests under way take.
_RETRY_AFTER_S = 2


class Refusal(Exception):
    """A request that is no request, or takes too long to become one."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence

    def answer(self, more: Iterable[Header]) -> bytes:
        """Write the whole answer, with `more` headers; the connection ends after it."""
        code = "timeout" if self.status == HTTPStatus.REQUEST_TIMEOUT else "invalid_request"
        body = error_body(code, [self.sentence])
        headers = [
            *more,
            (b"content-type", JSON_TYPE.encode("ascii")),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"connection", b"close"),
        ]
        status = HTTPStatus(self.status)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii")]
        lines += [name + b": " + value for name, value in secured(headers, https=False)]
        return b"\r\n".join([*lines, b"", body])


def unclear() -> Refusal:
    """Refuse bytes that are no HTTP/1.1."""
    return Refusal(400, "The request is no valid HTTP")


def mostly_framing() -> Refusal:
    """Refuse chunk extensions and trailers without end."""
    return Refusal(400, "The body's chunks hold too little of the body")


def body_and_upgrade() -> Refusal:
    """Refuse what has a body and asks for another protocol, whose bytes those could be."""
    return Refusal(400, "A request with a body can not ask for an upgrade")


def too_many_ahead() -> Refusal:
    """Refuse requests that pile up behind one that is answered."""
    return Refusal(400, "Too many requests were sent ahead of their turn")


def head_too_large(limit: int) -> Refusal:
    """Refuse headers of more than `limit` bytes."""
    return Refusal(431, f"The request's headers are larger than {limit} bytes")


def too_many_fields(limit: int) -> Refusal:
    """Refuse more than `limit` headers."""
    return Refusal(431, f"The request has more than {limit} headers")


def slow_head() -> Refusal:
    """Refuse who does not come to the end of the headers."""
    return Refusal(408, "The request's headers came too slowly")


def slow_body() -> Refusal:
    """Refuse who sends less than the least rate."""
    return Refusal(408, "The request's body came too slowly")


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """How many connections are served, and who hears of what never became a request.

    `refused` more are told to come back, all further ones are cut off at once. `on_refusal` gets
    the status (0 where nothing was said) and the client's address.
    """

    served: int
    refused: int
    on_refusal: Callable[[int, str | None], None]


async def crowd_out(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, as an ASGI app, that there are too many connections."""
    refusal = error_response(
        overloaded("Too many connections are open", retry_after_s=_RETRY_AFTER_S)
    )
    refusal.raw_headers[:] = secured(refusal.raw_headers, https=False)
    await refusal(scope, receive, send)
