"""Averages over boxes and the Lanczos filter: kernels and references alike, and near Pillow's."""

from __future__ import annotations

import runpy
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pixmill.imaging
from pixmill.imaging import boxes, lanczos
from tests import drawn

SIDES = st.integers(1, 40)


@st.composite
def reductions(draw):
    """Samples, what of them is resized, and to which size."""
    width, height = draw(SIDES), draw(SIDES)
    size = draw(st.integers(1, width)), draw(st.integers(1, height))
    extent = tuple(draw(st.floats(small, side))
                   for small, side in zip(size, (width, height), strict=True))  # fmt: skip
    return drawn.noise(height, width, draw(st.integers(1, 4)), seed=width), extent, size


@given(reductions())
def test_the_filter_equals_its_reference_exactly(reduction):
    samples, extent, size = reduction
    across, down = (lanczos.taps(samples.shape[1 - i], extent[i], size[i]) for i in (0, 1))
    assert np.array_equal(
        lanczos.resized(*reduction), lanczos.resized_reference(samples, across, down)
    )


@given(reductions(), st.integers(0, 255))
def test_a_flat_picture_stays_as_it_is(reduction, level):
    samples, extent, size = reduction
    assert (lanczos.resized(np.full_like(samples, level), extent, size) == level).all()


@given(SIDES, SIDES)
def test_a_picture_of_the_size_wanted_stays_as_it_is(width, height):
    samples = drawn.noise(height, width)
    assert np.array_equal(lanczos.resized(samples, (width, height), (width, height)), samples)


@pytest.mark.parametrize("size", [(200, 150), (67, 149), (1, 1), (299, 7)])
def test_the_filter_is_that_of_pillow(size):
    """Up to rounding, and to what passes the ends of the range, which Pillow cuts along x first."""
    samples = 80 + drawn.noise(211, 300, high=90)
    extent = (299.5, 210.25)
    image = Image.fromarray(samples)
    expected = np.asarray(image.resize(size, Image.Resampling.LANCZOS, (0, 0, *extent)))
    found = lanczos.resized(samples, extent, size).astype(int)
    assert np.abs(found - expected).max() <= 2
    assert np.abs(found - expected).mean() < 0.3


@given(st.integers(1, 900), st.data())
def test_taps_are_whole_numbers_that_sum_up_to_one_within_the_samples(count, data):
    wanted = data.draw(st.integers(1, min(count, 200)))
    firsts, weights = lanczos.taps(count, data.draw(st.floats(wanted, count)), wanted)
    assert (weights == np.rint(weights)).all()
    assert (weights.sum(axis=1) == lanczos.ONE).all()
    assert firsts.min() >= 0
    assert firsts.max() + weights.shape[1] <= count
    # so that sums of products with samples are exact in single precision
    assert np.abs(weights).sum(axis=1).max() * 255 < 1 << 24


@given(SIDES, SIDES, st.integers(1, 4), st.integers(1, 50), st.integers(1, 50))
def test_averages_equal_plain_means_of_each_box(height, width, bands, across, down):
    samples = drawn.noise(height, width, bands)
    expected = [
        [samples[y : y + down, x : x + across].mean((0, 1)) for x in range(0, width, across)]
        for y in range(0, height, down)
    ]
    assert boxes.box_means(samples, across, down) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("down", [256, 257, 258, 514, 1000])
def test_boxes_of_more_rows_than_16_bits_can_sum_are_exact(down):
    samples = np.full((1000, 3, 1), 255, np.uint8)
    assert (boxes.box_means(samples, 2, down) == 255).all()


def test_without_kernels_all_is_the_same(monkeypatch):
    samples = drawn.noise(90, 70)
    expected = lanczos.resized(samples, (70, 90), (33, 44)), boxes.box_means(samples, 4, 7)
    monkeypatch.setitem(sys.modules, "pixmill.imaging.resampling", None)
    monkeypatch.delattr(pixmill.imaging, "resampling")
    alone = runpy.run_path(lanczos.__file__) | runpy.run_path(boxes.__file__)
    assert alone["resampling"] is None
    assert np.array_equal(alone["resized"](samples, (70, 90), (33, 44)), expected[0])
    assert np.array_equal(alone["box_means"](samples, 4, 7), expected[1])
