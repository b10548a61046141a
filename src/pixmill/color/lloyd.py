"""Kernels that cluster weighted colors: rounds of Lloyd's algorithm.

Owns the loops; those of seeds are in `seeding`. What they are run on, how often, and which result
is taken is decided in `clustering`, which also holds the NumPy references that these equal. All
sums run in the order of the arrays and nothing is reordered for speed, so the same input gives the
same numbers everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pixmill.color.compiled import compiled

_VECTOR = types.float64[::1]
_ROWS = types.float64[:, ::1]
_STARTS = types.int64[::1]
# Balls are taken a little larger, so that rounding never puts a color on the wrong side of a plane.
_SLACK = 1.0 + 1e-9


@njit(inline="always")
def _squared_distance(a: Any, i: Any, b: Any, j: Any) -> Any:
    """Squared distance of row `i` of `a` and row `j` of `b`."""
    x = a[i, 0] - b[j, 0]
    y = a[i, 1] - b[j, 1]
    z = a[i, 2] - b[j, 2]
    return x * x + y * y + z * z


@njit(inline="always")
def _nearest(rows: Any, i: Any, centroids: Any, away: Any) -> Any:
    """Fill `away` with the squared distances of row `i` and find the nearest centroid."""
    red, green, blue = rows[i, 0], rows[i, 1], rows[i, 2]
    best: Any = np.uint64(0)
    least = np.inf
    for c in range(np.uint64(centroids.shape[0])):
        x = red - centroids[c, 0]
        y = green - centroids[c, 1]
        z = blue - centroids[c, 2]
        distance = x * x + y * y + z * z
        away[c] = distance
        # No branch, which the processor would often guess wrong.
        best = c if distance < least else best
        least = min(distance, least)
    return best


@njit(inline="always")
def _lies_inside(away: Any, best: Any, radius: Any, gaps: Any) -> Any:
    """Tell whether a ball lies nearer to centroid `best` than to any other, with all it holds.

    `away` are the squared distances of its center. It does where its center is further than its
    radius from the planes halfway between `best` and the other centroids.
    """
    for c in range(away.size):
        if c != best and not away[c] - away[best] > 2.0 * radius * gaps[best, c]:
            return False
    return True


@njit
def _summarize(colors: Any, weights: Any, starts: Any) -> Any:
    """Find sums, weights, means and radii (0 for a single color) of the cells."""
    cells = starts.size - 1
    sums = np.zeros((cells, 3))
    totals = np.zeros(cells)
    means = np.empty((cells, 3))
    radii = np.zeros(cells)
    for cell in range(cells):
        first = starts[cell]
        for i in range(first, starts[cell + 1]):
            totals[cell] += weights[i]
            for axis in range(3):
                sums[cell, axis] += weights[i] * colors[i, axis]
        if starts[cell + 1] - first == 1:
            means[cell] = colors[first]
            continue
        for axis in range(3):
            means[cell, axis] = sums[cell, axis] / totals[cell]
        for i in range(first, starts[cell + 1]):
            radii[cell] = max(radii[cell], _squared_distance(colors, i, means, cell))
        radii[cell] = np.sqrt(radii[cell]) * _SLACK
    return sums, totals, means, radii


@njit
def _assign(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    colors: Any,
    weights: Any,
    starts: Any,
    cells: Any,
    centroids: Any,
    away: Any,
    sums: Any,
    masses: Any,
) -> None:
    """Set `sums` and `masses` to those of the clusters."""
    cell_sums, cell_weights, means, radii = cells
    k = masses.size
    gaps = np.empty((k, k))
    for c in range(k):
        for other in range(k):
            gaps[c, other] = np.sqrt(_squared_distance(centroids, c, centroids, other))
    sums[:] = 0.0
    masses[:] = 0.0
    for cell in range(radii.size):
        best = _nearest(means, cell, centroids, away)
        if radii[cell] == 0.0 or _lies_inside(away, best, radii[cell], gaps):
            masses[best] += cell_weights[cell]
            for axis in range(3):
                sums[best, axis] += cell_sums[cell, axis]
            continue
        for i in range(starts[cell], starts[cell + 1]):
            best = _nearest(colors, i, centroids, away)
            masses[best] += weights[i]
            for axis in range(3):
                sums[best, axis] += weights[i] * colors[i, axis]


@njit
def refill(colors: Any, centroids: Any, masses: Any) -> Any:
    """Move each empty cluster's centroid to the color farthest from all; tell if there was one."""
    found = False
    away = np.empty(masses.size)
    for c in range(masses.size):
        if masses[c] == 0.0:
            found = True
            farthest = 0
            greatest = -1.0
            for i in range(colors.shape[0]):
                distance = away[_nearest(colors, i, centroids, away)]
                if distance > greatest:
                    greatest = distance
                    farthest = i
            centroids[c] = colors[farthest]
    return found


@njit
def move(sums: Any, masses: Any, centroids: Any) -> Any:
    """Move centroids to the means of their clusters; the score, and the greatest squared shift."""
    score = 0.0
    moved = 0.0
    for c in range(masses.size):
        if masses[c] > 0.0:
            shift = 0.0
            for axis in range(3):
                mean = sums[c, axis] / masses[c]
                score += sums[c, axis] * mean
                shift += (mean - centroids[c, axis]) * (mean - centroids[c, axis])
                centroids[c, axis] = mean
            moved = max(moved, shift)
    return score, moved


@compiled(types.float64, _ROWS, _VECTOR, _STARTS, _ROWS, _VECTOR, types.int64, types.float64)
def settle(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    colors: Any,
    weights: Any,
    starts: Any,
    centroids: Any,
    masses: Any,
    rounds: Any,
    tolerance: Any,
) -> Any:
    """Do as `clustering.settle_reference`, but give a whole cell to a cluster where that is sure.

    Kanungo et al., "An Efficient k-Means Clustering Algorithm" (2002), with one level of cells and
    balls around them.
    """
    k = masses.size
    away = np.empty(k)
    sums = np.empty((k, 3))
    cells = _summarize(colors, weights, starts)
    score = 0.0
    for _ in range(rounds):
        _assign(colors, weights, starts, cells, centroids, away, sums, masses)
        score, moved = move(sums, masses, centroids)
        if not refill(colors, centroids, masses) and moved <= tolerance:
            break
    return score
