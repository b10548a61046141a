"""Kernels that sort pixels along the Z-order curve, merge equal ones, and average cells.

Owns the loops; what they are for is told in `distinct`, which also holds the NumPy references that
these equal. Sums run in the order of the pixels, so the same input gives the same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pixmill.color.compiled import compiled

_VECTOR = types.float64[::1]
_ROWS = types.float64[:, ::1]
_SAMPLES = types.Array(types.uint8, 2, "C", readonly=True)
_ORDER = types.uint64[::1]
_DIGIT = np.uint64(0xFFF)
_PLACE = np.uint64(0xFFFFFFFF)
_PLACE_BITS = np.uint64(32)


@njit
def _places(counts: Any) -> None:
    """Turn counts into the places where their runs begin."""
    place = 0
    for value in range(counts.size):
        count = counts[value]
        counts[value] = place
        place += count


@njit
def _runs(order: Any, starts: Any) -> Any:
    runs = 0
    last = ~np.uint64(0)
    for i in range(order.size):
        # No branch, which the processor would often guess wrong: what is no start is overwritten.
        starts[runs] = i
        runs += order[i] >> _PLACE_BITS != last
        last = order[i] >> _PLACE_BITS
    starts[runs] = order.size
    return runs


@compiled(types.int64, _SAMPLES, types.uint32[::1], _ORDER, types.int64[::1])
def arrange(pixels: Any, spread: Any, order: Any, starts: Any) -> Any:
    """Sort the pixels: two digits of 12 bits, the lower first (Knuth, section 5.2.5).

    `order` (n,) is set to key << 32 | place, where the key is the place on the Z-order curve, and
    `starts` (n + 1,) to where runs of equal keys begin, and the end. Returns how many runs there
    are.
    """
    count = pixels.shape[0]
    low, high = np.zeros(4096, np.int64), np.zeros(4096, np.int64)
    once = np.empty(count, np.uint64)
    for i in range(count):
        red, green, blue = spread[pixels[i, 0]], spread[pixels[i, 1]], spread[pixels[i, 2]]
        key = np.uint64(red << np.uint32(2) | green << np.uint32(1) | blue)
        low[key & _DIGIT] += 1
        high[key >> np.uint64(12)] += 1
        order[i] = key << _PLACE_BITS | np.uint64(i)
    _places(low)
    _places(high)
    for i in range(count):
        digit = order[i] >> _PLACE_BITS & _DIGIT
        once[low[digit]] = order[i]
        low[digit] += 1
    for i in range(count):
        digit = once[i] >> np.uint64(44)
        order[high[digit]] = once[i]
        high[digit] += 1
    return _runs(order, starts)


@compiled(
    types.void, _SAMPLES, _VECTOR, _ORDER, types.int64[::1], _ROWS, _VECTOR, types.uint8[::1]
)  # fmt: skip
def merge(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    pixels: Any, weights: Any, order: Any, starts: Any, colors: Any, merged: Any, levels: Any
) -> None:
    """Merge runs of pixels that `arrange` has found, as `distinct.distinct_reference` does."""
    last = np.uint64(0)
    for run in range(merged.size):
        total = 0.0
        for i in range(starts[run], starts[run + 1]):
            total += weights[order[i] & _PLACE]
        merged[run] = total
        first = order[starts[run]]
        for axis in range(3):
            colors[run, axis] = pixels[first & _PLACE, axis]
        differing = first >> _PLACE_BITS ^ last
        levels[run] = 0 if run > 0 else 8
        for digit in range(1, 8):
            levels[run] += run > 0 and differing >> np.uint64(3 * digit) > 0
        last = first >> _PLACE_BITS


@compiled(types.void, _ROWS, _VECTOR, types.int64[::1], _ROWS, _VECTOR)
def average(colors: Any, weights: Any, starts: Any, means: Any, totals: Any) -> None:
    """Do as `distinct.means_of_cells_reference`."""
    for cell in range(totals.size):
        red = green = blue = total = 0.0
        for i in range(starts[cell], starts[cell + 1]):
            total += weights[i]
            red += weights[i] * colors[i, 0]
            green += weights[i] * colors[i, 1]
            blue += weights[i] * colors[i, 2]
        totals[cell] = total
        means[cell, 0] = red / total
        means[cell, 1] = green / total
        means[cell, 2] = blue / total
