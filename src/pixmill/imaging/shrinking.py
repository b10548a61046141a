"""Pixels to a small picture: its size, averages over boxes, and the last step to that size.

Owns geometry, and what becomes of pixels that are not seen. The loops are in `boxes` and `lanczos`;
where pixels come from is left to `scaled`, color profiles to `profiles`.

Boxes of whole pixels are averaged first, strip by strip, down to a few times the size wanted; that
is cheap and needs no more memory than a strip. A true filter does the rest, that of `lanczos` where
all is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from pixmill.imaging.boxes import box_means
from pixmill.imaging.lanczos import resized
from pixmill.imaging.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from numpy.typing import NDArray

FIT = 200
"""The longer side of a small picture, at most."""

# Boxes leave at least this many times the size wanted to the filter, which hides that they are not
# one; Pillow's documentation of `reducing_gap` calls the result of 3 indistinguishable.
_GAP = 3


class Scaled(NamedTuple):
    """A small picture.

    `rgb` is (h, w, 3) uint8; `weights` is (h, w) float64, from 0 to 1, the share of each pixel that
    is seen, or None where all is.
    """

    rgb: NDArray[np.uint8]
    weights: NDArray[np.float64] | None


def fitted(width: int, height: int) -> tuple[int, int]:
    """Size within FIT x FIT, the aspect kept as far as whole pixels allow; never enlarged."""
    longer = max(width, height)
    if longer <= FIT:
        return width, height
    return max(1, round(width * FIT / longer)), max(1, round(height * FIT / longer))


def shrunk(strips: Iterable[Pixels], extent: tuple[float, float], size: tuple[int, int]) -> Scaled:
    """Shrink strips that are together `extent` (width, height) to `size`.

    The extent is in pixels of the strips, and may end within the last one.
    """
    across, down = _boxes(extent, size)
    parts = [_averaged(strip, across, down) for strip in _cut_by(down, strips)]
    rest = extent[0] / across, extent[1] / down
    if all(part.shape[2] == 3 for part in parts):
        means = np.concatenate(parts)
        if means.dtype != np.uint8:
            means = np.rint(means)
        return Scaled(resized(means.astype(np.uint8, copy=False), rest, size), None)
    return _seen(np.concatenate([_with_share(part) for part in parts]), size, (0.0, 0.0, *rest))


def shrunk_inks(image: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Shrink an image of libvips, of 8-bit CMYK, to `size`; raises what reading it does."""
    across, down = _boxes((image.width, image.height), size)
    means = image.cast("float").shrink(across, down, ceil=True).rint().cast("uchar")
    whole = Image.frombytes("CMYK", (means.width, means.height), means.write_to_memory())
    box = (0.0, 0.0, image.width / across, image.height / down)
    return np.asarray(whole.resize(size, Image.Resampling.LANCZOS, box))


def _boxes(extent: tuple[float, float], size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the boxes to average over."""
    across, down = (max(1, int(extent[i] / size[i] / _GAP)) for i in (0, 1))
    return across, down


def _cut_by(unit: int, strips: Iterable[Pixels]) -> Iterator[Pixels]:
    """Cut strips anew, each but the last of a multiple of `unit` rows."""
    kept: list[Pixels] = []
    lacking = 0
    for strip in strips:
        rows, start = len(strip.rgb), min(lacking, len(strip.rgb))
        if lacking:
            kept.append(_rows(strip, 0, start))
            lacking -= start
            if lacking:
                continue
            yield _joined(kept)
            kept = []
        end = rows - (rows - start) % unit
        if start < end:
            yield _rows(strip, start, end)
        if end < rows:
            kept, lacking = [_rows(strip, end, rows)], unit - (rows - end)
    if kept:
        yield _joined(kept)


def _rows(strip: Pixels, start: int, end: int) -> Pixels:
    return Pixels(strip.rgb[start:end], None if strip.visible is None else strip.visible[start:end])


def _joined(strips: list[Pixels]) -> Pixels:
    rgb = np.concatenate([strip.rgb for strip in strips])
    if all(strip.visible is None for strip in strips):
        return Pixels(rgb, None)
    visible = [
        np.ones(strip.rgb.shape[:2], np.bool_) if strip.visible is None else strip.visible
        for strip in strips
    ]
    return Pixels(rgb, np.concatenate(visible))


def _averaged(strip: Pixels, across: int, down: int) -> NDArray[np.uint8 | np.float32]:
    """Means of boxes: RGB, or RGB of what is seen and its share, times 255."""
    if strip.visible is None:
        return strip.rgb if across == down == 1 else box_means(strip.rgb, across, down)
    seen = strip.visible[:, :, np.newaxis].astype(np.uint8)
    samples = np.concatenate((strip.rgb * seen, seen * np.uint8(255)), axis=2)
    return box_means(samples, across, down)


def _with_share(part: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
    if part.shape[2] == 4:
        return part.astype(np.float32, copy=False)
    share = np.full((*part.shape[:2], 1), 255, np.float32)
    return np.concatenate((part, share), axis=2, dtype=np.float32)


def _seen(
    samples: NDArray[np.float32], size: tuple[int, int], box: tuple[float, float, float, float]
) -> Scaled:
    """Resize what is seen and its share; the one by the other is the color.

    The filter has no negative lobes: each color is a true mean of seen ones, however small a share.
    """
    planes = [
        Image.fromarray(np.ascontiguousarray(samples[:, :, i])).resize(
            size, Image.Resampling.HAMMING, box
        )
        for i in range(4)
    ]
    *colors, share = (np.asarray(plane, dtype=np.float64) for plane in planes)
    weights = np.clip(share / 255, 0, 1)
    # where nothing is seen, the colors are 0 as well
    mean = np.stack(colors, axis=2) / np.where(weights > 0, weights, 1)[:, :, np.newaxis]
    return Scaled(np.clip(np.rint(mean), 0, 255).astype(np.uint8), weights)
