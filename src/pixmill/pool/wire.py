"""What the pool's processes say to each other, in bytes.

Owns the layout of the messages and nothing of their meaning's consequences. Every message starts
with a header of fixed size. Bulky input travels in shared memory or as a passed descriptor, never
in here.

    parent -> fork server    Request         start a worker (its descriptors ride along), or kill
    one fork server -> parent    Frame           EXITED, BROKEN parent -> worker         Order
    one item worker -> parent         Frame           READY, RESULT, FAILURE, HANDED_BACK, RETIRING

An Order is sent and received whole, in one call: a few dozen bytes written at once to a local
stream socket are one buffer of the kernel. So either the worker takes an order or the parent takes
it back.
"""

from __future__ import annotations

import enum
import os
import struct
from typing import NamedTuple

_FRAME = struct.Struct("=BQqQ")
_ORDER = struct.Struct("=QBQQQQ?")
_REQUEST = struct.Struct("=BQ")
_CHUNK_BYTES = 1 << 16

ORDER_BYTES = _ORDER.size
REQUEST_BYTES = _REQUEST.size
WORKER_DESCRIPTORS = 3


class Kind(enum.IntEnum):
    """The kinds of frames and requests."""

    START = 1
    KILL = 2
    EXITED = 3
    BROKEN = 4
    READY = 5
    RESULT = 6
    FAILURE = 7
    HANDED_BACK = 8
    RETIRING = 9


class Request(NamedTuple):
    """To the fork server: START or KILL the worker known as `token`."""

    kind: Kind
    token: int

    def pack(self) -> bytes:
        """Return the bytes to send."""
        return _REQUEST.pack(*self)

    @classmethod
    def unpack(cls, raw: bytes) -> Request:
        """Read what `pack` made."""
        kind, token = _REQUEST.unpack(raw)
        return cls(Kind(kind), token)


class Order(NamedTuple):
    """One item for a worker.

    The payload lies at the start of slot number `slot`, or in the descriptor that comes with the
    order; the pickled argument lies in the slot behind it. `need_bytes` is what the item is
    expected to take, 0 if unknown, `grant_bytes` what it may take, 0 for no limit. After a `big`
    item memory is given back.
    """

    number: int
    slot: int
    payload_bytes: int
    argument_bytes: int
    need_bytes: int
    grant_bytes: int
    big: bool

    def pack(self) -> bytes:
        """Return the bytes to send."""
        return _ORDER.pack(*self)

    @classmethod
    def unpack(cls, raw: bytes) -> Order:
        """Read what `pack` made."""
        return cls(*_ORDER.unpack(raw))


class Frame(NamedTuple):
    """A message to the parent.

    `number` is an item's number, a worker's token (EXITED) or pid (READY); `value` the exit code as
    of `os.waitstatus_to_exitcode` (EXITED). `body` is a pickle (RESULT, FAILURE) or a text
    (BROKEN).
    """

    kind: Kind
    number: int = 0
    value: int = 0
    body: bytes = b""

    def write(self, descriptor: int) -> None:
        """Write the frame whole to a blocking descriptor."""
        kind, number, value, body = self
        rest = memoryview(_FRAME.pack(kind, number, value, len(body)) + body)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


class FrameReader:
    """Collects frames from a non-blocking descriptor.

    `ended` turns true once the other side is gone and everything it wrote was read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self.ended = False

    def read(self) -> list[Frame]:
        """Read once, without waiting, and return the frames that are now complete."""
        try:
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            chunk = b""
        self.ended = not chunk
        self._buffer += chunk
        frames = []
        while frame := self._take():
            frames.append(frame)
        return frames

    def _take(self) -> Frame | None:
        if len(self._buffer) < _FRAME.size:
            return None
        kind, number, value, length = _FRAME.unpack_from(self._buffer)
        end = _FRAME.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_FRAME.size : end])
        del self._buffer[:end]
        return Frame(Kind(kind), number, value, body)
