"""PNGs that are mostly flat: drawings, empty pages, screenshots, read faster than libpng does.

Owns which files these are, their chunks, and the way from the packed stream to strips of pixels;
the loops are in zlib-ng and `scanlines`. This is a shortcut and no second opinion: a file with
anything odd about it is `Odd`, and its verdict is left to `decode`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from zlib_ng import zlib_ng

from pixmill.imaging.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header

scanlines: Any
try:
    from pixmill.imaging import scanlines
except ImportError:  # numba is missing, or does not know this Python or processor
    scanlines = None

# From about here on copying runs of bytes is what there is to do; below, zlib's own code is better.
_LEAST_RATIO = 100
_STRIP_BYTES = 1 << 20
_MAX_CHUNKS = 20_000
_TRUE_COLOR = struct.pack(">BBBBB", 8, 2, 0, 0, 0)
# those that bear on nothing but how the pixels are to be shown
_HARMLESS = frozenset(
    {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
)


class Odd(Exception):
    """The file is not as plain as it looked."""


def is_plain(data: memoryview, header: Header) -> bool:
    """Whether to try: a large PNG of 8-bit RGB, one part in a hundred of its pixels."""
    return (
        scanlines is not None
        and header.format == "png"
        and header.strips
        and header.offset == 0
        and header.frames == 1
        and bytes(data[24:29]) == _TRUE_COLOR
        and not header.alpha
        and len(data) * _LEAST_RATIO < 3 * header.width * header.height
    )


def strips(data: memoryview, header: Header) -> Iterator[Pixels]:
    """Decode in strips of about a megabyte, in memory for three of them and twice the file.

    Raises `Odd`, maybe after some strips, which then count for nothing.
    """
    lines = _lines(_Stream(data), header)
    above = np.zeros(3 * header.width, np.uint8)
    for part in lines:
        rows = np.empty((len(part), 3 * header.width), np.uint8)
        if not scanlines.unfilter(part, above, rows):
            raise Odd
        above = rows[-1].copy()
        yield Pixels(rows.reshape(len(rows), header.width, 3), None)


def _lines(stream: _Stream, header: Header) -> Iterator[NDArray[np.uint8]]:
    """Read filtered lines, (n, 1 + 3 w), some at a time; the stream has to end with the last."""
    size = 1 + 3 * header.width
    rows = max(16, _STRIP_BYTES // size)
    for top in range(0, header.height, rows):
        count = min(rows, header.height - top)
        yield stream.read(count * size).reshape(count, size)
    stream.close()


class _Stream:
    """The zlib stream in the IDAT chunks of a file."""

    def __init__(self, data: memoryview) -> None:
        self._chunks = _packed(data)
        self._inflater = zlib_ng.decompressobj(wbits=0)  # the window that its header names

    def read(self, count: int) -> NDArray[np.uint8]:
        """Give the next `count` bytes."""
        parts, lacking = [], count
        while lacking:
            part = self._inflate(lacking)
            parts.append(part)
            lacking -= len(part)
        return np.frombuffer(bytearray().join(parts), np.uint8)

    def close(self) -> None:
        """Make sure that all has been read, and was what its checksum says."""
        while not self._inflater.eof:
            if self._inflate(1):
                raise Odd
        if self._inflater.unused_data or next(self._chunks, None) is not None:
            raise Odd

    def _inflate(self, most: int) -> bytes:
        """Inflate what is at hand, or else the next chunk; at most so many bytes, maybe none."""
        packed = self._inflater.unconsumed_tail or next(self._chunks, None)
        if packed is None or self._inflater.eof:
            raise Odd
        try:
            return self._inflater.decompress(packed, most)
        except zlib_ng.error as error:  # type: ignore[misc]  # the stubs give it no base
            raise Odd from error


def _packed(data: memoryview) -> Iterator[memoryview]:
    """Read the IDAT chunks, which stand together between harmless ones."""
    at = 8
    names: list[bytes] = []
    while not names or names[-1] != b"IEND":
        if at + 12 > len(data) or len(names) == _MAX_CHUNKS:
            raise Odd
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        body = data[at + 4 : end]
        if end + 4 > len(data) or zlib_ng.crc32(body) != int.from_bytes(data[end : end + 4], "big"):
            raise Odd
        if name == b"IDAT":
            if name in names and names[-1] != name:
                raise Odd
            yield body[4:]
        elif name not in _HARMLESS and name != (b"IEND" if names else b"IHDR"):
            raise Odd
        names.append(name)
        at = end + 4
