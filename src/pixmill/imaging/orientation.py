"""The orientation that a file's metadata give its picture, and turning a picture upright.

Read in pure Python from Exif (CIPA DC-008, 4.6.4), but of AVIF, where libavif tells it.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from pixmill.errors import ItemError
from pixmill.imaging.formats import jpeg, png, tiff, webp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.imaging.header import Header

_TITLE = b"Exif\0\0"
_APP1 = 0xE1
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})


def orientation(data: memoryview, header: Header) -> int:
    """Tell the orientation, 1 (upright) to 8, as Exif and TIFF 6.0 number them.

    1 too where metadata are broken or tell nothing. Of several the first counts.
    """
    if header.format == "avif":
        return _in_avif(data)
    try:
        found = next(_blocks(data, header), None)
        value = 1 if found is None else tiff.read_orientation(found)
    except (ItemError, struct.error, IndexError, OverflowError):
        return 1
    return value if 1 <= value <= 8 else 1


def on_its_side(orientation: int) -> bool:
    """Whether width and height of the upright picture are the stored ones in exchange."""
    return orientation in _ON_ITS_SIDE


def upright(image: Any, orientation: int) -> Any:
    """Turn an image of libvips upright."""
    turned = image.rot(_TURNS[orientation]) if orientation in _TURNS else image
    if orientation in {2, 5, 7}:
        return turned.flip("horizontal")
    return turned.flip("vertical") if orientation == 4 else turned


_TURNS = {3: "d180", 5: "d90", 6: "d90", 7: "d270", 8: "d270"}


def _blocks(data: memoryview, header: Header) -> Iterator[memoryview]:
    """Give what is laid out as a TIFF file."""
    if header.format == "tiff":
        yield data
    elif header.format == "jpeg":
        for marker, start, end in jpeg.segments(data, len(data)):
            if marker == jpeg.SOS:
                return
            if marker == _APP1 and data[start : start + len(_TITLE)] == _TITLE:
                yield data[start + len(_TITLE) : end]
    elif header.format == "png":
        yield from png.chunks_named(data, b"eXIf")
    elif header.format == "webp":
        for block in webp.chunks_named(data, b"EXIF"):
            yield block[len(_TITLE) :] if block[: len(_TITLE)] == _TITLE else block


def _in_avif(data: memoryview) -> int:
    from PIL.AvifImagePlugin import AvifImageFile  # noqa: PLC0415 - only where one is decoded
    from PIL.ExifTags import Base  # noqa: PLC0415

    try:
        with AvifImageFile(io.BytesIO(data)) as image:
            value = image.getexif().get(Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - plugins raise nearly anything on hostile bytes
        return 1
    return value if value in range(1, 9) else 1
