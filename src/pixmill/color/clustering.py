"""The representative colors of a picture: clusters, the mean, and weights for its background.

Owns k-means over sRGB: what is clustered, from which seeds, which result is taken, and the NumPy
references, which also do the work where numba cannot be imported. The kernels are in `seeding` and
`lloyd`, what comes before them in `distinct`. Shrinking the picture, alpha and color profiles are
left to others: pixels come as they are to be seen, those not to be seen with weight zero.

The pixels become distinct colors with weights, sorted along a Z-order curve, on which cubes of
colors (cells) are runs. k-means++ (Arthur and Vassilvitskii, 2007) and a few rounds of Lloyd's
algorithm run many times over the means of the cells, which are few; the best of these are settled
there. From there the best one goes on over the means of cells half as wide, and ends with a few
rounds over the colors themselves. The same input gives the same answer: the draws
are fixed, sums run in a fixed order, and without weights, or with whole ones, they are exact.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pixmill.color.distinct import Points, distinct, means_of_cells, sums_by
from pixmill.color.pixels import as_rows, checked_n
from pixmill.record import Cluster

try:
    from pixmill.color import lloyd, seeding
except ImportError:  # numba is missing, or does not know this Python or processor
    lloyd = None  # type: ignore[assignment]  # a module or nothing

Floats = NDArray[np.float64]

# Restarts are many where they cost little, which is where few colors leave many poor optima. The
# more clusters, the less does it matter where they begin.
MIN_RESTARTS, MAX_RESTARTS, SEEDS, WORK = 2, 100, 80, 20_000
FINALISTS = 3
TRIAL_ROUNDS, COARSE_ROUNDS, FINE_ROUNDS = 4, 100, 5
TOLERANCE = 1e-2  # settled where no centroid moves further than the root of this
MIN_CELLS, CELLS_PER_CLUSTER = 192, 8


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
    colors = distinct(*_visible(rgb, weights))
    if len(colors.weights) <= k:
        return _ranked(colors.colors, colors.weights)
    bits = colors.width_for(max(MIN_CELLS, CELLS_PER_CLUSTER * k))
    points = colors.cut(max(bits - 1, 0))
    centroids, masses = _best_of_restarts(means_of_cells(colors.cut(bits)), k), np.empty(k)
    _settle(means_of_cells(points), centroids, masses, COARSE_ROUNDS)
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
        sums, masses[:] = sums_by(nearest, points, len(masses))
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


def try_seeds_reference(
    points: Points, draws: Floats, rounds: int, tolerance: float
) -> tuple[Floats, Floats]:
    """Seed and run a few rounds for each row of `draws` (restarts, k); centroids and scores."""
    centroids = np.stack([seed_reference(points, row) for row in draws])
    masses = np.empty(draws.shape[1])
    scores = [settle_reference(points, each, masses, rounds, tolerance) for each in centroids]
    return centroids, np.array(scores)


def _assign(colors: Floats, centroids: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Find each color's nearest centroid, the first of several, and its squared distance."""
    nearest = np.zeros(len(colors), np.int64)
    distances = np.full(len(colors), np.inf)
    for index, centroid in enumerate(centroids):
        to_this = _squared_distances(colors, centroid)
        nearest[to_this < distances] = index
        distances = np.minimum(distances, to_this)
    return nearest, distances


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


def _best_of_restarts(coarse: Points, k: int) -> Floats:
    """Centroids of the best restart, of those that were settled as the best after a few rounds."""
    draws = _draws(k, len(coarse.weights))
    centroids, trials = _try_seeds(coarse, draws)
    best = np.argsort(-trials, kind="stable")[:FINALISTS]
    ends = centroids[best]
    scores = [_settle(coarse, end, np.empty(k), COARSE_ROUNDS) for end in ends]
    found: Floats = ends[int(np.argmax(scores))]
    return found


def _draws(k: int, cells: int) -> Floats:
    """Draw `k` numbers from [0, 1) for each restart, (restarts, k), always the same.

    They come from the bits of the generator, which NumPy keeps the same in all its versions.
    """
    restarts = min(max(MIN_RESTARTS, SEEDS // k, WORK // (k * cells)), MAX_RESTARTS)
    bits = np.random.PCG64(0).random_raw((restarts, k)) >> np.uint64(11)
    draws: Floats = bits.astype(np.float64) * 2.0**-53
    return draws


def _try_seeds(points: Points, draws: Floats) -> tuple[Floats, Floats]:
    """Centroids (restarts, k, 3) a few rounds after each seeding, and their scores."""
    if lloyd is None:
        return try_seeds_reference(points, draws, TRIAL_ROUNDS, TOLERANCE)
    centroids, scores = np.empty((*draws.shape, 3)), np.empty(len(draws))
    seeding.try_seeds(*points[:2], draws, centroids, scores, TRIAL_ROUNDS, TOLERANCE)
    return centroids, scores


def _settle(points: Points, centroids: Floats, masses: Floats, rounds: int) -> float:
    if lloyd is None:
        return settle_reference(points, centroids, masses, rounds, TOLERANCE)
    score: float = lloyd.settle(*points, centroids, masses, rounds, TOLERANCE)
    return score


def _ranked(centroids: Floats, masses: Floats) -> tuple[Cluster, ...]:
    """Order the clusters that have any weight."""
    total = math.fsum(masses)
    centroids = np.minimum(centroids, 255.0)  # which sums of weighted colors may pass by rounding
    found = [
        Cluster((red, green, blue), min(mass / total, 1.0))
        for (red, green, blue), mass in zip(centroids.tolist(), masses.tolist(), strict=True)
        if mass > 0
    ]
    return tuple(sorted(found, key=lambda one: (-one.share, one.rgb, one.centroid)))
