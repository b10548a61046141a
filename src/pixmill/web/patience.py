"""How long a client is waited for, in numbers and in the one rule for bytes that must keep coming.

Owns the limits of a connection; `protocol.py` keeps them. Time is told to what stands here, in the
pieces in which the server looks around, and a stall of the server itself is not told: it is not
the client's fault.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """What one connection may cost; the defaults suit phones on bad lines, not slow attacks."""

    # A request's head is one packet or two; who needs longer holds a connection on purpose.
    head_s: float = 10.0
    # Browsers reuse a connection within seconds, and a proxy's pool closes its own at 60.
    idle_s: int = 15
    # 1 KiB/s is an eighth of the slowest mobile networks in use; judged over whole windows, so
    # that a line which is gone for a few seconds is forgiven.
    window_s: float = 10.0
    bytes_per_s: int = KIB
    # For the client to read the answer before the connection is reset under it, and no longer.
    linger_s: float = 2.0
    # What a refused client may still send meanwhile: a photograph, since many programs send all
    # before they read, and no film.
    linger_bytes: int = 16 * KIB * KIB
    # Eight times what browsers send, cookies included, and what common proxies let through.
    head_bytes: int = 64 * KIB
    head_fields: int = 100
    # Chunk extensions, trailers: bytes that bring none of a body.
    framing_bytes: int = 64 * KIB
    # Requests sent ahead of their turn on one connection; browsers send none.
    pipelined: int = 8


class Rate:
    """Whether bytes keep moving: on average `bytes_per_s` in each window of `window_s` waited."""

    def __init__(self, window_s: float, bytes_per_s: int) -> None:
        self._window_s = window_s
        self._bytes_per_s = bytes_per_s
        self.restart()

    def restart(self) -> None:
        """Begin a new window."""
        self._waited_s = 0.0
        self._bytes = 0

    def moved(self, size: int) -> None:
        """Count bytes that moved."""
        self._bytes += size

    def wait(self, elapsed_s: float) -> bool:
        """Count time waited; True where a window has ended with too few bytes."""
        self._waited_s += elapsed_s
        if self._waited_s < self._window_s:
            return False
        too_slow = self._bytes < self._bytes_per_s * self._waited_s
        self.restart()
        return too_slow
