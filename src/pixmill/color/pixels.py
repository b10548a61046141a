"""What callers pass as pixels: checked, and brought into one shape without a copy.

Owns the checks and their sentences. What is counted is left to `counting`.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COLORS = 256


def checked_n(n: int) -> int:
    """Return `n`, the number of colors asked for, if it is from 1 to 256; else ValueError."""
    n = operator.index(n)
    if not 1 <= n <= MAX_COLORS:
        raise ValueError(f"n is the number of colors, from 1 to {MAX_COLORS}, not {n}")
    return n


def as_rows(
    pixels: NDArray[np.uint8], visible: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """View what was passed as (h, w, 3) pixels and an (h, w) mask, with any strides.

    `pixels` is (h, w, 3) or (n, 3) uint8, `visible` a bool for each pixel or None; it comes back
    as None where all are visible. TypeError for other types, ValueError for other shapes.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise TypeError(f"pixels are a NumPy array of uint8, not {_type_of(pixels)}")
    if pixels.ndim not in (2, 3) or pixels.shape[-1] != 3:
        raise ValueError(f"pixels have the shape (h, w, 3) or (n, 3), not {pixels.shape}")
    if visible is not None:
        if not isinstance(visible, np.ndarray) or visible.dtype != np.bool_:
            raise TypeError(f"visible is a NumPy array of bool, not {_type_of(visible)}")
        if visible.shape != pixels.shape[:-1]:
            raise ValueError(
                f"visible has one bool a pixel: {pixels.shape[:-1]}, not {visible.shape}"
            )
        if visible.all():
            visible = None
    if pixels.ndim == 2:
        return pixels[np.newaxis], None if visible is None else visible[np.newaxis]
    return pixels, visible


def pack_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Turn each pixel of an array (..., 3) into the number R << 16 | G << 8 | B."""
    wide = pixels.astype(np.uint32)
    return wide[..., 0] << np.uint32(16) | wide[..., 1] << np.uint32(8) | wide[..., 2]


def _type_of(thing: object) -> str:
    if isinstance(thing, np.ndarray):
        return f"an array of {thing.dtype}"
    return f"a {type(thing).__name__}"
