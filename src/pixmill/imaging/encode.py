"""The grey version of an image, made while its strips go by, as a PNG that needs no second look.

Grey is `(R + G + B) // 3` of the stored samples, exactly; transparency is not looked at. Lines are
filtered by `Up` (ISO/IEC 15948, 9.2) and deflated by zlib-ng at level 2: measured against other
filters, levels and encoders in docs/decisions/0009-grey-png.md. Neither the pixels nor the grey
plane are ever held whole, but for those of a small image.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from zlib_ng import zlib_ng

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pixmill.imaging.pixels import Pixels

INLINE_BYTES = 256 * 1024  # a PNG beyond this goes to a file
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEVEL = 2
_UP = 2
_PIECE_PIXELS = 2**17  # worked on at a time, so that it stays in the processor's cache


def grey_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give `(R + G + B) // 3` of (h, w, 3) samples, as (h, w) uint8."""
    total = rgb[:, :, 0].astype(np.uint16)
    total += rgb[:, :, 1]
    total += rgb[:, :, 2]
    total //= 3
    return total.astype(np.uint8)


class GreyPng:
    """Writes the PNG of one image; `folder` is where it goes as a file if it grows large.

    A context manager: the file is removed where the block ends by an error. Raises OutputError
    where the folder takes no file.
    """

    def __init__(self, width: int, height: int, folder: str) -> None:
        self._width = width
        self._folder = folder
        self._deflate = zlib_ng.compressobj(_LEVEL)
        self._above = np.zeros(width, np.uint8)
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._path: Path | None = None
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        self._put(_SIGNATURE + _chunk(b"IHDR", header))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._path is not None:
            self._path.unlink(missing_ok=True)

    def through(self, strips: Iterator[Pixels]) -> Iterator[Pixels]:
        """Give the strips on, and write the grey of each."""
        for strip in strips:
            self.add(strip.rgb)
            yield strip

    def add(self, rgb: NDArray[np.uint8]) -> None:
        """Write the next rows, (h, width, 3)."""
        rows = max(1, _PIECE_PIXELS // self._width)
        for start in range(0, rgb.shape[0], rows):
            grey = grey_of(rgb[start : start + rows])
            lines = np.empty((grey.shape[0], self._width + 1), np.uint8)
            lines[:, 0] = _UP
            lines[0, 1:] = grey[0] - self._above
            np.subtract(grey[1:], grey[:-1], out=lines[1:, 1:])
            self._above = grey[-1]
            self._put_data(self._deflate.compress(lines))

    def finish(self) -> bytes | str:
        """End the PNG and give it, or the path of its file."""
        self._put_data(self._deflate.flush())
        self._put(_chunk(b"IEND", b""))
        if self._path is not None:
            self._flush(self._path)
            return str(self._path)
        return b"".join(self._pieces)

    def _put_data(self, data: bytes) -> None:
        if data:
            self._put(_chunk(b"IDAT", data))

    def _put(self, data: bytes) -> None:
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > INLINE_BYTES:
            self._flush(self._path or self._make_file())
            self._bytes = 0

    def _make_file(self) -> Path:
        self._path = Path(self._folder, f"grey-{secrets.token_hex(8)}.png")
        return self._path

    def _flush(self, path: Path) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                rest = memoryview(b"".join(self._pieces))
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}; make room there") from error
        self._pieces.clear()


def _chunk(kind: bytes, data: bytes) -> bytes:
    size, check = struct.pack(">I", len(data)), zlib.crc32(kind + data)
    return b"".join((size, kind, data, struct.pack(">I", check)))
