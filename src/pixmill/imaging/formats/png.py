"""PNG headers (ISO/IEC 15948), and the check of what decoders let pass."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage
from pixmill.imaging.header import MIB, Header, is_large, strip_decode_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

# color type: (samples a pixel as decoded, allowed depths), table 11.1
_COLOR_TYPES = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (3, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
_MAX_CHUNKS = 20_000


def read_header(data: memoryview, offset: int = 0) -> Header:
    """Read IHDR and what stands before the first IDAT of the PNG at `offset`."""
    length, kind, width, height, bits, color, method, filtering, interlace = struct.unpack_from(
        ">I4sIIBBBBB", data, offset + 8
    )
    channels, depths = _COLOR_TYPES.get(color, (0, ()))
    if (
        kind != b"IHDR"
        or length != 13
        or bits not in depths
        or method
        or filtering
        or interlace > 1
    ):
        raise CorruptImage("the PNG's IHDR chunk makes no sense")
    if not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
        raise CorruptImage("the PNG promises no pixels")
    frames = 1
    transparent = color in (4, 6)
    for name, start, size in _chunks_before_pixels(data, offset):
        if name == b"tRNS" and color in (0, 2, 3):
            _check_crc(data, start, size)
            transparent = True
        elif name == b"acTL":
            frames = max(1, int.from_bytes(data[start : start + 4], "big"))
    channels += transparent and color in (0, 2, 3)
    pixel_bytes = channels * (2 if bits == 16 else 1)
    strips = is_large(width, height)
    if strips:
        decode_bytes = strip_decode_bytes(width, pixel_bytes)
    else:
        # the samples in libvips and as bytes, then as 8 bits, as RGB and mask
        decode_bytes = width * height * (2 * pixel_bytes + channels + 4) + 8 * MIB
    if interlace:
        decode_bytes += width * height * pixel_bytes
    return Header(
        "png", width, height, decode_bytes, frames=frames, bits=bits, channels=channels,
        alpha=transparent, whole=bool(interlace), strips=strips, offset=offset,
    )  # fmt: skip


def chunks_named(data: memoryview, wanted: bytes) -> Iterator[memoryview]:
    """Give the data of the chunks of this name, wherever they stand."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            return
        size, name = struct.unpack_from(">I4s", data, at)
        if name == wanted:
            yield data[at + 8 : at + 8 + size]
        at += size + 12


def _chunks_before_pixels(data: memoryview, offset: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of the data of each chunk before IDAT."""
    at = offset + 8
    for _ in range(_MAX_CHUNKS):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            return
        if name == b"IEND" or size >= 1 << 31:
            break
        yield name, at + 8, size
        at += size + 12
    raise CorruptImage("the PNG has no pixel data")


def _check_crc(data: memoryview, start: int, size: int) -> None:
    """Refuse a broken tRNS: libpng would silently go on without it, and count what is unseen."""
    if size > 768:
        raise CorruptImage("the PNG's tRNS chunk is too long")
    (stored,) = struct.unpack_from(">I", data, start + size)
    if zlib.crc32(data[start - 4 : start + size]) != stored:
        raise CorruptImage("the PNG's tRNS chunk is damaged")
