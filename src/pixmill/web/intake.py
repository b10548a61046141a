"""What a client is sending, how much of it came, and how long it was waited for.

Owns the bounds on one request's head and on the pace and form of its body, as a Refusal where one
is passed; `protocol.py` tells it what the parser sees, and acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pixmill.web.patience import Rate
from pixmill.web.refusals import (
    Refusal,
    head_too_large,
    mostly_framing,
    slow_body,
    slow_head,
    too_many_fields,
)

if TYPE_CHECKING:
    from pixmill.web.patience import ConnectionLimits


class Intake:
    """The state of one connection's requests, each from its head on."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._rate = Rate(limits.window_s, limits.bytes_per_s)
        self._framing = 0  # bytes since the last that were of a body
        self._kept = 0  # of the head, as the parser reports it
        self.enter_head()

    def enter_head(self) -> None:
        """Wait for a head, from now on."""
        # `rest` is neither: the request is whole, and the answer is the server's to give.
        self.phase: Literal["head", "body", "rest"] = "head"
        self._waited_s = 0.0
        self.head_fed = 0  # bytes, those the parser holds back among them

    def begin(self) -> None:
        """Note that a request begins."""
        if self.phase != "head":
            self.enter_head()
        self._kept = 0

    def keep(self, size: int, fields: int) -> None:
        """Count `size` bytes of a head that now has so many fields."""
        self._kept += size
        if self._kept > self._limits.head_bytes:
            raise head_too_large(self._limits.head_bytes)
        if fields > self._limits.head_fields:
            raise too_many_fields(self._limits.head_fields)

    def end_head(self) -> None:
        """Wait for a body."""
        self.phase = "body"
        self._framing = 0
        self._rate.restart()

    def take_body(self, size: int) -> None:
        """Count bytes of a body."""
        self._framing = 0
        self._rate.moved(size)

    def end_body(self) -> None:
        """Note that the client did its part."""
        self.phase = "rest"

    def feed(self, size: int) -> None:
        """Count bytes that are about to go through the parser."""
        self._framing += size

    def fed(self, size: int) -> None:
        """Judge, after the parser, what these bytes were."""
        if self.phase == "head":
            self.head_fed += size
            if self.head_fed > self._limits.head_bytes:
                raise head_too_large(self._limits.head_bytes)
        # Not counted is what stands in one piece with the last bytes of the body.
        elif self.phase == "body" and self._framing > size + self._limits.framing_bytes:
            raise mostly_framing()

    def wait(self, elapsed_s: float) -> Refusal | None:
        """Count time that the client let pass; the refusal where it was too long."""
        if self.phase == "head":
            self._waited_s += elapsed_s
            return slow_head() if self._waited_s >= self._limits.head_s else None
        if self.phase == "body" and self._rate.wait(elapsed_s):
            return slow_body()
        return None
