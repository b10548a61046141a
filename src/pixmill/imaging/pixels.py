"""Decoded pixels: the type, and the way from a decoder's samples to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pixels:
    """Rows of an image.

    `rgb` is (h, w, 3) uint8, C-contiguous, as stored. `visible` is (h, w) bool, False where a pixel
    is fully transparent (its alpha, reduced to 8 bits, is 0), or None where all are visible.
    """

    rgb: NDArray[np.uint8]
    visible: NDArray[np.bool_] | None


def from_samples(samples: NDArray[Any], *, alpha: bool) -> Pixels:
    """Make pixels of (h, w, channels) uint8 or uint16 samples.

    The channels are grey, grey and more, RGB, or RGB and more. `alpha` tells whether the sample
    after the colors is transparency; samples after it are dropped.
    """
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    channels = samples.shape[2]
    colors = 1 if channels < 3 else 3
    visible = samples[:, :, colors] != 0 if alpha and channels > colors else None
    if visible is not None and visible.all():
        visible = None
    if channels == 3:
        return Pixels(np.ascontiguousarray(samples), visible)
    rgb = np.empty((*samples.shape[:2], 3), np.uint8)
    for channel in range(3):
        # three strided copies are three times as fast as one copy of triples
        rgb[:, :, channel] = samples[:, :, channel if colors == 3 else 0]
    return Pixels(rgb, visible)
