"""PNGs that are mostly flat: drawings, empty pages, screenshots, read faster than libpng does.

Owns which files these are, their chunks, and the way from the packed stream to strips of pixels;
the loops are in `inflating`. This is a shortcut and no second opinion: a file with anything odd
about it is `Odd`, and its verdict is left to `decode`.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.imaging.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header

inflating: Any
try:
    from pixmill.imaging import inflating
except ImportError:  # numba is missing, or does not know this Python or processor
    inflating = None

# From about here on copying runs of bytes is what there is to do; below, zlib's own code is better.
_LEAST_RATIO = 100
_STRIP_BYTES = 1 << 20
_MAX_CHUNKS = 20_000
_TRUE_COLOR = struct.pack(">BBBBB", 8, 2, 0, 0, 0)
# those that bear on nothing but how the pixels are to be shown
_HARMLESS = frozenset(
    {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
)


class Odd(Exception):  # noqa: N818 - it is no error, and never leaves this package
    """The file is not as plain as it looked."""


def is_plain(data: memoryview, header: Header) -> bool:
    """Whether to try: a large PNG of 8-bit RGB, one part in a hundred of its pixels."""
    return (
        inflating is not None
        and header.format == "png"
        and header.strips
        and header.offset == 0
        and header.frames == 1
        and bytes(data[24:29]) == _TRUE_COLOR
        and not header.alpha
        and len(data) * _LEAST_RATIO < 3 * header.width * header.height
    )


def strips(data: memoryview, header: Header) -> Iterator[Pixels]:
    """Decode in strips of about a megabyte. Raises `Odd`, maybe late; all strips count for nothing
    then. Takes memory for three strips and the file's own bytes.
    """
    lines = _lines(_Stream(data), header)
    above = np.zeros(3 * header.width, np.uint8)
    for part in lines:
        rows = np.empty((len(part), 3 * header.width), np.uint8)
        if not inflating.unfilter(part, above, rows):
            raise Odd
        above = rows[-1].copy()
        yield Pixels(rows.reshape(len(rows), header.width, 3), None)


def _lines(stream: _Stream, header: Header) -> Iterator[NDArray[np.uint8]]:
    """Filtered lines, (n, 1 + 3 w), some at a time; the stream has to end with the last."""
    size = 1 + 3 * header.width
    rows = max(16, _STRIP_BYTES // size)
    for top in range(0, header.height, rows):
        count = min(rows, header.height - top)
        yield stream.read(count * size).reshape(count, size)
    stream.close()


class _Stream:
    """The zlib stream in the IDAT chunks of a file."""

    def __init__(self, data: memoryview) -> None:
        packed = b"".join(_packed(data))
        # DEFLATE, a window of 32 KiB, no dictionary
        if len(packed) < 8 or packed[0] != 0x78 or packed[1] & 32 or (packed[1] + 0x7800) % 31:
            raise Odd
        self._checksum = int.from_bytes(packed[-4:], "big")
        self._packed = np.frombuffer(packed[:-4] + bytes(inflating.PADDING), np.uint8)
        self._state = np.array([16, 0, 0, 0], np.int64)
        self._tables = [np.zeros(inflating.TABLE, np.uint16) for _ in range(2)]
        self._out = np.empty(0, np.uint8)
        self._given = self._end = 0
        self._adler = 1

    def read(self, count: int) -> NDArray[np.uint8]:
        """Give the next `count` bytes, which stay until the next call."""
        self._make_room(count)
        limit = self._given + count
        if self._inflate(limit) < limit:
            raise Odd
        part = self._out[self._given : limit]
        self._given = limit
        self._adler = inflating.adler32(part, self._adler)
        return part

    def close(self) -> None:
        """Make sure that all has been read, and was what its checksum says."""
        self._make_room(1)
        if self._inflate(self._end + 1) != self._given or self._state[1] != inflating.DONE:
            raise Odd
        read = -(-int(self._state[0]) // 8)
        if read != len(self._packed) - inflating.PADDING or self._adler != self._checksum:
            raise Odd

    def _make_room(self, count: int) -> None:
        """Move what matches may reach, and what was not given yet, to the front."""
        begin = max(0, self._given - inflating.WINDOW)
        kept = self._out[begin : self._end]
        least = len(kept) + count + inflating.LONGEST
        out = np.empty(least, np.uint8) if least > len(self._out) else self._out
        out[: len(kept)] = kept.copy()
        self._out, self._given, self._end = out, self._given - begin, len(kept)

    def _inflate(self, limit: int) -> int:
        self._end = inflating.inflate(
            self._packed, self._out, self._end, limit, self._state, *self._tables
        )
        return self._end


def _packed(data: memoryview) -> Iterator[memoryview]:
    """Data of the IDAT chunks, which stand together between harmless ones."""
    at, names = 8, []
    while not names or names[-1] != b"IEND":
        if at + 12 > len(data) or len(names) == _MAX_CHUNKS:
            raise Odd
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        body = data[at + 4 : end]
        if end + 4 > len(data) or zlib.crc32(body) != int.from_bytes(data[end : end + 4], "big"):
            raise Odd
        if name == b"IDAT":
            if name in names and names[-1] != name:
                raise Odd
            yield body[4:]
        elif name not in _HARMLESS and name != (b"IEND" if names else b"IHDR"):
            raise Odd
        names.append(name)
        at = end + 4
