"""Equal pixels become one color, in an order in which cubes of colors are runs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixmill.color.distinct import (
    Points,
    distinct,
    distinct_reference,
    means_of_cells,
    means_of_cells_reference,
)

PIXELS = st.sampled_from([1, 3, 255]).flatmap(
    lambda most: arrays(np.uint8, st.tuples(st.integers(1, 60), st.just(3)),
                        elements=st.integers(0, most))
)  # fmt: skip


def weights_of(pixels):
    return np.random.default_rng(len(pixels)).random(len(pixels))


def assert_equal(ours, expected):
    assert all(np.array_equal(one, other) for one, other in zip(ours, expected, strict=True))


@given(PIXELS)
def test_the_kernels_equal_the_reference_exactly(pixels):
    ours = distinct(pixels, weights_of(pixels))
    assert_equal(ours, distinct_reference(pixels, weights_of(pixels)))
    for bits in range(8):
        points = ours.cut(bits)
        assert_equal(means_of_cells(points), means_of_cells_reference(points))


def test_so_they_do_on_as_many_pixels_as_a_picture_has():
    pixels = np.random.default_rng(4).normal(128, 12, (40_000, 3)).astype(np.uint8)
    assert_equal(
        distinct(pixels, weights_of(pixels)), distinct_reference(pixels, weights_of(pixels))
    )


@pytest.mark.parametrize("pixels", [np.zeros((0, 3), np.uint8), np.zeros((9, 3), np.uint8)])
def test_there_may_be_no_pixel_or_one_color(pixels):
    found = distinct(pixels, np.ones(len(pixels)))
    assert_equal(found, distinct_reference(pixels, np.ones(len(pixels))))
    assert found.weights.tolist() == [9.0] * bool(len(pixels))


@given(PIXELS)
def test_colors_are_those_of_the_pixels_and_weights_add_up(pixels):
    found = distinct(pixels, np.ones(len(pixels)))
    expected, counts = np.unique(pixels, axis=0, return_counts=True)
    order = np.lexsort(found.colors.T[::-1])
    assert np.array_equal(found.colors[order], expected)
    assert np.array_equal(found.weights[order], counts)


@given(PIXELS, st.integers(0, 8))
def test_a_cell_holds_all_colors_of_its_cube_and_no_others(pixels, bits):
    points = distinct(pixels, np.ones(len(pixels))).cut(bits)
    cubes = points.colors.astype(int) >> bits
    starts = points.starts
    held = [np.unique(cubes[a:b], axis=0) for a, b in itertools.pairwise(starts)]
    assert all(len(cube) == 1 for cube in held)
    assert len(held) == len(np.unique(cubes, axis=0))


@given(PIXELS, st.integers(0, 60))
def test_cells_are_as_wide_as_they_can_be_if_there_are_to_be_enough(pixels, enough):
    found = distinct(pixels, np.ones(len(pixels)))
    bits = found.width_for(enough)
    cells = [len(found.cut(width).starts) - 1 for width in range(6)]
    assert bits == 0 or cells[bits] > enough
    assert all(count <= enough for count in cells[bits + 1 :])


def test_pixels_of_any_layout_are_taken():
    pixels = np.random.default_rng(1).integers(0, 256, (3, 50), np.uint8).T
    pixels.flags.writeable = False
    assert_equal(distinct(pixels, np.ones(50)), distinct_reference(pixels, np.ones(50)))


def test_a_mean_is_of_its_own_cell_alone():
    points = Points(np.array([[0.0, 0, 0], [4, 0, 0], [200, 9, 9]]), np.array([3.0, 1, 7]),
                    np.array([0, 2, 3]))  # fmt: skip
    found = means_of_cells(points)
    assert found.colors.tolist() == [[1, 0, 0], [200, 9, 9]]
    assert found.weights.tolist() == [4, 7]
