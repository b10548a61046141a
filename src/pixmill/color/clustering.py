"""The representative colors of a picture: clusters, the mean, and weights for its background.

Owns k-means over sRGB: what is clustered, from which seeds, which result is taken, and the NumPy
references, which also do the work where numba cannot be imported. The kernels are in `lloyd`.
Shrinking the picture, alpha and color profiles are left to others: pixels come as they are to be
seen, those not to be seen with weight zero.

The pixels become distinct colors with weights, sorted along a Z-order curve, on which cubes of
colors (cells) are runs. k-means++ (Arthur and Vassilvitskii, 2007) and a few rounds of Lloyd's
algorithm run many times over the means of the cells, which are few; the best of these are settled
there, and after that over the colors themselves. The same input gives the same answer: the draws
are fixed, sums run in a fixed order, and without weights, or with whole ones, they are exact.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixmill.color.pixels import as_rows, checked_n

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from pixmill.color import lloyd
except ImportError:  # numba is missing, or does not know this Python or processor
    lloyd = None  # type: ignore[assignment]  # a module or nothing

Floats = NDArray[np.float64]

# Restarts are many where they cost little, which is where few colors leave many poor optima. The
# more clusters, the less does it matter where they begin.
MIN_RESTARTS, MAX_RESTARTS, SEEDS, WORK = 2, 100, 80, 40_000
FINALISTS = 3
TRIAL_ROUNDS, COARSE_ROUNDS, FINE_ROUNDS = 4, 100, 20
TOLERANCE = 1e-2  # settled where no centroid moves further than the root of this
MIN_CELLS, CELLS_PER_CLUSTER = 256, 8
WIDEST_CELL = 5  # bits of a channel that a cell leaves open


class Cluster(NamedTuple):
    """Colors that belong together.

    `centroid` is their weighted mean in sRGB, from 0 to 255 a channel, `rgb_u8` the same rounded,
    and `share` their part of the weight of all pixels, above 0 and at most 1.
    """

    rgb_u8: tuple[int, int, int]
    centroid: tuple[float, float, float]
    share: float


class Points(NamedTuple):
    """Colors (n, 3) from 0 to 255 and their weights (n,); cell i is `starts[i]:starts[i + 1]`."""

    colors: Floats
    weights: Floats
    starts: NDArray[np.int64]


def clusters(
    rgb: NDArray[np.uint8], k: int = 5, weights: NDArray[np.floating] | None = None
) -> tuple[Cluster, ...]:
    """Find the `k` (1 to 256) clusters of the pixels with the least weighted squared distance.

    `rgb` is (h, w, 3) or (n, 3) uint8; `weights`, finite and at least 0, has one number a pixel.
    The most populous cluster is first, of equal ones that of the smaller 24-bit RGB. There are
    fewer where the picture has fewer distinct colors, and none where nothing has weight. Lloyd's
    algorithm ends in a local optimum; of several the best is taken. Made for some 40,000 pixels:
    time and memory grow with the pixels. TypeError or ValueError for other arrays or another `k`.
    """
    k = checked_n(k)
    points = _distinct(*_visible(rgb, weights), max(MIN_CELLS, CELLS_PER_CLUSTER * k))
    if len(points.weights) <= k:
        return _ranked(points.colors, points.weights)
    coarse = _means_of_cells(points)
    centroids, masses = _best_of_restarts(coarse, k), np.empty(k)
    _settle(points, centroids, masses, FINE_ROUNDS)
    return _ranked(centroids, masses)


def mean(rgb: NDArray[np.uint8], weights: NDArray[np.floating] | None = None) -> Cluster | None:
    """Find the weighted mean of all pixels, None where nothing has weight.

    Arguments and errors are those of `clusters`.
    """
    pixels, seen = _visible(rgb, weights)
    if not len(pixels):
        return None
    # Running sums add in the order of the pixels on every machine; other sums do not promise to.
    sums = np.cumsum(pixels * seen[:, np.newaxis], axis=0)[-1]
    (whole,) = _ranked((sums / np.cumsum(seen)[-1])[np.newaxis], np.ones(1))
    return whole


def edge_weights(height: int, width: int) -> Floats:
    """Make weights (h, w) under which the background of a small picture prevails.

    A pixel d pixels away from the nearest edge weighs (1 + d) ** -1.5. In a large picture the
    outermost ring then has 38 % of the weight, and the two outermost ones more than half: a margin
    of two pixels is a background, but a frame of one pixel, as screenshots and scans have it, is
    not. (With the exponent 2 that frame would win with 61 %; with 1 no thin margin would.) Of a
    vignette the answer is a tone near its dark rim, since nothing tells it from a dark ground. In a
    picture of one or two rows or columns every pixel is at the edge and weighs alike.
    """
    rows, columns = np.arange(height), np.arange(width)
    depth = np.minimum.outer(
        np.minimum(rows, rows[::-1]), np.minimum(columns, columns[::-1])
    ).astype(np.float64)
    # Division and square root are rounded alike on every machine; a power is not.
    weights: Floats = 1.0 / ((1.0 + depth) * np.sqrt(1.0 + depth))
    return weights


def seed_reference(points: Points, draws: Floats) -> Floats:
    """Choose a color for each of `draws`, from [0, 1), by k-means++.

    The chance of a color is its weight times its squared distance to the nearest one chosen before.
    """
    chosen: list[Floats] = []
    distances = np.full(len(points.weights), np.inf)
    chances = points.weights
    for draw in draws:
        reached = np.cumsum(chances)
        most = np.searchsorted(reached, reached[-1])
        place = min(np.searchsorted(reached, draw * reached[-1], side="right"), most)
        chosen.append(points.colors[place])
        distances = np.minimum(distances, _squared_distances(points.colors, chosen[-1]))
        chances = points.weights * distances
    return np.stack(chosen)


def settle_reference(
    points: Points, centroids: Floats, masses: Floats, rounds: int, tolerance: float
) -> float:
    """Run Lloyd's algorithm on `centroids` (k, 3), in place, until they rest.

    That is when no squared shift exceeds `tolerance`, after `rounds` at most. `masses` (k,) are set
    to the weights of the clusters. The centroid of an empty cluster moves to the color farthest
    from all centroids. Returns the score: the weighted sum of squares of the colors less the
    inertia, so the greater the better.
    """
    score = 0.0
    for _ in range(rounds):
        nearest, _distances = _assign(points.colors, centroids)
        sums, masses[:] = _sums_by(nearest, points, len(masses))
        full = masses > 0
        means = sums[full] / masses[full, np.newaxis]
        score = float((sums[full] * means).sum())
        moved = float(((means - centroids[full]) ** 2).sum(axis=1).max())
        centroids[full] = means
        for empty in np.flatnonzero(~full):
            centroids[empty] = points.colors[_assign(points.colors, centroids)[1].argmax()]
        if full.all() and moved <= tolerance:
            break
    return score


def _assign(colors: Floats, centroids: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Find each color's nearest centroid, the first of several, and its squared distance."""
    nearest = np.zeros(len(colors), np.int64)
    distances = np.full(len(colors), np.inf)
    for index, centroid in enumerate(centroids):
        to_this = _squared_distances(colors, centroid)
        nearest[to_this < distances] = index
        distances = np.minimum(distances, to_this)
    return nearest, distances


def _sums_by(groups: NDArray[np.int64], points: Points, count: int) -> tuple[Floats, Floats]:
    """Weighted sums (count, 3) of the colors and sums of the weights, by group."""
    parts = [points.weights, *(points.colors.T * points.weights)]
    weights, *sums = (np.bincount(groups, part, count) for part in parts)
    return np.stack(sums, axis=1), weights.astype(np.float64, copy=False)


def _squared_distances(colors: Floats, color: Floats) -> Floats:
    x, y, z = (colors - color).T
    squares: Floats = x * x + y * y + z * z
    return squares


def _visible(
    rgb: NDArray[np.uint8], weights: NDArray[np.floating] | None
) -> tuple[NDArray[np.uint8], Floats]:
    """Check the arguments; the pixels (n, 3) that have weight, and their weights, 1 at most."""
    pixels = as_rows(rgb, None)[0].reshape(-1, 3)
    if weights is None:
        return pixels, np.ones(len(pixels))
    if weights.shape != rgb.shape[:-1]:
        raise ValueError(f"weights have one number a pixel: {rgb.shape[:-1]}, not {weights.shape}")
    flat = weights.reshape(-1).astype(np.float64)
    greatest = flat.max(initial=0.0)
    if not (np.isfinite(greatest) and (flat >= 0).all()):
        raise ValueError("weights are finite and not negative")
    if greatest > 0:
        flat /= greatest  # so that no sum of them overflows
    seen = flat > 0
    return pixels[seen], flat[seen]


def _distinct(pixels: NDArray[np.uint8], weights: Floats, enough: int) -> Points:
    """Merge equal pixels; cells are as wide as they can be if there are to be `enough` of them."""
    red, green, blue = np.take(_spread_bits(), pixels.T)
    places = np.arange(len(pixels), dtype=np.uint64)
    both = np.sort((red << 2 | green << 1 | blue).astype(np.uint64) << np.uint64(32) | places)
    order = (both & np.uint64(0xFFFFFFFF)).astype(np.int64)
    keys = (both >> np.uint64(32)).astype(np.uint32)
    firsts = _starts_of_runs(keys)
    groups = np.repeat(np.arange(len(firsts) - 1), np.diff(firsts))
    keys = keys[firsts[:-1]]
    for bits in range(WIDEST_CELL, -1, -1):
        starts = _starts_of_runs(keys >> np.uint32(3 * bits))
        if len(starts) > enough:
            break
    colors = np.take(pixels, order[firsts[:-1]], axis=0).astype(np.float64)
    merged = np.bincount(groups, weights[order]).astype(np.float64, copy=False)
    return Points(colors, merged, starts)


def _spread_bits() -> NDArray[np.uint32]:
    """Table of the numbers 0 to 255 with their bits three places apart."""
    numbers = np.arange(256, dtype=np.uint32)
    bits = np.arange(8, dtype=np.uint32)
    table: NDArray[np.uint32] = ((numbers[:, np.newaxis] >> bits & 1) << 3 * bits).sum(
        axis=1, dtype=np.uint32
    )
    return table


def _starts_of_runs(keys: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Where runs of equal keys begin, and the end of all."""
    changes = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    return np.concatenate(([0], changes, [len(keys)])) if len(keys) else np.zeros(1, np.int64)


def _means_of_cells(points: Points) -> Points:
    """Take each cell as one color, the mean of its own."""
    count = len(points.starts) - 1
    cells = np.repeat(np.arange(count), np.diff(points.starts))
    sums, weights = _sums_by(cells, points, count)
    return Points(sums / weights[:, np.newaxis], weights, np.arange(count + 1))


def _best_of_restarts(coarse: Points, k: int) -> Floats:
    """Centroids of the best restart, of those that were settled as the best after a few rounds."""
    trials = []
    for draws in _draws(k, len(coarse.weights)):
        centroids = _seed(coarse, draws)
        trials.append((_settle(coarse, centroids, np.empty(k), TRIAL_ROUNDS), centroids))
    settled = [
        (_settle(coarse, centroids, np.empty(k), COARSE_ROUNDS), centroids)
        for _score, centroids in sorted(trials, key=_score_of, reverse=True)[:FINALISTS]
    ]
    return max(settled, key=_score_of)[1]


def _score_of(trial: tuple[float, Floats]) -> float:
    return trial[0]


def _draws(k: int, cells: int) -> Iterator[Floats]:
    """Yield `k` numbers from [0, 1) for each restart, always the same.

    They come from the bits of the generator, which NumPy keeps the same in all its versions.
    """
    restarts = min(max(MIN_RESTARTS, SEEDS // k, WORK // (k * cells)), MAX_RESTARTS)
    bits = np.random.PCG64(0).random_raw((restarts, k)) >> np.uint64(11)
    yield from bits.astype(np.float64) * 2.0**-53


def _seed(points: Points, draws: Floats) -> Floats:
    if lloyd is None:
        return seed_reference(points, draws)
    centroids = np.empty((len(draws), 3))
    lloyd.seed(points.colors, points.weights, draws, centroids)
    return centroids


def _settle(points: Points, centroids: Floats, masses: Floats, rounds: int) -> float:
    if lloyd is None:
        return settle_reference(points, centroids, masses, rounds, TOLERANCE)
    score: float = lloyd.settle(*points, centroids, masses, rounds, TOLERANCE)
    return score


def _ranked(centroids: Floats, masses: Floats) -> tuple[Cluster, ...]:
    """Order the clusters that have any weight."""
    total = math.fsum(masses)
    found = [
        Cluster((round(r), round(g), round(b)), (r, g, b), mass / total)
        for (r, g, b), mass in zip(centroids.tolist(), masses.tolist(), strict=True)
        if mass > 0
    ]
    return tuple(sorted(found, key=lambda one: (-one.share, one.rgb_u8, one.centroid)))
