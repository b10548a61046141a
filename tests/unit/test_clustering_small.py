"""Clusters of few colors, each turn of their kernels, and what is refused.

So small that `make cover` can run it where numba compiles nothing.
"""

from __future__ import annotations

import runpy
import sys

import numpy as np
import pytest

import pixmill.color
from pixmill.color import clustering, distinct
from pixmill.color.clustering import Cluster, Points, clusters, edge_weights, mean

BLACK, WHITE = Cluster((0.0, 0.0, 0.0), 1.0), Cluster((255.0,) * 3, 1.0)


def noise(seed: int = 0, side: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def without_kernels(monkeypatch) -> dict[str, object]:
    """The names of `clustering` as they are where numba can not be imported."""
    for module in ("lloyd", "seeding", "sorting"):
        monkeypatch.setitem(sys.modules, f"pixmill.color.{module}", None)
        monkeypatch.delattr(pixmill.color, module)
    assert runpy.run_path(distinct.__file__)["sorting"] is None
    monkeypatch.setattr(distinct, "sorting", None)
    alone = runpy.run_path(clustering.__file__)
    assert alone["lloyd"] is None
    return alone


def in_cells(*cells: list[tuple[int, int, int]]) -> Points:
    """Colors with the weights 1, 2, 3 and so on."""
    colors = np.array([color for cell in cells for color in cell], np.float64)
    starts = np.cumsum([0, *map(len, cells)])
    return Points(colors, np.arange(1.0, len(colors) + 1), starts)


DARK, LIGHT = [(0, 0, 0), (4, 0, 0), (0, 9, 1)], [(250, 250, 250), (251, 251, 255)]
BETWEEN = [(100, 100, 100), (130, 130, 130), (150, 150, 150)]
ENDS = [(0, 0, 0), (255, 255, 255)]
PROBLEMS = {
    "cells on one side": (in_cells(DARK, LIGHT), ENDS),
    "a cell on both sides": (in_cells(DARK, BETWEEN, LIGHT), ENDS),
    "cells of one color": (in_cells(DARK[:1], BETWEEN[:1], LIGHT[:1]), ENDS),
    "one centroid": (in_cells(DARK, LIGHT), ENDS[:1]),
    "an empty cluster": (in_cells(DARK, BETWEEN, LIGHT), [*ENDS, (255, 0, 255)]),
    "centroids that are equal": (in_cells(DARK, BETWEEN, LIGHT), ENDS[:1] * 3),
    "a centroid midway": (in_cells([(0, 0, 0)], [(2, 0, 0)]), [(1, 0, 0), (1, 2, 0)]),
    "a color midway": (in_cells([(0, 0, 0)], [(2, 0, 0)], [(4, 0, 0)]), [(0, 0, 0), (4, 0, 0)]),
    "colors as far as one another": (
        in_cells([(0, 0, 0)], [(2, 0, 0)])._replace(weights=np.ones(2)),
        [(1, 0, 0), (9, 0, 0)],
    ),
}


@pytest.mark.parametrize(("points", "start"), PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("rounds", [0, 1, 2, 50])
def test_rounds_equal_the_reference_exactly(points, start, rounds):
    ours, theirs = np.array(start, np.float64), np.array(start, np.float64)
    masses, expected = np.zeros(len(start)), np.zeros(len(start))
    score = clustering.lloyd.settle(*points, ours, masses, rounds, 0.0)
    best = clustering.settle_reference(points, theirs, expected, rounds, 0.0)
    assert masses.tolist() == expected.tolist()
    assert ours.tolist() == theirs.tolist()
    assert score == pytest.approx(best)


@pytest.mark.parametrize(("points", "start"), PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("rounds", [0, 1, 20])
def test_trials_equal_the_reference_exactly(points, start, rounds):
    draws = np.random.default_rng(rounds).random((9, min(len(start), len(points.weights))))
    expected, best = clustering.try_seeds_reference(points, draws, rounds, 0.0)
    ours, scores = np.empty_like(expected), np.zeros(9)
    clustering.seeding.try_seeds(points.colors, points.weights, draws, ours, scores, rounds, 0.0)
    assert ours.tolist() == expected.tolist()
    assert scores == pytest.approx(best)


@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2.0**-53])
def test_no_color_is_a_seed_twice_even_by_a_draw_at_the_edge_of_its_chance(draw):
    points, draws = in_cells(DARK[:1], BETWEEN[:1], LIGHT[:1]), np.full((1, 3), draw)
    seeds, scores = np.empty((1, 3, 3)), np.empty(1)
    clustering.seeding.try_seeds(*points[:2], draws, seeds, scores, 0, 0.0)
    assert seeds[0].tolist() == clustering.seed_reference(points, draws[0]).tolist()
    assert len(np.unique(seeds[0], axis=0)) == 3


def test_a_cluster_that_loses_its_colors_to_others_begins_anew():
    """In the second round: the seeds of these draws are the first, fourth and second color."""
    points = in_cells([(0, 9, 0)], [(5, 12, 0)], [(6, 3, 0)], [(7, 12, 0)], [(8, 4, 0)])
    draws = np.array([[0.0, 0.4, 0.0]])
    for rounds in (1, 2, 9):
        expected, _ = clustering.try_seeds_reference(points, draws, rounds, 0.0)
        ours, scores = np.empty((1, 3, 3)), np.empty(1)
        clustering.seeding.try_seeds(*points[:2], draws, ours, scores, rounds, 0.0)
        assert ours.tolist() == expected.tolist()
    nearest, _ = clustering._assign(points.colors, ours[0])
    assert set(nearest.tolist()) == {0, 1, 2}


def test_a_picture_has_the_same_clusters_without_kernels(monkeypatch):
    rgb = noise(side=12)
    expected, whole = clusters(rgb, 4), mean(rgb)
    assert len(expected) == 4
    alone = without_kernels(monkeypatch)
    assert alone["clusters"](rgb, 4) == expected
    assert alone["mean"](rgb) == whole


@pytest.mark.parametrize("k", [1, 5, 256])
def test_one_color_is_one_cluster_even_of_one_pixel(k):
    assert clusters(np.zeros((1, 1, 3), np.uint8), k) == (BLACK,)
    assert clusters(np.full((7, 3), 255, np.uint8), k) == (WHITE,)


def test_colors_up_to_k_are_their_own_clusters():
    rgb = np.repeat(np.eye(3, dtype=np.uint8) * 200, (1, 3, 2), axis=0)
    assert [(one.rgb, one.share) for one in clusters(rgb, 3)] == [
        ((0, 200, 0), 3 / 6),
        ((0, 0, 200), 2 / 6),
        ((200, 0, 0), 1 / 6),
    ]
    assert len(clusters(rgb, 2)) == 2


def test_of_equal_clusters_the_smaller_color_is_first():
    rgb = np.array([[255, 0, 0], [16, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 0]], np.uint8)
    expected = [(255, 0, 0), (0, 0, 255), (0, 255, 0), (16, 0, 0)]
    assert [one.rgb for one in clusters(rgb, 5)] == expected


@pytest.mark.parametrize("shape", [(0, 3), (0, 0, 3), (0, 5, 3), (4, 3), (2, 2, 3)])
def test_nothing_that_has_weight_is_nothing(shape):
    rgb, nothing = np.zeros(shape, np.uint8), np.zeros(shape[:-1])
    assert clusters(rgb, weights=nothing) == ()
    assert mean(rgb, nothing) is None


def test_an_empty_picture_without_weights_has_no_clusters():
    assert clusters(np.zeros((0, 3), np.uint8)) == ()
    assert mean(np.zeros((0, 3), np.uint8)) is None


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1.0, 1.7e308])
def test_weights_count_by_their_proportion_at_any_scale(scale):
    rgb = np.array([[0, 0, 0], [255, 255, 255]] * 300, np.uint8)
    weights = np.full(len(rgb), scale)
    assert [one.share for one in clusters(rgb, weights=weights)] == [0.5, 0.5]
    assert mean(rgb, weights).centroid == (127.5,) * 3


def test_the_mean_is_that_of_all_channels():
    assert mean(noise()).centroid == pytest.approx(noise().reshape(-1, 3).mean(axis=0))
    assert mean(np.full((2, 3), 255, np.uint8)) == WHITE


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 9), (9, 2)])
def test_all_of_a_thin_picture_is_at_its_edge(shape):
    assert np.array_equal(edge_weights(*shape), np.ones(shape))


def test_edge_weights_fall_with_the_distance_from_the_nearest_edge():
    weights = edge_weights(5, 7)
    assert weights.shape == (5, 7)
    assert weights[2] == pytest.approx(np.array([1, 2, 3, 3, 3, 2, 1]) ** -1.5)


@pytest.mark.parametrize("k", [0, -1, 257])
def test_k_is_from_1_to_256(k):
    with pytest.raises(ValueError, match="from 1 to 256"):
        clusters(noise(), k)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_weights_are_finite_and_not_negative(bad):
    weights = np.ones((40, 40))
    weights[3, 3] = bad
    for summary in (lambda: clusters(noise(), 5, weights), lambda: mean(noise(), weights)):
        with pytest.raises(ValueError, match="finite and not negative"):
            summary()


def test_there_is_a_weight_for_each_pixel():
    with pytest.raises(ValueError, match=r"\(40, 40\), not \(1600,\)"):
        clusters(noise(), 5, np.ones(1600))
