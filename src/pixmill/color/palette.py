"""Palettes: named colors, and the one of them that is nearest to a color.

Owns `Entry`, `Palette` with its search indexes, and the answer `Nearest`. How far apart two colors
are is left to `difference`, reading and writing palettes to `palette_files`, the names of CSS to
`css_names`.
"""

from __future__ import annotations

import math
import operator
import re
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree  # type: ignore[import-untyped]

from pixmill.color.css_names import NAMES
from pixmill.color.difference import METRICS, Metric
from pixmill.color.pixels import pack_rgb
from pixmill.color.spaces import srgb_from_u8
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_ENTRIES = 1_000_000
MAX_NAME_CHARS = 1000
# Control characters, halves of surrogate pairs and line ends: no file format could keep them all.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Distances are compared and told with ten decimals. That is far below what tells two 8-bit colors
# apart and far above the noise of float64, so colors that are equally far tie on every machine.
_DECIMALS = 10
_SLACK = 1e-9
# CIEDE2000 divides the difference in L* by at most 1 + 0.015 * 50^2 / sqrt(20 + 50^2) = 1.747
# (Sharma, Wu and Dalal 2005, equation 15), and its other terms are never below zero together.
_MOST_LIGHTNESS_WEIGHT = 1.75
_SEEDS = 16
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A named sRGB color, three integers of 0 to 255.

    `id` is the owner's own word for it (a product number); `synonyms` are other names of the same
    color. UsageError for a value out of range and for a name or id that is no line of text of 1 to
    1,000 characters.
    """

    name: str
    rgb: tuple[int, int, int]
    id: str | None = None
    synonyms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text("a color's name", self.name)
        if self.id is not None:
            check_text("a color's id", self.id)
        for synonym in self.synonyms:
            check_text("a color's synonym", synonym)
        object.__setattr__(self, "rgb", _checked_rgb(self.rgb))

    @property
    def hex(self) -> str:
        """The color as `#RRGGBB`."""
        return "#{:02X}{:02X}{:02X}".format(*self.rgb)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The entry nearest to a color, told also where it is beyond the tolerance.

    Distances are in units of the metric, rounded to ten decimals. `max_distance` is the tolerance
    that was used. The runner-up is the second nearest entry; a palette of one entry has none.
    """

    entry: Entry
    distance: float
    metric: str
    max_distance: float
    runner_up: Entry | None
    runner_up_distance: float | None

    @property
    def within(self) -> bool:
        """Whether the entry is within the tolerance."""
        return self.distance <= self.max_distance

    @property
    def margin(self) -> float | None:
        """How much farther the runner-up is; None without one."""
        if self.runner_up_distance is None:
            return None
        return round(self.runner_up_distance - self.distance, _DECIMALS)


@dataclass(frozen=True)
class Palette:
    """Named colors in an order that never changes: of equally near ones the first is the answer.

    Two entries may have one name or one color. UsageError for no entry and for more than 1,000,000.
    Indexes are built at the first search by a metric and kept; any number of threads may search.
    """

    name: str
    entries: tuple[Entry, ...]
    _indexes: dict[str, _Index] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_text("a palette's name", self.name)
        object.__setattr__(self, "entries", tuple(self.entries))
        if not 1 <= len(self.entries) <= MAX_ENTRIES:
            raise UsageError(
                f"a palette has 1 to {MAX_ENTRIES:,} colors, not {len(self.entries):,}"
            )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without lock and indexes, so that a palette can be sent to another process."""
        return (Palette, (self.name, self.entries))

    @staticmethod
    def css() -> Palette:
        """Return the palette `css`, always the same object: 139 colors with 148 names."""
        return _css()

    def nearest(
        self, rgb_u8: Sequence[int], metric: str = "srgb", max_distance: float | None = None
    ) -> Nearest:
        """Find the entry nearest to a color, three integers of 0 to 255.

        `metric` is a name of `difference.METRICS`; `max_distance`, in its units, is by default the
        metric's own tolerance. UsageError for an unknown metric, for a distance below zero or not
        finite, and for a color out of range. The first search by a metric builds an index; a search
        in 100,000 colors then takes well under a millisecond where the metric is Euclidean, and
        some milliseconds with CIEDE2000.
        """
        measure = _known_metric(metric)
        tolerance = checked_tolerance(metric, max_distance)
        color = _coordinates(measure, np.array([_checked_rgb(rgb_u8)], dtype=np.uint8))[0]
        order, distances = self._index(measure).first_two(color)
        entries = [self.entries[place] for place in order]
        return Nearest(
            entry=entries[0],
            distance=distances[0],
            metric=measure.name,
            max_distance=tolerance,
            runner_up=entries[1] if len(entries) > 1 else None,
            runner_up_distance=distances[1] if len(entries) > 1 else None,
        )

    def _index(self, metric: Metric) -> _Index:
        with self._lock:
            if metric.name not in self._indexes:
                self._indexes[metric.name] = _Index(metric, self.entries)
            return self._indexes[metric.name]


class _Index:
    """The distinct colors of a palette in coordinates of a metric, and a search among them.

    Of each color the first two entries are kept: more can not be first or second. What the search
    leaves is measured by the metric itself, so an answer does not depend on how it was found.
    """

    def __init__(self, metric: Metric, entries: Sequence[Entry]) -> None:
        rgb = np.array([entry.rgb for entry in entries], dtype=np.uint8)
        values = pack_rgb(rgb).astype(np.int64)
        order = np.argsort(values, kind="stable")
        repeats = np.diff(values[order], prepend=-1, append=-1) == 0
        starts = np.flatnonzero(~repeats[:-1])
        first = order[starts]
        second = np.where(repeats[starts + 1], np.append(order, -1)[starts + 1], -1)
        self._metric = metric
        self._entries_of = np.stack((first, second), axis=1)
        self._points = _coordinates(metric, rgb[first])
        self._search = _Ball(self._points) if metric.is_euclidean else _Slab(metric, self._points)

    def first_two(self, color: NDArray[np.float64]) -> tuple[list[int], list[float]]:
        """Places of the two nearest entries (one where there is but one), and their distances."""
        order = np.empty(0, dtype=np.intp)
        distances = np.empty(0)
        found = self._search(color)
        for start in range(0, found.size, _PIECE):
            piece = found[start : start + _PIECE]
            away = _distances(self._metric, self._points[piece], color)
            both = self._entries_of[piece]
            order = np.concatenate((order, both[:, 0], both[both[:, 1] >= 0, 1]))
            distances = np.concatenate((distances, away, away[both[:, 1] >= 0]))
            best = np.lexsort((order, distances))[:2]
            order, distances = order[best], distances[best]
        return order.tolist(), distances.tolist()


class _Ball:
    """Search by k-d tree: all that is no farther than the second nearest color."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._tree = cKDTree(points)
        self._near = [min(2, len(points))]

    def __call__(self, color: NDArray[np.float64]) -> NDArray[np.intp]:
        reach = self._tree.query(color, k=self._near)[0][0]
        return np.array(self._tree.query_ball_point(color, reach + _SLACK), dtype=np.intp)


class _Slab:
    """Search for CIEDE2000: all whose L* alone does not rule them out.

    Colors near in Lab give a distance that the second nearest can not exceed; the difference in L*
    gives one that no color can be below.
    """

    def __init__(self, metric: Metric, points: NDArray[np.float64]) -> None:
        self._metric = metric
        self._points = points
        self._order = np.argsort(points[:, 0], kind="stable")
        self._lightness = points[self._order, 0]
        self._tree = cKDTree(points)
        self._near = range(1, min(_SEEDS, len(points)) + 1)

    def __call__(self, color: NDArray[np.float64]) -> NDArray[np.intp]:
        seeds = self._tree.query(color, k=self._near)[1]
        upper = np.sort(_distances(self._metric, self._points[seeds], color))[:2][-1]
        reach = _MOST_LIGHTNESS_WEIGHT * upper + _SLACK
        start, end = np.searchsorted(self._lightness, (color[0] - reach, color[0] + reach))
        return self._order[start:end]


def _coordinates(metric: Metric, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    return metric.coordinates(srgb_from_u8(rgb))


def _distances(
    metric: Metric, points: NDArray[np.float64], color: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.round(metric.distance(points, color), _DECIMALS)


def check_text(what: str, text: str) -> None:
    """Raise UsageError unless `text`, which is `what`, is a line of 1 to 1,000 characters."""
    if not 1 <= len(text) <= MAX_NAME_CHARS:
        raise UsageError(f"{what} has 1 to {MAX_NAME_CHARS:,} characters, not {len(text):,}")
    unfit = _UNFIT.search(text)
    if unfit:
        raise UsageError(f"{what} is one line of text, without the character {unfit[0]!a}")


def _checked_rgb(rgb: Sequence[int]) -> tuple[int, int, int]:
    values = tuple(map(operator.index, rgb))
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise UsageError(f"a color is three integers of 0 to 255, not {values}")
    return values


def _known_metric(name: str) -> Metric:
    if name not in METRICS:
        raise UsageError(f"the metric is one of {', '.join(METRICS)}, not {name[:40]!r}")
    return METRICS[name]


def checked_tolerance(metric: str, max_distance: float | None) -> float:
    """Return the tolerance to use, in units of the metric, by default the metric's own.

    Raises UsageError for an unknown metric, and for a distance below zero or not finite.
    """
    if max_distance is None:
        return float(_known_metric(metric).default_tolerance)
    _known_metric(metric)
    if not (math.isfinite(max_distance) and max_distance >= 0):
        raise UsageError(f"the maximum distance is a number from 0 up, not {max_distance}")
    return float(max_distance)


@cache
def _css() -> Palette:
    names: dict[int, list[str]] = {}
    for name, value in NAMES.items():
        names.setdefault(value, []).append(name)
    return Palette(
        "css",
        tuple(
            Entry(first, (value >> 16, value >> 8 & 255, value & 255), synonyms=tuple(others))
            for value, (first, *others) in names.items()
        ),
    )
