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


def to_u8(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Reduce uint16 samples to uint8 by `>> 8`; uint8 ones are given as they are."""
    return (samples >> 8).astype(np.uint8) if samples.dtype == np.uint16 else samples


def from_samples(samples: NDArray[Any]) -> Pixels:
    """Make pixels of (h, w, channels) uint8 or uint16 samples: grey or RGB, with alpha or not."""
    samples = to_u8(samples)
    channels = samples.shape[2]
    colors = 1 if channels < 3 else 3
    visible = samples[:, :, colors] != 0 if channels > colors else None
    if visible is not None and visible.all():
        visible = None
    if channels == 3 and samples.flags.c_contiguous:
        return Pixels(samples, visible)
    rgb = np.empty((*samples.shape[:2], 3), np.uint8)
    for channel in range(3):
        # three strided copies are three times as fast as one copy of triples
        rgb[:, :, channel] = samples[:, :, channel if colors == 3 else 0]
    return Pixels(rgb, visible)
