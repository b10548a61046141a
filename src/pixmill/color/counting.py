"""The exact most common colors of an image.

Owns the interface to counting: whole arrays, strips, and the plain NumPy reference, which also does
the work where numba cannot be imported. How kernels are put to use is in `fast`; the order of
colors and padding are in `ranking`. Decoding, alpha and hex notation are left to others: a color is
a 24-bit number here, R << 16 | G << 8 | B.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import numpy as np

from pixmill.color.pixels import as_rows, checked_n, pack_rgb
from pixmill.color.ranking import TopCounts, keys_of, pad, padded_values, ranked
from pixmill.color.strips import StripTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    from pixmill.color import fast, sweeps
except ImportError:  # numba is missing, or does not know this Python or processor
    fast = None  # type: ignore[assignment]  # a module or nothing
else:
    if sys.byteorder != "little":
        fast = None  # type: ignore[assignment]  # kernels read four bytes as a little-endian word

__all__ = [
    "StripCounter",
    "TopCounts",
    "count_top",
    "count_top_reference",
    "kernel_name",
    "pad",
    "padded_values",
    "warm_up",
]


def kernel_name() -> Literal["numba", "numpy"]:
    """Tell what counts colors in this process; "numpy" is some ten times slower."""
    return "numpy" if fast is None else "numba"


def warm_up() -> None:
    """Count a pixel, so that processes forked from this one start with all kernels loaded.

    Importing this module has loaded them from numba's cache (compiled them, which takes seconds,
    where there was none); this adds what their first call sets up.
    """
    count_top(np.zeros((1, 3), np.uint8), 1)


def count_top(
    pixels: NDArray[np.uint8], n: int, *, visible: NDArray[np.bool_] | None = None
) -> TopCounts:
    """Find the `n` (1 to 256) most common colors among the visible pixels, exactly.

    `pixels` is (h, w, 3) or (n, 3) uint8 in the order R, G, B, with any strides; `visible` has one
    bool a pixel. A C-contiguous array without a mask is not copied; scratch is at most 64 MiB
    whatever the size, and 34 MB of it stay with the thread. TypeError for other types, ValueError
    for other shapes or another `n`.
    """
    n = checked_n(n)
    rows, visible = as_rows(pixels, visible)
    if fast is None:
        return count_top_reference(rows, n, visible=visible)
    flat = fast.Pixels(rows, visible)
    keys, _path = fast.count(flat, n)
    return ranked(keys, n, flat.total)


def count_top_reference(
    pixels: NDArray[np.uint8], n: int, *, visible: NDArray[np.bool_] | None = None
) -> TopCounts:
    """Do the same as `count_top` by sorting, in a few lines that are easily seen to be right."""
    n = checked_n(n)
    rows, visible = as_rows(pixels, visible)
    packed = pack_rgb(rows if visible is None else rows[visible])
    values, counts = np.unique(packed, return_counts=True)
    return ranked(keys_of(values, counts), n, packed.size)


class StripCounter:
    """Counts an image that is fed strip by strip, with the same answer as `count_top` of the whole.

    Needs at most 64 MiB, however large the image and the strips (and, where NumPy counts, a copy of
    one strip). Not to be shared between threads.
    """

    def __init__(self) -> None:
        self._table = StripTable(None if fast is None else sweeps.accumulate)

    def add(self, pixels: NDArray[np.uint8], *, visible: NDArray[np.bool_] | None = None) -> None:
        """Count a strip: pixels and errors as for `count_top`; strips may differ in shape."""
        rows, visible = as_rows(pixels, visible)
        if fast is None:
            self._table.add((rows if visible is None else rows[visible]).reshape(-1))
            return
        for piece in fast.Pixels(rows, visible).pieces():
            self._table.add(piece)

    def top(self, n: int) -> TopCounts:
        """Find the `n` (1 to 256) most common colors of all so far; more may be added after."""
        n = checked_n(n)
        return ranked(self._table.greatest(n), n, self._table.total)
