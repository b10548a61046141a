"""Content-Encoding undone in bounded pieces.

Every request asks for `identity`; servers that compress nevertheless use gzip or deflate, and those
are undone here, never more than `PIECE` bytes at a time, so that the caller can stop a bomb. Any
other coding (br, zstd, or a word that is none) is left alone: the bytes then pass as they came, and
whoever looks for an image in them says `unsupported_format`. RFC 9110, section 8.4.1.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pixmill.errors import TruncatedBody

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 2**20

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_GZIP_MAGIC = 0x1F


class Inflater:
    """Undoes gzip, also of several members, or deflate, with a zlib header or without."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._head = b""
        self._stream = zlib.decompressobj(_GZIP) if gzip else None
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield decoded pieces of at most `PIECE` bytes.

        `TruncatedBody` where `data` is not of the coding.
        """
        self._started = True
        if self._stream is None:
            data, self._head = self._head + data, b""
            if len(data) < 2:
                self._head = data
                return
            self._stream = zlib.decompressobj(_ZLIB if _is_zlib(data) else _RAW)
        yield from self._decode(self._stream, data)

    def end(self) -> None:
        """`TruncatedBody` where the coding is not complete; a body of no bytes at all is."""
        if self._started and (self._stream is None or not self._stream.eof):
            raise TruncatedBody("the compressed body ended before its end")

    def _decode(self, stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
        piece = b""
        # A full piece may leave output waiting within zlib after all input is taken.
        while data or len(piece) == PIECE:
            if stream.eof:
                # Bytes past the end that are no further member are ignored, as browsers do.
                if not self._gzip or not data or data[0] != _GZIP_MAGIC:
                    return
                stream = self._stream = zlib.decompressobj(_GZIP)
            try:
                piece = stream.decompress(data, PIECE)
            except zlib.error as error:
                raise _not_of_the_coding() from error
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
            if piece:
                yield piece


def inflater(content_encoding: str | None) -> Inflater | None:
    """Choose what undoes that header, None where the bytes are to pass as they are."""
    if content_encoding is None:
        return None
    coding = content_encoding.strip().lower()
    if coding in {"gzip", "x-gzip"}:
        return Inflater(gzip=True)
    if coding == "deflate":
        return Inflater(gzip=False)
    return None


def _is_zlib(data: bytes) -> bool:
    # RFC 1950, section 2.2: method 8, and the first two bytes a multiple of 31.
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0


def _not_of_the_coding() -> TruncatedBody:
    error = TruncatedBody("the body is not what its Content-Encoding says")
    error.retryable = False  # the server would send the same again
    return error
