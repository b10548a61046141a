"""Kernels whose cost no choice of pixels makes worse: for noise, strips, masks and strides.

Owns the loops; which one runs when is decided in `fast` and `strips`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from pixmill.color.compiled import COUNTS, HEAP, PIXELS, compiled, offer, rgb_at

_PARTS = types.uint16[::1]
_U16, _U32, _U64 = np.uint16, np.uint32, np.uint64


@compiled(types.void, PIXELS, COUNTS)
def count_reds(pixels: Any, sizes: Any) -> None:
    """Add to `sizes`, 256 long, how many pixels have each red value."""
    for i in range(pixels.size // 3):
        sizes[pixels[3 * i]] += 1


@compiled(types.void, PIXELS, COUNTS, _PARTS)
def part_by_red(pixels: Any, ends: Any, parts: Any) -> None:
    """Write each pixel's G << 8 | B to `parts` at `ends` of its red value, and move that on."""
    for i in range(pixels.size // 3):
        red = pixels[3 * i]
        parts[ends[red]] = _U16((_U32(pixels[3 * i + 1]) << _U32(8)) | _U32(pixels[3 * i + 2]))
        ends[red] += 1


@compiled(types.void, _PARTS, COUNTS, types.uint32[::1], HEAP)
def rank_parts(parts: Any, ends: Any, table: Any, heap: Any) -> None:
    """Keep in `heap`, which starts at zero, the greatest keys of all colors.

    `parts` are the pixels by red value, each red value's up to its entry of `ends`. `table`, of
    2^16 counters, is zero before and after: only what was counted is cleared, so few pixels cost
    little.
    """
    start = 0
    for red in range(256):
        end = ends[red]
        for i in range(start, end):
            table[parts[i]] += _U32(1)
        for i in range(start, end):
            count = table[parts[i]]
            if count != 0:
                rest = _U64(0xFFFFFF - ((red << 16) | np.int64(parts[i])))
                offer(heap, _U64(_U64(count) << _U64(24)) | rest)
                table[parts[i]] = 0
        start = end


@compiled(types.int64, PIXELS, types.uint16[::1], types.uint32[::1], types.int64)
def accumulate(pixels: Any, table: Any, carries: Any, used: Any) -> Any:
    """Count every pixel in `table`, 2^24 16-bit counters in order of RGB.

    Where a counter passes 65,535 it starts again from zero and the color is written to `carries` at
    `used`. Returns `used` after.
    """
    for i in range(pixels.size // 3):
        rgb = rgb_at(pixels, i)
        count = _U16(table[rgb] + _U16(1))
        table[rgb] = count
        if count == 0:
            carries[used] = rgb
            used += 1
    return used


@compiled(
    types.int64,
    types.Array(types.uint8, 3, "A", readonly=True),
    types.Array(types.boolean, 2, "A", readonly=True),
    types.uint8[::1],
)
def compact(pixels: Any, visible: Any, out: Any) -> Any:
    """Write the visible pixels of an (h, w, 3) array one after another to `out`; returns how many.

    `out` has room for one more than all pixels, since an invisible one is written, and overwritten.
    """
    kept = np.int64(0)
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            out[3 * kept] = pixels[y, x, 0]
            out[3 * kept + 1] = pixels[y, x, 1]
            out[3 * kept + 2] = pixels[y, x, 2]
            kept += np.int64(visible[y, x])
    return kept
