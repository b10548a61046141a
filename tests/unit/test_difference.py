"""Distances between colors are those of the papers, and the metrics have the promised laws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from coloraide import Color
from hypothesis import given
from hypothesis import strategies as st

from pixmill.color import spaces
from pixmill.color.difference import METRICS, cie76, ciede2000, euclidean
from tests.unit.ciede2000_pairs import PAIRS

CHANCE = np.random.default_rng(2005)
GRID = np.stack(np.meshgrid(*[np.linspace(0, 1, 9)] * 3), axis=-1).reshape(-1, 3)
SRGB = np.concatenate([GRID, CHANCE.uniform(0, 1, (500, 3))])
SHUFFLED = CHANCE.permutation(SRGB)
LAB = CHANCE.uniform([0, -128, -128], [100, 127, 127], (2, 500, 3))
unit = st.floats(0, 1)
color = st.tuples(unit, unit, unit)


IN_COLORAIDE = {
    "srgb": lambda a, b: a.distance(b, space="srgb"),
    "lab": lambda a, b: a.delta_e(b, method="76", space="lab-d65"),
    "oklab": lambda a, b: a.distance(b, space="oklab"),
    "ciede2000": lambda a, b: a.delta_e(b, method="2000", space="lab-d65"),
}


def by_coloraide(name, space, firsts, seconds):
    return [
        IN_COLORAIDE[name](Color(space, a), Color(space, b))
        for a, b in zip(firsts.tolist(), seconds.tolist(), strict=True)
    ]


def test_every_metric_is_compared_with_coloraide():
    assert set(METRICS) == set(IN_COLORAIDE)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_distances_of_srgb_colors_equal_coloraide(metric):
    ours = metric.distance(metric.coordinates(SRGB), metric.coordinates(SHUFFLED))
    theirs = by_coloraide(metric.name, "srgb", SRGB, SHUFFLED)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_ciede2000_of_all_lab_equals_coloraide():
    theirs = by_coloraide("ciede2000", "lab-d65", *LAB)
    np.testing.assert_allclose(ciede2000(*LAB), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("backwards", [False, True])
def test_ciede2000_equals_the_published_pairs(backwards):
    assert len(np.unique(PAIRS, axis=0)) == 34
    first, second = PAIRS[:, :3], PAIRS[:, 3:6]
    ours = ciede2000(second, first) if backwards else ciede2000(first, second)
    np.testing.assert_allclose(ours, PAIRS[:, 6], rtol=0, atol=1e-4)


def test_the_published_pairs_are_written_down_rightly():
    theirs = by_coloraide("ciede2000", "lab-d65", PAIRS[:, :3], PAIRS[:, 3:6])
    np.testing.assert_allclose(PAIRS[:, 6], theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("gray", [[50, 0, 0], [50, -0.0, 0], [50, 0, -0.0], [50, -0.0, -0.0]])
def test_the_hue_of_a_gray_does_not_count(gray):
    """Not even by the sign of a zero."""
    colors = LAB[0]
    np.testing.assert_array_equal(ciede2000(gray, colors), ciede2000([50, 0, 0], colors))
    theirs = by_coloraide("ciede2000", "lab-d65", np.tile([50.0, 0, 0], (500, 1)), colors)
    np.testing.assert_allclose(ciede2000(gray, colors), theirs, rtol=0, atol=1e-6)
    assert ciede2000(gray, [50, 0, 0]) == 0


def test_opposite_hues_count_as_just_less_than_half_a_turn_apart():
    """At half a turn the distance jumps, and rounding does not choose the side."""
    hues = np.arange(0, 180, 1.5)
    opposite = ciede2000(polar(50, 40, hues), polar(60, 40, hues + 180))
    just_less = ciede2000(polar(50, 40, hues), polar(60, 40, hues + 180 - 1e-6))
    just_more = ciede2000(polar(50, 40, hues), polar(60, 40, hues + 180 + 1e-6))
    np.testing.assert_allclose(opposite, just_less, rtol=0, atol=1e-5)
    assert np.abs(opposite - just_more).max() > 1


def test_hues_on_both_sides_of_red_are_near():
    near = ciede2000(polar(50, 40, np.array(359.5)), polar(50, 40, np.array(0.5)))
    assert near == pytest.approx(ciede2000(polar(50, 40, 0.5), polar(50, 40, 1.5)), abs=0.02)


def polar(lightness, chroma, hue):
    angle = np.radians(hue)
    return np.stack(
        [np.full_like(angle, lightness), chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1
    )


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@given(a=color, b=color)
def test_a_distance_is_symmetric_and_zero_only_between_equals(metric, a, b):
    here, there = metric.coordinates(a), metric.coordinates(b)
    assert metric.distance(here, there) == metric.distance(there, here)
    assert metric.distance(here, here) == 0
    assert metric.distance(here, there) >= 0
    if np.abs(np.subtract(a, b)).max() > 1e-6:
        assert metric.distance(here, there) > 0


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_only_a_metric_that_says_so_is_the_straight_line(metric):
    a, b = metric.coordinates(SRGB), metric.coordinates(SHUFFLED)
    straight = np.allclose(metric.distance(a, b), np.linalg.norm(a - b, axis=-1), rtol=1e-12)
    assert straight == metric.is_euclidean


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_distances_broadcast_and_are_alike_alone_and_in_company(metric):
    points = metric.coordinates(SRGB[:40])
    before = points.copy()
    table = metric.distance(points[:, np.newaxis], points)
    assert table.shape == (40, 40)
    assert table.dtype == np.float64
    for i, j in np.ndindex(40, 40):
        assert metric.distance(points[i], points[j]) == table[i, j]
    assert metric.distance(points[0], np.empty((0, 3))).shape == (0,)
    np.testing.assert_array_equal(points, before)


def test_ciede2000_rounds_a_single_pair_like_one_of_many():
    """The first pairs are such as `x**7` or `x**2` may round in two ways."""
    awkward = np.array(
        [
            [[44.69, -15.6, 16.93], [35.84, -39.68, -3.62], [21.53, 8.29, -63.29]],
            [[16.87, 7.33, -42.48], [40.34, 36.83, 41.18], [20.31, 106.71, -61.3]],
        ]
    )
    firsts, seconds = np.concatenate([awkward, LAB], axis=1)
    singly = [ciede2000(a, b) for a, b in zip(firsts, seconds, strict=True)]
    np.testing.assert_array_equal(ciede2000(firsts, seconds), singly)


@pytest.mark.parametrize("distance", [euclidean, cie76, ciede2000])
def test_unsigned_colors_do_not_wrap_and_other_shapes_are_refused(distance):
    dark, light = np.array([10, 1, 2], np.uint8), np.array([90, 3, 1], np.uint8)
    assert distance(dark, light) == distance(dark.tolist(), light.tolist())
    with pytest.raises(ValueError, match="colors have the shape"):
        distance([1, 2], [3, 4])


def test_coordinates_are_never_the_array_that_was_passed():
    for metric in METRICS.values():
        assert not np.shares_memory(metric.coordinates(SRGB), SRGB)


def test_lab_is_measured_with_the_white_of_srgb():
    for name in ("lab", "ciede2000"):
        np.testing.assert_array_equal(
            METRICS[name].coordinates(SRGB), spaces.lab_d65_from_srgb(SRGB)
        )


def test_the_metrics_their_names_and_tolerances_are_fixed():
    tolerances = {name: metric.default_tolerance for name, metric in METRICS.items()}
    assert tolerances == {"srgb": 0.2, "lab": 10, "oklab": 0.1, "ciede2000": 10}
    assert [metric.name for metric in METRICS.values()] == list(METRICS)
    with pytest.raises(TypeError):
        METRICS["srgb"] = METRICS["lab"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        METRICS["srgb"].default_tolerance = 1
