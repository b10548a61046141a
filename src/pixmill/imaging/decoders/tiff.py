"""TIFF: libvips for grey, palette and RGB; Pillow, whose formulas count, for CMYK and YCbCr."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage
from pixmill.imaging.decoders import pillow, vips
from pixmill.imaging.vips import warnings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header

# libtiff makes up what JPEG and fax data lack, and warns; of odd tags it warns as well. Any word of
# libjpeg counts: it tells its first warning only, which may hide that data are missing.
_MADE_UP = ("Corrupt JPEG data", "Premature EOL", "Premature EOF")


def decode(data: memoryview, header: Header) -> Iterator[NDArray[Any]]:
    """Decode the first page."""
    if not header.whole:
        yield from _in_strips(data, header)
        return
    if header.variant.startswith("jpeg"):
        # Pillow would not tell of missing data; nothing is kept, since it is about to hold as many.
        deque(_in_strips(data, header), maxlen=0)
    yield from pillow.decode(data, header)


def _in_strips(data: memoryview, header: Header) -> Iterator[NDArray[Any]]:
    return map(_not_made_up, vips.strips(data, header, "tiffload_source"))


def _not_made_up(samples: NDArray[Any]) -> NDArray[Any]:
    if any(words in warning for warning in warnings() for words in _MADE_UP):
        raise CorruptImage("the TIFF lacks pixel data")
    return samples
