"""Pixels to what is clustered: distinct colors with weights, in an order in which cells are runs.

Owns the Z-order curve, on which cubes of colors (cells) are runs at every width that is a power of
two, merging, and the means of cells. The kernels are in `sorting`; the NumPy references here also
do the work where numba cannot be imported. What cells are for is left to `clustering`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing import Any

sorting: Any
try:
    from pixmill.color import sorting
except ImportError:  # numba is missing, or does not know this Python or processor
    sorting = None

Floats = NDArray[np.float64]

WIDEST_CELL = 5  # bits of a channel that a cell leaves open
_START = 8  # the level at which the first color begins a cell: all


class Points(NamedTuple):
    """Colors (n, 3) from 0 to 255 and their weights (n,); cell i is `starts[i]:starts[i + 1]`."""

    colors: Floats
    weights: Floats
    starts: NDArray[np.int64]


class Distinct(NamedTuple):
    """Distinct colors (n, 3), their weights (n,), and where cells begin.

    Color i begins a cell of 2 ** b values a channel where `levels[i]` (n,) uint8 is b or more.
    """

    colors: Floats
    weights: Floats
    levels: NDArray[np.uint8]

    def width_for(self, enough: int) -> int:
        """Bits of the widest cells of which there are more than `enough`; 0 where none are."""
        begun = np.cumsum(np.bincount(self.levels, minlength=_START + 1)[::-1])[::-1]
        return next((bits for bits in range(WIDEST_CELL, 0, -1) if begun[bits] > enough), 0)

    def cut(self, bits: int) -> Points:
        """Give the colors in cells of 2 ** `bits` values a channel."""
        starts = np.append(np.flatnonzero(self.levels >= bits), len(self.weights))
        return Points(self.colors, self.weights, starts.astype(np.int64, copy=False))


def distinct(pixels: NDArray[np.uint8], weights: Floats) -> Distinct:
    """Merge equal pixels (n, 3) and add up their weights (n,), in the order of the pixels."""
    if sorting is None:
        return distinct_reference(pixels, weights)
    rows, count = np.ascontiguousarray(pixels), len(pixels)
    order, starts = np.empty(count, np.uint64), np.empty(count + 1, np.int64)
    size = sorting.arrange(rows, spread_bits(), order, starts)
    found = Distinct(np.empty((size, 3)), np.empty(size), np.empty(size, np.uint8))
    sorting.merge(rows, weights, order, starts, *found)
    return found


def distinct_reference(pixels: NDArray[np.uint8], weights: Floats) -> Distinct:
    """Do as `distinct`."""
    red, green, blue = np.take(spread_bits(), pixels.T)
    keys, groups = np.unique(red << 2 | green << 1 | blue, return_inverse=True)
    colors = np.empty((len(keys), 3))
    colors[groups] = pixels
    merged = np.bincount(groups, weights, len(keys)).astype(np.float64, copy=False)
    levels = np.full(len(keys), _START, np.uint8)
    differing = keys[1:] ^ keys[:-1]
    digits = 3 * np.arange(1, 8, dtype=np.uint32)
    levels[1:] = (differing[:, np.newaxis] >> digits > 0).sum(axis=1)
    return Distinct(colors, merged, levels)


def means_of_cells(points: Points) -> Points:
    """Take each cell as one color, the mean of its own."""
    if sorting is None:
        return means_of_cells_reference(points)
    count = len(points.starts) - 1
    means, totals = np.empty((count, 3)), np.empty(count)
    sorting.average(*points, means, totals)
    return Points(means, totals, np.arange(count + 1))


def means_of_cells_reference(points: Points) -> Points:
    """Do as `means_of_cells`."""
    count = len(points.starts) - 1
    cells = np.repeat(np.arange(count), np.diff(points.starts))
    sums, weights = sums_by(cells, points, count)
    return Points(sums / weights[:, np.newaxis], weights, np.arange(count + 1))


def sums_by(groups: NDArray[np.int64], points: Points, count: int) -> tuple[Floats, Floats]:
    """Weighted sums (count, 3) of the colors and sums of the weights, by group, in their order."""
    parts = [points.weights, *(points.colors.T * points.weights)]
    weights, *sums = (np.bincount(groups, part, count) for part in parts)
    return np.stack(sums, axis=1), weights.astype(np.float64, copy=False)


@functools.cache
def spread_bits() -> NDArray[np.uint32]:
    """Table of the numbers 0 to 255 with their bits three places apart."""
    numbers = np.arange(256, dtype=np.uint32)
    bits = np.arange(8, dtype=np.uint32)
    table: NDArray[np.uint32] = ((numbers[:, np.newaxis] >> bits & 1) << 3 * bits).sum(
        axis=1, dtype=np.uint32
    )
    return table
