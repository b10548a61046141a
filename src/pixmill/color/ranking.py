"""Order among counted colors, and what is shown where there are too few of them.

Owns the key by which colors are ranked, `TopCounts` and padding. How colors are counted is left to
`counting`. A color is a 24-bit number here, R << 16 | G << 8 | B; a key is a 64-bit one,
count << 24 | (0xFFFFFF - color), so that of two keys the greater one has the higher count or, where
counts are equal, the smaller color. Zero is the key of nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

T = TypeVar("T")
EMPTY_MARKER = 0x000BAD


@dataclass(frozen=True, slots=True)
class TopCounts:
    """The most common colors of an image.

    `values` are distinct colors as 24-bit RGB, most common first, of equally common ones the
    smaller value first; `counts` how many pixels have each; `total` how many pixels were counted
    (the visible ones). Fewer values than were asked for means that the image has no more colors.
    """

    values: tuple[int, ...]
    counts: tuple[int, ...]
    total: int


def keys_of(values: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Make keys of colors (24-bit RGB) and their counts (1 to 2^40 - 1)."""
    rest = np.uint64(0xFFFFFF) - values.astype(np.uint64)
    return (counts.astype(np.uint64) << np.uint64(24)) | rest


def greatest(keys: NDArray[np.uint64], n: int) -> NDArray[np.uint64]:
    """Pick the `n` greatest keys, zeros left out, in any order; all where there are fewer."""
    keys = keys[keys != 0]
    if keys.size <= n:
        return keys
    return np.partition(keys, keys.size - n)[keys.size - n :]


def ranked(keys: NDArray[np.uint64], n: int, total: int) -> TopCounts:
    """Turn the `n` greatest keys into an answer over `total` pixels."""
    best = np.sort(greatest(keys, n))[::-1].tolist()
    values = tuple(0xFFFFFF - (key & 0xFFFFFF) for key in best)
    return TopCounts(values, tuple(key >> 24 for key in best), total)


def pad(values: Sequence[T], n: int) -> tuple[T, ...]:
    """Cut `values` to `n`; where there are fewer, repeat the first at the front.

    An empty sequence stays empty: there is nothing to repeat.
    """
    repeats = max(0, n - len(values))
    return tuple(values[:1]) * repeats + tuple(values[:n])


def padded_values(top: TopCounts, n: int) -> list[tuple[int, int]]:
    """Make exactly `n` pairs of color and count for a row of a table.

    With fewer than `n` colors the most common one, with its count, is repeated at the front.
    Without a pixel the row is #000000, #000BAD, #000000 and so on, each with a count of zero: a row
    that no image has, since there a color stands twice only next to itself.
    """
    if not top.values:
        return [(EMPTY_MARKER if place == 1 else 0, 0) for place in range(n)]
    return list(pad(tuple(zip(top.values, top.counts, strict=True)), n))
