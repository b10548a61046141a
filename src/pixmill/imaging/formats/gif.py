"""GIF headers (GIF89a specification), up to the first frame."""

from __future__ import annotations

import struct

from pixmill.errors import CorruptImage
from pixmill.imaging.header import MIB, Header, is_large, strip_rows

_MAX_BLOCKS = 100_000  # with their sub-blocks, of up to 255 bytes each
_IMAGE, _EXTENSION, _PADDING = 0x2C, 0x21, 0x00


def read_header(data: memoryview) -> Header:
    """Read the canvas, grown to hold the first frame (as Pillow and browsers do)."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    left, top, frame_width, frame_height = _first_frame(data, 13 + _table_bytes(flags))
    width, height = max(width, left + frame_width), max(height, top + frame_height)
    if not frame_width or not frame_height:
        raise CorruptImage("the GIF's first frame has no pixels")
    rows = strip_rows(width) if is_large(width, height) else height
    # the canvas and the frame as indices, then a strip as RGBA in Pillow, as bytes and as RGB
    decode_bytes = 2 * width * height + 16 * rows * width + 4 * MIB
    return Header(
        "gif", width, height, decode_bytes, frames=None, channels=1, alpha=True, whole=True,
        strips=is_large(width, height),
    )  # fmt: skip


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _first_frame(data: memoryview, at: int) -> tuple[int, int, int, int]:
    in_extension = False
    for _ in range(_MAX_BLOCKS):
        first = data[at]
        if in_extension:
            in_extension = first > 0  # the size of a sub-block; one of no size is the last
            at += first + 1
        elif first == _IMAGE:
            left, top, width, height = struct.unpack_from("<HHHH", data, at + 1)
            return left, top, width, height
        elif first == _EXTENSION:
            in_extension = True
            at += 2
        elif first == _PADDING:  # belongs nowhere; some writers put it between blocks
            at += 1
        else:
            break
    raise CorruptImage("the GIF has no frame")
