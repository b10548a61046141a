"""One small picture of an image, in sRGB: what its representative color is computed from.

Owns the choice of the way: JPEGs are decoded small, by the scaling of their cosine transform, and
large PNGs that are mostly flat by `plain_png`; all else, and every file of these with anything odd
about it, is decoded in full, strip by strip, by `decode`, so that its verdict on broken pictures
counts here too. Shrinking is left to `shrinking`, color profiles to `profiles`, limits to whoever
calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.imaging import plain_png
from pixmill.imaging.decode import decode
from pixmill.imaging.decoders.jpeg import REDUCTIONS, decode_reduced
from pixmill.imaging.pixels import Pixels
from pixmill.imaging.profiles import embedded, inks, to_srgb
from pixmill.imaging.shrinking import Scaled, fitted, shrunk

if TYPE_CHECKING:
    from collections.abc import Iterable
    from mmap import mmap

    from pixmill.imaging.header import Header

__all__ = ["Scaled", "scaled"]

# What a reduced decode leaves to the filter is at least this many times the size wanted. It is a
# filter itself and needs less room than boxes do.
_GAP = 1.2


def scaled(
    data: bytes | memoryview | mmap, header: Header, strips: Iterable[Pixels] | None = None
) -> Scaled:
    """Shrink the first frame to fit 200x200, in stored orientation; it is never enlarged.

    `header` is what `probe` read from the same bytes, and `strips` what `decode` gives of them,
    where somebody decodes them anyway; they are not touched where they are not needed. An embedded
    color profile is honored. Fully transparent pixels are not seen: they weigh nothing and give no
    color to others. The same bytes give the same picture, by whatever route they came. Raises what
    `decode` raises.
    """
    view = memoryview(data)
    size = fitted(header.width, header.height)
    small = _by_transform(view, header, size)
    if small is None and strips is None:
        small = _by_shortcut(view, header, size)
    if small is None:
        small = shrunk(strips or decode(view, header), (header.width, header.height), size)
    profile = embedded(view, header)
    if profile is None:
        return small
    samples = inks(view, header, size) if profile.mode == "CMYK" else small.rgb
    rgb = None if samples is None else to_srgb(samples, profile)
    return small if rgb is None else small._replace(rgb=rgb)


def _by_shortcut(data: memoryview, header: Header, size: tuple[int, int]) -> Scaled | None:
    """Shrink a PNG that is mostly flat, or None where it is none, or needs a second look."""
    if not plain_png.is_plain(data, header):
        return None
    try:
        return shrunk(plain_png.strips(data, header), (header.width, header.height), size)
    except plain_png.Odd:  # `decode` finds out what it means
        return None


def _by_transform(data: memoryview, header: Header, size: tuple[int, int]) -> Scaled | None:
    """Decode a JPEG small, or None where it is none, or needs a second look."""
    if header.format != "jpeg":
        return None
    room = max(header.width, header.height) / max(size) / _GAP
    part = next((part for part in REDUCTIONS if part <= room), None)
    if part is None:  # the whole picture is as quickly had by `decode`, if it is not had already
        return None
    rgb = decode_reduced(data, header, part)
    if rgb is None:
        return None
    # Never below the size: a line of pixels is not made thinner than it is.
    extent = max(header.width / part, size[0]), max(header.height / part, size[1])
    return shrunk([Pixels(rgb, None)], extent, size)
