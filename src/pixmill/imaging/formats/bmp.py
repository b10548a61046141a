"""BMP headers: OS/2 1 and 2, and Windows versions 3 to 5 (MS-WMF 2.2.2)."""

from __future__ import annotations

import struct

from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.imaging.header import MIB, Header, is_large, strip_rows

_RAW, _RLE8, _RLE4, _BITFIELDS = range(4)
_DEPTHS = {_RAW: (1, 4, 8, 16, 24, 32), _RLE8: (8,), _RLE4: (4,), _BITFIELDS: (16, 24, 32)}
_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})


def read_header(data: memoryview) -> Header:
    """Read the size, the depth and the compression of a BMP file."""
    return read_bitmap_info(data, 14)


def read_bitmap_info(data: memoryview, at: int) -> Header:
    """Read the bitmap header at `at`; it stands so in icons too."""
    (size,) = struct.unpack_from("<I", data, at)
    if size not in _HEADER_SIZES:
        raise UnsupportedFormat(f"a BMP whose header has {size} bytes")
    compression = _RAW
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, at + 4)
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, at + 4)
    if bits not in _DEPTHS.get(compression, ()):
        raise UnsupportedFormat(f"a BMP of {bits} bits a pixel and compression {compression}")
    if width <= 0 or not height:
        raise CorruptImage("the BMP promises no pixels")
    masks = 12 if compression == _BITFIELDS and size == 40 else 0
    if at + size + masks > len(data):
        raise CorruptImage("the BMP's header is cut off")
    height = abs(height)
    rle = compression in (_RLE8, _RLE4)
    rows = strip_rows(width) if is_large(width, height) else height
    stored = 1 if bits <= 8 else 4
    # Pillow's image, of RLE the indices in Python first; a strip as RGBA, as bytes and as RGB
    decode_bytes = (stored + 3 * rle) * width * height + 16 * rows * width + 4 * MIB
    return Header(
        "bmp", width, height, decode_bytes, bits=bits, channels=stored, alpha=bits == 32,
        whole=True, strips=is_large(width, height), variant="rle" if rle else "",
    )  # fmt: skip
