"""Kernels that begin clusters: seeds, and the few rounds that tell good ones from poor ones.

Owns the loops over points that are few, color by color, with their channels apart: so several are
worked on at once. They equal the NumPy references in `clustering`; sums run in the order of the
arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pixmill.color.compiled import compiled
from pixmill.color.lloyd import move, refill

_VECTOR = types.float64[::1]
_ROWS = types.float64[:, ::1]


@njit(inline="always")
def _squared_distance(planes: Any, i: Any, center: Any) -> Any:
    x = planes[0, i] - center[0]
    y = planes[1, i] - center[1]
    z = planes[2, i] - center[2]
    return x * x + y * y + z * z


@njit
def _seed(planes: Any, weights: Any, draws: Any, chosen: Any) -> None:
    """Choose colors of `planes` (3, n)."""
    reached = np.cumsum(weights)
    distances = np.full(weights.size, np.inf)
    for c in range(draws.size):
        most = np.searchsorted(reached, reached[-1])
        place = min(np.searchsorted(reached, draws[c] * reached[-1], side="right"), most)
        chosen[c] = planes[:, place]
        for i in range(weights.size):
            distances[i] = min(distances[i], _squared_distance(planes, i, chosen[c]))
            reached[i] = weights[i] * distances[i]
        for i in range(1, weights.size):
            reached[i] += reached[i - 1]


@njit
def _nearest(planes: Any, centroids: Any, nearest: Any, away: Any) -> None:
    """Set `nearest` and `away` (n,) to each color's nearest centroid and its squared distance."""
    away[:] = np.inf
    for c in range(centroids.shape[0]):
        for i in range(away.size):
            distance = _squared_distance(planes, i, centroids[c])
            nearest[i] = c if distance < away[i] else nearest[i]
            away[i] = min(away[i], distance)


@njit
def _add_up(planes: Any, weights: Any, nearest: Any, sums: Any, masses: Any) -> None:
    """Set `sums` and `masses` to those of the clusters."""
    sums[:] = 0.0
    masses[:] = 0.0
    for i in range(weights.size):
        c = nearest[i]
        masses[c] += weights[i]
        for axis in range(3):
            sums[c, axis] += weights[i] * planes[axis, i]


@compiled(
    types.void, _ROWS, _VECTOR, _ROWS, types.float64[:, :, ::1], _VECTOR, types.int64, types.float64
)
def try_seeds(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    colors: Any,
    weights: Any,
    draws: Any,
    centroids: Any,
    scores: Any,
    rounds: Any,
    tolerance: Any,
) -> None:
    """Do as `clustering.try_seeds_reference`."""
    planes = colors.T.copy()
    k = draws.shape[1]
    sums, masses = np.empty((k, 3)), np.empty(k)
    nearest, away = np.empty(weights.size, np.int64), np.empty(weights.size)
    for i in range(draws.shape[0]):
        _seed(planes, weights, draws[i], centroids[i])
        for _ in range(rounds):
            _nearest(planes, centroids[i], nearest, away)
            _add_up(planes, weights, nearest, sums, masses)
            scores[i], moved = move(sums, masses, centroids[i])
            if not refill(colors, centroids[i], masses) and moved <= tolerance:
                break
