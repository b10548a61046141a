"""A kernel that undoes the filters of a PNG's lines: ISO/IEC 15948, clause 9.

Importing this module needs numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pixmill.color.compiled import compiled

_BYTES = types.uint8[::1]


@njit(inline="always")
def _paeth(a: Any, b: Any, c: Any) -> Any:
    """Choose the neighbor nearest to a + b - c, the first of several."""
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    return a if to_a <= to_b and to_a <= to_c else b if to_b <= to_c else c


@njit
def _unfilter_row(kind: Any, line: Any, above: Any, row: Any) -> None:
    size = row.size
    if kind == 0:
        row[:] = line
    elif kind == 2:
        for i in range(size):
            row[i] = line[i] + above[i]
    else:
        for i in range(size):
            left = np.int64(row[i - 3]) if i >= 3 else 0
            corner = np.int64(above[i - 3]) if i >= 3 else 0
            up = np.int64(above[i])
            if kind == 1:
                row[i] = line[i] + left
            elif kind == 3:
                row[i] = line[i] + ((left + up) >> 1)
            else:
                row[i] = line[i] + _paeth(left, up, corner)


@compiled(types.boolean, types.uint8[:, ::1], _BYTES, types.uint8[:, ::1])
def unfilter(lines: Any, above: Any, rows: Any) -> Any:
    """Undo the filters of lines of RGB, (n, 1 + 3 w) with the filter first, to `rows` (n, 3 w).

    `above` is the row before. False where there is no such filter.
    """
    for y in range(lines.shape[0]):
        if lines[y, 0] > 4:
            return False
        _unfilter_row(lines[y, 0], lines[y, 1:], above if y == 0 else rows[y - 1], rows[y])
    return True
