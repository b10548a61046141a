"""Resizing 8-bit samples down by the Lanczos filter, alike on every machine to the last bit.

Owns the filter's taps and the reference, which also does the work where numba cannot be imported;
the kernel is in `resampling`. The taps are whole numbers of 2 ** -14, made by nothing but additions
and multiplications, and sum up to one exactly, so that a flat picture stays as it is. All sums of
products with samples are whole and below 2 ** 24: exact, in whatever order, in single precision.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

resampling: Any
try:
    from pixmill.imaging import resampling
except ImportError:  # numba is missing, or does not know this Python or processor
    resampling = None

LOBES = 3
ONE = 1 << 14
_TINY = 1e-9  # the quotient of a sine by so little is one

# The Taylor series of sin(pi x), highest power first; below 2e-9 off within half a unit of zero.
_SINE = tuple(
    sign * np.pi**power / factorial
    for sign, power, factorial in (
        (1, 13, 6227020800), (-1, 11, 39916800), (1, 9, 362880), (-1, 7, 5040), (1, 5, 120),
        (-1, 3, 6), (1, 1, 1),
    )
)  # fmt: skip


class Taps(NamedTuple):
    """Sample i of the result is that of samples `firsts[i]` on, weighed by row i of `weights`.

    `firsts` is (n,) int64, `weights` (n, taps) float32, whole numbers of which each row has the
    sum `ONE`.
    """

    firsts: NDArray[np.int64]
    weights: NDArray[np.float32]


def resized(
    samples: NDArray[np.uint8], extent: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Resize (h, w, channels) to (size[1], size[0], channels), neither side enlarged.

    `extent` (width, height), in samples, is what becomes the result; it may end within the last
    column or row. Turkowski, "Filters for Common Resampling Tasks" (1990), with three lobes.
    """
    across, down = (taps(samples.shape[1 - i], extent[i], size[i]) for i in (0, 1))
    if resampling is None:
        return resized_reference(samples, across, down)
    out = np.empty((size[1], size[0], samples.shape[2]), np.uint8)
    resampling.resize(np.ascontiguousarray(samples), *down, *across, out)
    return out


def resized_reference(samples: NDArray[np.uint8], across: Taps, down: Taps) -> NDArray[np.uint8]:
    """Do as `resized`: rows first, rounded to 8 bits between."""
    return _filtered(_filtered(samples, down).swapaxes(0, 1), across).swapaxes(0, 1)


def _filtered(samples: NDArray[np.uint8], along: Taps) -> NDArray[np.uint8]:
    """Resize along the first axis."""
    rows = zip(along.firsts, along.weights.astype(np.int64), strict=True)
    sums = [np.tensordot(row, samples[first : first + len(row)], 1) for first, row in rows]
    rounded = (np.stack(sums) + ONE // 2) // ONE
    filtered: NDArray[np.uint8] = np.clip(rounded, 0, 255).astype(np.uint8)
    return filtered


@functools.lru_cache(maxsize=64)
def taps(count: int, extent: float, wanted: int) -> Taps:
    """Make the taps that turn the first `extent` of `count` samples into `wanted` ones.

    The extent is from `wanted` to `count`.
    """
    scale = extent / wanted
    centers = (np.arange(wanted) + 0.5) * scale
    length = min(count, math.ceil(2 * LOBES * scale))
    firsts = np.ceil(centers - LOBES * scale - 0.5).astype(np.int64).clip(0, count - length)
    offsets = firsts[:, np.newaxis] + np.arange(length) + 0.5 - centers[:, np.newaxis]
    weights = _lanczos(offsets / scale)
    # cumulative sums are in order on every machine
    exact = weights / np.cumsum(weights, axis=1)[:, -1:] * ONE
    whole = np.floor(exact + 0.5).astype(np.int64)
    rows = np.arange(wanted)
    whole[rows, whole.argmax(axis=1)] += ONE - whole.sum(axis=1)
    return Taps(firsts, whole.astype(np.float32))


def _lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find sinc(x) sinc(x / 3), the sine of three times an angle being 3 s - 4 s ** 3."""
    third = np.clip(np.abs(x) / LOBES, _TINY, 1)
    sine = _sine(np.minimum(third, 1 - third))
    return sine * sine * (3 - 4 * sine * sine) / (third * third * (LOBES * np.pi**2))


def _sine(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find sin(pi x), for x from 0 to 1/2: a library's own may differ by the machine."""
    square = x * x
    value = np.full_like(x, _SINE[0])
    for factor in _SINE[1:]:
        value *= square
        value += factor
    return value * x
