"""Icon directories (Windows ICO): which of the pictures counts, and that picture's own header."""

from __future__ import annotations

import struct

from pixmill.errors import CorruptImage
from pixmill.imaging.formats import bmp, png
from pixmill.imaging.header import MIB, Header

_PNG = b"\x89PNG\r\n\x1a\n"
_MAX_ENTRIES = 1_000


def read_header(data: memoryview) -> Header:
    """Read the header of the largest picture; of equals the one of least depth, as Pillow chooses.

    The size is that of the picture itself: directories lie.
    """
    (count,) = struct.unpack_from("<H", data, 4)
    if not 0 < count <= _MAX_ENTRIES:
        raise CorruptImage("the icon's directory makes no sense")
    offset = min((_entry(data, 6 + 16 * i) for i in range(count)), key=lambda entry: entry[:2])[2]
    if data[offset : offset + 8] == _PNG:
        inner = png.read_header(data, offset)
        return inner._replace(format="ico", frames=count, variant="png")
    inner = bmp.read_bitmap_info(data, offset)
    if inner.height < 2:
        raise CorruptImage("the icon promises no pixels")
    width, height = inner.width, inner.height // 2
    # pixels, alpha and both as RGBA, in Pillow and as bytes
    decode_bytes = 24 * width * height + 4 * MIB
    return inner._replace(
        format="ico",
        frames=count,
        height=height,
        decode_bytes=decode_bytes,
        alpha=True,
        variant="dib",
        strips=False,
    )


def _entry(data: memoryview, at: int) -> tuple[int, int, int]:
    """Order of preference (least first) and offset of a directory entry."""
    width, height, colors, _, _, bits, _, offset = struct.unpack_from("<BBBBHHII", data, at)
    depth = bits or (colors - 1).bit_length() * bool(colors) or 256
    return -(width or 256) * (height or 256), depth, offset
