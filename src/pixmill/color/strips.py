"""Counts of every 24-bit color, added to strip by strip, in bounded memory.

Owns the table; checks and the order of the answer are left to `counting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.color.pixels import pack_rgb
from pixmill.color.ranking import greatest, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CARRY = 1 << 16
SLICE = 1 << 20


class StripTable:
    """2^24 counters of 16 bits in order of RGB: 32 MB, of which untouched pages cost nothing.

    Where one passes 65,535 its color is noted and it starts again from zero: four bytes for 65,536
    pixels, so no count can overflow and a picture of 2^32 pixels adds 256 KB. `accumulate` is the
    kernel of that name, or None where NumPy counts; `table` are counters, all zero, to be used.
    """

    def __init__(
        self, accumulate: Callable[..., Any] | None, table: NDArray[np.uint16] | None = None
    ) -> None:
        self._accumulate = accumulate
        self._table = np.zeros(1 << 24, np.uint16) if table is None else table
        self._carries = np.empty(0, np.uint32)
        self._carried = 0
        self.total = 0

    def add(self, flat: NDArray[np.uint8]) -> None:
        """Count the pixels of a flat contiguous array."""
        self.total += flat.size // 3
        most = self.total // CARRY
        if most > self._carries.size:
            self._carries = np.concatenate((self._carries, np.empty(most, np.uint32)))
        if self._accumulate is not None:
            self._carried = self._accumulate(flat, self._table, self._carries, self._carried)
            return
        for start in range(0, flat.size, 3 * SLICE):
            self._add_sorted(flat[start : start + 3 * SLICE])

    def _add_sorted(self, flat: NDArray[np.uint8]) -> None:
        values, counts = np.unique(pack_rgb(flat.reshape(-1, 3)), return_counts=True)
        sums = self._table[values] + counts
        self._table[values] = sums % CARRY
        carries = np.repeat(values, sums // CARRY)
        self._carries[self._carried : self._carried + carries.size] = carries
        self._carried += carries.size

    def greatest(self, n: int) -> NDArray[np.uint64]:
        """Keys of the `n` most common colors, or of all where there are fewer."""
        values, times = np.unique(self._carries[: self._carried], return_counts=True)
        best = greatest(keys_of(values, times * CARRY + self._table[values]), n)
        for start in range(0, self._table.size, SLICE):
            # Where n are known, a color after them, of a greater value, needs more than the least.
            least = int(best.min() >> np.uint64(24)) + 1 if best.size == n else 1
            found = np.flatnonzero(self._table[start : start + SLICE] >= least) + start
            found = found[~np.isin(found, values)]
            best = greatest(np.concatenate((best, keys_of(found, self._table[found]))), n)
        return best
