"""Averages of 8-bit samples over boxes of whole pixels: the cheap part of shrinking large pictures.

Owns the reference, which also does the work where numba cannot be imported; the kernel is in
`resampling`. Sums are whole numbers, so both give the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

resampling: Any
try:
    from pixmill.imaging import resampling
except ImportError:  # numba is missing, or does not know this Python or processor
    resampling = None


def box_means(samples: NDArray[np.uint8], across: int, down: int) -> NDArray[np.float32]:
    """Average (h, w, channels) over boxes; fewer rows or columns than one are left at the end."""
    height, width, bands = samples.shape
    if resampling is None:
        sums = box_sums_reference(samples, across, down)
    else:
        sums = np.empty((-(-height // down), -(-width // across), bands), np.uint32)
        resampling.add_boxes(np.ascontiguousarray(samples), across, down, sums)
    means: NDArray[np.float32] = sums.astype(np.float32) / _areas(height, width, across, down)
    return means


def box_sums_reference(samples: NDArray[np.uint8], across: int, down: int) -> NDArray[np.uint32]:
    """Add up (h, w, channels) over boxes, of fewer than 2 ** 24 pixels each."""
    rows = np.add.reduceat(samples, np.arange(0, samples.shape[0], down), axis=0, dtype=np.uint32)
    return np.add.reduceat(rows, np.arange(0, samples.shape[1], across), axis=1, dtype=np.uint32)


@functools.lru_cache(maxsize=8)
def _areas(height: int, width: int, across: int, down: int) -> NDArray[np.float32]:
    """Pixels of each box, (rows, columns, 1): those at the ends may be smaller."""
    rows, columns = (
        np.minimum(np.arange(count, 0, -unit), unit)
        for count, unit in ((height, down), (width, across))
    )
    return np.outer(rows, columns).astype(np.float32)[:, :, np.newaxis]
