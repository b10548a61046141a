"""TIFF: libvips for grey, palette and RGB; Pillow, whose formulas count, for CMYK and YCbCr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.imaging.decoders import pillow, vips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.imaging.header import Header
    from pixmill.imaging.pixels import Pixels


def decode(data: memoryview, header: Header) -> Iterator[Pixels]:
    """Decode the first page."""
    if header.whole:
        return pillow.decode(data, header)
    return vips.strips(data, header, "tiffload_source")
