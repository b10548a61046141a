"""What the header of an image promises: the type that flows from the probe to the decoders.

Owns nothing but the type and the few figures that both sides must agree on. Reading headers is left
to `formats`, pixels to `decoders`.
"""

from __future__ import annotations

from typing import NamedTuple

MIB = 1 << 20

STRIP_BYTES = 4 * MIB
"""About how many bytes of RGB one strip of a large image holds."""

WHOLE_BYTES = 32 * MIB
"""Up to this many bytes of RGB an image is decoded whole, past it in strips."""


class Header(NamedTuple):
    """What an image promises before any pixel is decoded.

    `format` is one of jpeg png webp gif avif tiff bmp ico. `width` and `height` are pixels of the
    stored orientation (of the canvas, for animations). `frames` is None where the header does not
    tell cheaply. `decode_bytes` is an upper estimate of the memory that decoding takes at its peak
    beyond the file's own bytes, by the way that the decoder will choose.

    The rest helps the decoder choose: `bits` a stored sample, `channels` a stored pixel, `alpha`
    whether one of them is transparency, `whole` whether the decoder must hold the entire picture (a
    progressive JPEG, an interlaced PNG), `strips` whether the pixels come in several strips,
    `variant` a format's own word for the flavour, `offset` where the picture starts in the file,
    `block_rows` the multiple of rows at which strips may begin, or 0 where none will do.
    """

    format: str
    width: int
    height: int
    decode_bytes: int
    frames: int | None = 1
    bits: int = 8
    channels: int = 3
    alpha: bool = False
    whole: bool = False
    strips: bool = False
    variant: str = ""
    offset: int = 0
    block_rows: int = 16


def strip_rows(width: int, unit: int = 16) -> int:
    """Rows of one strip of an image `width` pixels wide, a multiple of `unit`.

    That of 16 never cuts a row of JPEG blocks in two.
    """
    return max(unit, STRIP_BYTES // (3 * max(width, 1)) // unit * unit)


def strip_decode_bytes(width: int, pixel_bytes: int, unit: int = 16) -> int:
    """Memory that libvips takes for strips of samples of `pixel_bytes` a pixel, at most.

    As measured: some hundred rows in its cache, the strip twice, and once more as RGB and mask.
    """
    rows = strip_rows(width, unit)
    return width * (pixel_bytes * (3 * rows + 384) + 8 * rows) + 16 * MIB


def is_large(width: int, height: int) -> bool:
    """Whether an image of this size is decoded in strips, where its format allows."""
    return 3 * width * height > WHOLE_BYTES
