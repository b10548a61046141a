"""WebP headers (RFC 9649)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.imaging.header import MIB, Header, is_large, strip_decode_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_CHUNKS = 100_000
_ANIMATION, _ALPHA = 0x02, 0x10


def read_header(data: memoryview) -> Header:
    """Read the size of the canvas and, of animations, the number of frames."""
    if bytes(data[:4]) != b"RIFF":
        raise UnsupportedFormat("the bytes are of no image format that is read")
    kind = bytes(data[12:16])
    frames = 1
    if kind == b"VP8X":
        flags = data[20]
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        alpha = bool(flags & _ALPHA)
        if flags & _ANIMATION:
            frames, alpha = _count_frames(data), True
    elif kind == b"VP8L":
        signature, fields = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F:
            raise CorruptImage("the WebP's lossless stream has no signature")
        width, height, alpha = (
            (fields & 0x3FFF) + 1,
            (fields >> 14 & 0x3FFF) + 1,
            bool(fields >> 28 & 1),
        )
    elif kind == b"VP8 ":
        start_code, width, height = struct.unpack_from("<3sHH", data, 23)
        if start_code != b"\x9d\x01\x2a":
            raise CorruptImage("the WebP's lossy stream does not start with a key frame")
        width, height, alpha = width & 0x3FFF, height & 0x3FFF, False
    else:
        raise CorruptImage("the WebP starts with an unknown chunk")
    if not width or not height:
        raise CorruptImage("the WebP promises no pixels")
    return Header(
        "webp", width, height, _decode_bytes(width, height), frames=frames,
        channels=4 if alpha else 3, alpha=alpha, whole=True, strips=is_large(width, height),
    )  # fmt: skip


def _decode_bytes(width: int, height: int) -> int:
    """Canvas and frame, four bytes a pixel each, then a strip; or the samples, RGB and the mask."""
    whole = 9 * width * height
    if is_large(width, height):
        return whole + strip_decode_bytes(width, 4)
    return whole + 9 * width * height + 4 * MIB


def chunks_named(data: memoryview, wanted: bytes) -> Iterator[memoryview]:
    """Give the data of the chunks of this name."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            return
        name, size = struct.unpack_from("<4sI", data, at)
        if name == wanted:
            yield data[at + 8 : at + 8 + size]
        at += 8 + size + (size & 1)


def _count_frames(data: memoryview) -> int:
    return max(sum(1 for _ in chunks_named(data, b"ANMF")), 1)
