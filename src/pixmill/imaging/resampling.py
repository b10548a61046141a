"""Kernels that shrink 8-bit samples: averages over boxes, and a filter of given taps.

Owns the loops; the filter, and the NumPy reference that `resize` equals, are in `lanczos`, those of
boxes in `boxes`. Importing this module needs numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pixmill.color.compiled import compiled

_SAMPLES = types.Array(types.uint8, 3, "C", readonly=True)
_FIRSTS = types.Array(types.int64, 1, "C", readonly=True)
_MOST_ROWS = 257  # 16 bits hold that many samples of 255
_WORD = 8
_BITS = np.int32(14)
_HALF = np.int32(1 << 13)
_WEIGHTS = types.Array(types.float32, 2, "C", readonly=True)


@njit
def _add_rows(rows: Any, first: Any, end: Any, short: Any, sums: Any) -> None:
    """Set `sums` to the sum of rows, in 16 bits as long as these hold it."""
    sums[:] = 0
    for start in range(first, end, _MOST_ROWS):
        short[:] = 0
        for row in range(start, min(start + _MOST_ROWS, end)):
            line = rows[row]
            for i in range(short.size):
                short[i] += np.uint16(line[i])
        for i in range(short.size):
            sums[i] += short[i]


@compiled(types.void, _SAMPLES, types.int64, types.int64, types.uint32[:, :, ::1])
def add_boxes(samples: Any, across: Any, down: Any, sums: Any) -> None:
    """Do as `boxes.box_sums_reference`."""
    height, width, bands = samples.shape
    rows = samples.reshape(height, width * bands)
    short, line = np.empty(width * bands, np.uint16), np.empty(width * bands, np.uint32)
    for top in range(sums.shape[0]):
        _add_rows(rows, top * down, min(top * down + down, height), short, line)
        for left in range(sums.shape[1]):
            for band in range(bands):
                total = np.uint32(0)
                for x in range(left * across, min(left * across + across, width)):
                    total += line[x * bands + band]
                sums[top, left, band] = total


@njit
def _filter(rows: Any, first: Any, weights: Any, sums: Any) -> None:
    """Set `sums` to the weighed sum of rows, four of which are read at once."""
    sums[:] = np.float32(0)
    taps = weights.size
    for tap in range(0, taps - 3, 4):
        a, b, c, d = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
        one, two = rows[first + tap], rows[first + tap + 1]
        three, four = rows[first + tap + 2], rows[first + tap + 3]
        for i in range(sums.size):
            sums[i] += (
                a * np.float32(one[i])
                + b * np.float32(two[i])
                + c * np.float32(three[i])
                + d * np.float32(four[i])
            )
    for tap in range(taps - taps % 4, taps):
        row = rows[first + tap]
        for i in range(sums.size):
            sums[i] += weights[tap] * np.float32(row[i])


@njit
def _filtered(rows: Any, firsts: Any, weights: Any, sums: Any, columns: Any) -> None:
    """Set columns to weighed sums of rows, rounded to 8 bits: eight lines a word.

    Words spare the most of the cost of turning, which is that of each store far from the last.
    """
    words = np.empty(sums.size, np.uint64)
    for line in range(firsts.size):
        _filter(rows, firsts[line], weights[line], sums)
        if line % _WORD == 0:
            words[:] = 0
        place = np.uint64(8 * (line % _WORD))
        for i in range(sums.size):
            whole = (np.int32(sums[i]) + _HALF) >> _BITS
            byte = min(max(whole, np.int32(0)), np.int32(255))
            words[i] |= np.uint64(np.uint8(byte)) << place
        if line % _WORD == _WORD - 1 or line == firsts.size - 1:
            for i in range(sums.size):
                columns[i, line // _WORD] = words[i]


@compiled(
    types.void, _SAMPLES, _FIRSTS, _WEIGHTS, _FIRSTS, _WEIGHTS, types.uint8[:, :, ::1]
)  # fmt: skip
def resize(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    samples: Any, down: Any, down_weights: Any, across: Any, across_weights: Any, out: Any
) -> None:
    """Do as `lanczos.resized_reference`, on machines that keep the least byte of a word first.

    What lies between the two filters lies on its side, so that both add up long rows.
    """
    height, width, bands = samples.shape
    high, wide = -(-down.size // _WORD), -(-across.size // _WORD)
    rows = samples.reshape(height, width * bands)
    between = np.empty((width * bands, high), np.uint64)
    _filtered(rows, down, down_weights, np.empty(width * bands, np.float32), between)
    rows = between.view(np.uint8).reshape(width, bands * high * _WORD)
    planes = np.empty((bands * high * _WORD, wide), np.uint64)
    sums = np.empty(bands * high * _WORD, np.float32)
    _filtered(rows, across, across_weights, sums, planes)
    lines = planes.view(np.uint8)
    for y in range(down.size):
        for band in range(bands):
            line = lines[band * high * _WORD + y]
            for x in range(across.size):
                out[y, x, band] = line[x]
