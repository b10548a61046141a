"""The picture that a chain of operations starts from: upright, of 8 bits, as an image of libvips.

Owns the choice between the picture as stored and one that is decoded small, for a chain that begins
by shrinking it: by the ways of the small picture that `scaled` makes. Verdicts on broken files are
those of `decode`, whichever way is gone. Limits are left to whoever calls.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.imaging.decode import decode_samples
from pixmill.imaging.decoders.jpeg import REDUCTIONS, decode_reduced
from pixmill.imaging.decoders.vips import decode_webp_reduced
from pixmill.imaging.operations.bands import PROFILE, named
from pixmill.imaging.operations.geometry import turned
from pixmill.imaging.orientation import on_its_side, upright
from pixmill.imaging.pixels import Pixels, from_samples, to_u8
from pixmill.imaging.profiles import embedded
from pixmill.imaging.shrinking import shrunk
from pixmill.imaging.vips import locked_down

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header
    from pixmill.imaging.operations.geometry import Size

_OPAQUE = 255
# What a reduced decode leaves to the filter is at least this many times the size wanted.
_GAP = 1.2


def opened(data: memoryview, header: Header, orientation: int, target: Size | None) -> Any:
    """Decode the first frame and turn it upright.

    `target` is the upright size to which the chain shrinks the picture first, None where it does
    something else; it is had already where that is the faster way. Alpha that hides nothing is
    left out. A color profile is kept, unless it was one of inks. Raises what `decode` raises.
    """
    stored = turned(target) if target and on_its_side(orientation) else target
    if stored is not None and not _is_smaller(stored, header):
        stored = None
    samples = None if stored is None else _decoded_small(data, header, stored)
    if samples is None:
        samples = _decoded(data, header, stored)
    height, width, bands = samples.shape
    image = locked_down().Image.new_from_memory(samples.data, width, height, bands, "uchar")
    return upright(_with_profile(named(image), data, header), orientation)


def _is_smaller(size: Size, header: Header) -> bool:
    """Whether no side is longer than that of the stored picture."""
    return size[0] <= header.width and size[1] <= header.height


def _decoded_small(data: memoryview, header: Header, size: Size) -> NDArray[np.uint8] | None:
    """Decode a JPEG or WebP small, or None where it is none, or needs a second look."""
    room = min(header.width / size[0], header.height / size[1]) / _GAP
    part = next((part for part in REDUCTIONS if part <= room), None)
    if part is None or header.alpha:
        return None
    if header.format == "jpeg":
        rgb = decode_reduced(data, header, part)
        extent = header.width / part, header.height / part
    elif header.format == "webp":
        rgb = decode_webp_reduced(data, header, part)
        extent = (0.0, 0.0) if rgb is None else (float(rgb.shape[1]), float(rgb.shape[0]))
    else:
        return None
    if rgb is None:
        return None
    return _of_bands(shrunk([Pixels(rgb, None)], extent, size).rgb, _is_grey(header))


def _decoded(data: memoryview, header: Header, size: Size | None) -> NDArray[np.uint8]:
    """Decode in full; what comes in strips, without alpha, is shrunk to `size` as they come."""
    strips = decode_samples(data, header)
    first = next(strips)
    grey = first.shape[2] < 3 or _is_grey(header)
    alpha, strips = first.shape[2] in {2, 4}, itertools.chain([first], strips)
    del first
    if alpha:
        return _without_idle_alpha(_joined(strips, header))
    if size is None or not header.strips:
        return _of_bands(_joined(strips, header), grey)
    small = shrunk(map(from_samples, strips), (header.width, header.height), size)
    return _of_bands(small.rgb, grey)


def _is_grey(header: Header) -> bool:
    """Whether RGB that a decoder gave is grey, as far as that is known without looking."""
    return header.format == "jpeg" and header.channels == 1


def _joined(strips: Iterator[NDArray[Any]], header: Header) -> NDArray[np.uint8]:
    """Put strips together, to the end, where decoders tell of broken files."""
    first = next(strips)
    if len(first) == header.height:
        whole = np.ascontiguousarray(to_u8(first))
        deque(strips, maxlen=0)
        return whole
    samples = np.empty((header.height, *first.shape[1:]), np.uint8)
    top = 0
    for strip in itertools.chain([first], strips):
        samples[top : top + len(strip)] = to_u8(strip)
        top += len(strip)
    return samples


def _without_idle_alpha(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if samples[:, :, -1].min() < _OPAQUE:
        return samples
    return np.ascontiguousarray(samples[:, :, :-1])


def _of_bands(samples: NDArray[np.uint8], grey: bool) -> NDArray[np.uint8]:  # noqa: FBT001
    """Give one band of what is grey."""
    return np.ascontiguousarray(samples[:, :, :1]) if grey else samples


def _with_profile(image: Any, data: memoryview, header: Header) -> Any:
    profile = embedded(data, header)
    if profile is None or profile.mode == "CMYK":
        return image
    blob = locked_down().GValue.blob_type
    image.set_type(blob, PROFILE, profile.icc)
    return image
