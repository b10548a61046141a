"""How large a request's body may be, and the refusal before it is read.

Owns limits by path and the counting of what streams; what a body is read into is `uploads.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.web.errors import ApiError, too_many_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message, Receive, Scope

KIB = 1024

# Forms and JSON documents of a few fields.
SMALL_BYTES = 64 * KIB
# Boundaries, headers and fields around the file in a multipart upload.
MULTIPART_BYTES = 256 * KIB


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyLimits:
    """Most bytes of a body: by exact path, else by how the path begins, else `default`."""

    default: int = SMALL_BYTES
    by_path: Mapping[str, int] = field(default_factory=dict)
    by_prefix: Mapping[str, int] = field(default_factory=dict)

    def of(self, scope: Scope) -> int:
        """Return the limit of a request."""
        path = scope["path"]
        begins = (limit for prefix, limit in self.by_prefix.items() if path.startswith(prefix))
        return self.by_path.get(path) or next(begins, self.default)


class CountedBody:
    """The `receive` of a request, which raises once more than `limit` bytes came."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self._declared = _declared_bytes(scope)
        self._receive = receive
        self._limit = limit
        self.size = 0
        self.disconnected = False

    @property
    def too_large(self) -> bool:
        """Whether it is over the limit, by what was declared or by what came."""
        return max(self.size, self._declared) > self._limit

    def refusal(self) -> ApiError:
        """Return what to answer a body over the limit."""
        return too_many_bytes(self._limit)

    async def receive(self) -> Message:
        """Pass the next message on; ApiError 413 where it passes the limit."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.disconnected = True
        self.size += len(message.get("body", b""))
        if self.too_large:
            raise self.refusal()
        return message


def _declared_bytes(scope: Scope) -> int:
    """Return Content-Length, 0 without one; the server has refused what is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            # Not int() of any number of digits, which is quadratic and, past some, refused.
            return int(value[:20])
    return 0
