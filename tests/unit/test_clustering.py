"""Clusters are those of k-means: good, ordered, the same every time, whatever the picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from coloraide import Color
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import KMeans

from pixmill.color import clustering
from pixmill.color.clustering import Points, clusters, edge_weights, mean
from tests.unit.test_clustering_small import noise, without_kernels


def gradient() -> np.ndarray:
    y, x = np.mgrid[0:96, 0:96]
    return np.stack((2 * x, 2 * y, x + y), axis=-1).astype(np.uint8)


def paper() -> np.ndarray:
    """All colours within a few values of one another."""
    return (np.random.default_rng(3).normal((240, 235, 220), 3, (96, 96, 3))).astype(np.uint8)


def blobs() -> np.ndarray:
    rng = np.random.default_rng(5)
    sizes = [4000, 2500, 1500, 700, 400, 116]
    middles = np.repeat(rng.integers(30, 226, (6, 3)), sizes, axis=0)
    return rng.normal(middles, 7).clip(0, 255).astype(np.uint8)


DRAWN = [noise(), gradient(), paper(), blobs()]


def inertia(rgb, found) -> float:
    pixels = rgb.reshape(-1, 1, 3).astype(float)
    centroids = np.array([cluster.centroid for cluster in found])
    return float(((pixels - centroids) ** 2).sum(axis=2).min(axis=1).sum())


def assert_as_good_as_fifty_restarts(rgb) -> None:
    found = clusters(rgb)
    best = KMeans(5, n_init=50, random_state=0).fit(rgb.reshape(-1, 3).astype(float))
    assert inertia(rgb, found) <= 1.01 * best.inertia_
    shares = np.bincount(best.labels_) / len(best.labels_)
    second, first = np.argsort(shares)[-2:]
    if shares[first] - shares[second] >= 0.1:
        ours, theirs = found[0].centroid, best.cluster_centers_[first]
        assert srgb(ours).delta_e(srgb(theirs), method="2000") <= 1.0


def srgb(color) -> Color:
    return Color("srgb", [channel / 255 for channel in color])


@pytest.mark.parametrize(
    "rgb",
    [pytest.param(rgb, marks=pytest.mark.soak) for rgb in DRAWN[:-1]] + DRAWN[-1:],
    ids=["noise", "gradient", "paper", "blobs"],
)
def test_inertia_and_color_are_those_of_the_best_of_fifty_restarts(rgb):
    assert_as_good_as_fifty_restarts(rgb)


@st.composite
def problems(draw):
    """Weighted colours, sorted, in cells cut anywhere, and centroids to begin with."""
    values = st.integers(0, draw(st.sampled_from([3, 255])))
    colors = draw(st.lists(st.tuples(values, values, values), min_size=1, max_size=40, unique=True))
    rows = np.array(sorted(colors), np.float64)
    weights = draw(arrays(np.float64, len(rows), elements=st.integers(1, 9).map(float)))
    cuts = draw(st.sets(st.integers(1, len(rows)), max_size=9))
    starts = np.array(sorted({0, *cuts, len(rows)}), np.int64)
    places = st.tuples(*[st.integers(0, 255).map(float)] * 3)
    centroids = draw(st.lists(places, min_size=1, max_size=min(6, len(rows))))
    return Points(rows, weights, starts), np.array(centroids)


@given(problems(), st.sampled_from([1, 2, 50]))
@settings(deadline=None, max_examples=300)
def test_lloyd_rounds_equal_the_reference_exactly(problem, rounds):
    """Cells cut anywhere, empty clusters and equal centroids among them."""
    points, start = problem
    ours, theirs = start.copy(), start.copy()
    masses, expected = np.empty(len(start)), np.empty(len(start))
    score = clustering.lloyd.settle(*points, ours, masses, rounds, 0.0)
    best = clustering.settle_reference(points, theirs, expected, rounds, 0.0)
    assert np.array_equal(masses, expected)
    assert np.array_equal(ours, theirs)
    assert score == pytest.approx(best)


@given(problems(), st.data())
@settings(deadline=None, max_examples=100)
def test_seeds_equal_the_reference_exactly(problem, data):
    points, start = problem
    draw = st.floats(0, 1, exclude_max=True)
    draws = data.draw(arrays(np.float64, (1, len(start)), elements=draw))
    ours, scores = np.empty((1, *start.shape)), np.empty(1)
    clustering.seeding.try_seeds(points.colors, points.weights, draws, ours, scores, 0, 0.0)
    assert np.array_equal(ours[0], clustering.seed_reference(points, draws[0]))
    assert len(np.unique(ours[0], axis=0)) == len(start)


@given(problems(), st.integers(1, 3), st.integers(1, 9))
@settings(deadline=None, max_examples=100)
def test_trials_equal_the_reference_exactly(problem, restarts, rounds):
    points, start = problem
    draws = np.random.default_rng(rounds).random((restarts, len(start)))
    expected, best = clustering.try_seeds_reference(points, draws, rounds, 0.0)
    ours, scores = np.empty_like(expected), np.empty(restarts)
    clustering.seeding.try_seeds(points.colors, points.weights, draws, ours, scores, rounds, 0.0)
    assert np.array_equal(ours, expected)
    assert scores == pytest.approx(best)


@given(problems())
@settings(deadline=None, max_examples=100)
def test_no_cluster_stays_empty_and_no_two_are_alike(problem):
    points, start = problem
    start[:] = start[0]
    masses = np.empty(len(start))
    clustering.lloyd.settle(*points, start, masses, 100, 0.0)
    assert masses.all()
    assert masses.sum() == points.weights.sum()
    assert len(np.unique(start, axis=0)) == len(start)


@pytest.mark.parametrize(
    "rgb",
    [pytest.param(rgb, marks=pytest.mark.soak) for rgb in DRAWN[:-1]] + DRAWN[-1:],
    ids=["noise", "gradient", "paper", "blobs"],
)
@pytest.mark.parametrize("k", [1, 2, 5, 64, 256])
def test_there_are_k_distinct_clusters_that_share_the_whole(rgb, k):
    found = clusters(rgb, k)
    assert len({one.centroid for one in found}) == k
    assert sum(one.share for one in found) == pytest.approx(1)
    shares = [one.share for one in found]
    assert shares == sorted(shares, reverse=True)
    assert np.isfinite([one.centroid for one in found]).all()


def test_neither_the_order_of_pixels_nor_threads_change_a_bit():
    shuffled = [np.random.default_rng(seed).permutation(blobs()) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(clusters, shuffled)) == {clusters(blobs())}


def test_a_whole_weight_is_as_many_pixels():
    rgb = noise().reshape(-1, 3)
    times = np.arange(len(rgb)) % 4
    repeated = np.repeat(rgb, times, axis=0)
    found = clusters(rgb, weights=times.astype(float))
    for one, other in zip(found, clusters(repeated), strict=True):
        assert one.centroid == pytest.approx(other.centroid)
        assert one.share == pytest.approx(other.share)
    assert mean(rgb, times.astype(float)).centroid == pytest.approx(repeated.mean(axis=0))


@pytest.mark.parametrize("margin", [2, 3, 20])
@pytest.mark.parametrize("shape", [(200, 200), (200, 133), (60, 200)])
def test_a_square_that_almost_fills_its_ground_is_not_the_background(margin, shape):
    rgb = np.full((*shape, 3), 255, np.uint8)
    rgb[margin:-margin, margin:-margin] = 0
    assert clusters(rgb, weights=edge_weights(*shape))[0].rgb == (255, 255, 255)
    assert (clusters(rgb)[0].rgb == (0, 0, 0)) == ((rgb == 0).mean() > 0.5)
    if margin == 2:
        assert clusters(rgb)[0].rgb == (0, 0, 0)


@pytest.mark.parametrize("shape", [(200, 200), (200, 133), (60, 200)])
def test_a_frame_of_one_pixel_is_not_the_background(shape):
    rgb = np.zeros((*shape, 3), np.uint8)
    rgb[1:-1, 1:-1] = 255
    assert clusters(rgb, weights=edge_weights(*shape))[0].rgb == (255, 255, 255)


def test_without_kernels_the_answer_is_the_same(monkeypatch):
    with_kernels = [clusters(rgb) for rgb in DRAWN]
    alone = without_kernels(monkeypatch)
    assert [alone["clusters"](rgb) for rgb in DRAWN] == with_kernels


def test_the_pixels_are_not_changed():
    rgb, weights = noise(), np.full((40, 40), 3.0)
    clusters(rgb, 5, weights)
    assert np.array_equal(rgb, noise())
    assert (weights == 3).all()
