"""The most common colours are exact, whatever the pixels: kernels, reference and strips agree."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixmill.color import fast
from pixmill.color.counting import (
    StripCounter,
    TopCounts,
    count_top,
    count_top_reference,
    kernel_name,
)
from tests.unit.countable import KINDS, by_counter, draw, numbers, pictures, unpack


@pytest.fixture(autouse=True)
def _kernels() -> None:
    """These tests are about the kernels; without numba they would prove nothing."""
    assert kernel_name() == "numba"


@given(pictures(), numbers)
@settings(deadline=None, max_examples=150)
def test_kernel_reference_and_dictionary_agree(picture, n):
    pixels, visible = picture
    expected = by_counter(pixels, n, visible)
    assert count_top_reference(pixels, n, visible=visible) == expected
    assert count_top(pixels, n, visible=visible) == expected


@given(
    pictures(),
    numbers,
    st.sampled_from([1, 7, 100, 1 << 20]),
    st.sampled_from([0, 1 << 20]),
    st.sampled_from([0, 1 << 24]),
)
@settings(deadline=None, max_examples=300)
def test_the_ways_of_large_pictures_agree_on_small_ones(picture, n, piece, doubtful, parted):
    """With limits so small that pieces are cut everywhere and every table overflows."""
    pixels, visible = picture
    with pytest.MonkeyPatch.context() as limits:
        # Scratch is as large as the limits say, and must not outlive them.
        limits.setattr(fast, "_scratch", threading.local())
        limits.setattr(fast, "FEW_PIXELS", 0)
        limits.setattr(fast, "PIECE_PIXELS", piece)
        limits.setattr(fast, "COLLECTED_PIXELS", doubtful)
        limits.setattr(fast, "PARTED_PIXELS", parted)
        top = count_top(pixels, n, visible=visible)
    assert top == by_counter(pixels, n, visible)


@given(
    st.sampled_from(KINDS),
    st.integers(66_000, 200_000),
    st.integers(0, 1 << 30),
    numbers,
    st.booleans(),
)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_large_pictures_agree_with_the_reference(kind, size, seed, n, masked):
    pixels = draw(kind, size, seed)
    visible = np.random.default_rng(seed).random(size) < 0.9 if masked else None
    expected = count_top_reference(pixels, n, visible=visible)
    assert count_top(pixels, n, visible=visible) == expected


@given(pictures(), numbers, st.data())
@settings(deadline=None, max_examples=40)
def test_strips_cut_anywhere_equal_the_whole(picture, n, data):
    pixels, visible = picture
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pixels)), max_size=3)))
    counter = StripCounter()
    for start, end in zip([0, *cuts], [*cuts, len(pixels)], strict=True):
        part = None if visible is None else visible[start:end]
        counter.add(pixels[start:end], visible=part)
    assert counter.top(n) == count_top(pixels, n, visible=visible)


def test_a_strip_counter_goes_on_after_an_answer():
    counter = StripCounter()
    counter.add(draw("few", 100, 1))
    counter.top(3)
    counter.add(draw("few", 100, 2))
    both = np.concatenate((draw("few", 100, 1), draw("few", 100, 2)))
    assert counter.top(3) == count_top(both, 3)


def test_strips_count_past_16_bits():
    """Counters of 16 bits carry: 65,535, 65,536 and far more pixels of a colour are told apart."""
    counter = StripCounter()
    sizes = {0x112233: 65_535, 0x112234: 65_536, 0xFFFFFF: 200_001, 0x000000: 65_536}
    for value, size in sizes.items():
        counter.add(np.resize(unpack(np.array([value])), (size, 3)))
    assert counter.top(1) == TopCounts((0xFFFFFF,), (200_001,), sum(sizes.values()))
    assert counter.top(4).values == (0xFFFFFF, 0x000000, 0x112234, 0x112233)
    assert counter.top(256).counts == (200_001, 65_536, 65_536, 65_535)


def test_strips_count_past_32_bits():
    """2^32 pixels of one colour are one more than 32 bits can count."""
    counter = StripCounter()
    counter.add(np.zeros((1 << 16, 3), np.uint8))
    table = counter._table
    # 65,535 times what adding the same strip again does to the table.
    table._carries = np.zeros(1 << 16, np.uint32)
    table._carried = 1 << 16
    table.total = 1 << 32
    assert counter.top(2) == TopCounts((0,), (1 << 32,), 1 << 32)


@given(st.sampled_from(KINDS), st.integers(1, 2000), st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=30)
def test_counts_sum_to_the_visible_pixels_where_all_colours_are_asked_for(kind, size, seed):
    visible = np.random.default_rng(seed).random(size) < 0.5
    pixels = draw(kind, size, seed)
    top = count_top(pixels, 256, visible=visible)
    assert top.total == visible.sum()
    assert sum(top.counts) <= top.total
    if len(top.values) < 256:
        assert sum(top.counts) == top.total


def test_equally_common_colours_stand_in_order_of_value():
    pixels = unpack(np.array([0x0000FF, 0xFF0000, 0x00FF00, 0x00FF00, 0xFF0000]))
    assert count_top(pixels, 3).values == (0x00FF00, 0xFF0000, 0x0000FF)


def test_a_contiguous_array_is_not_copied():
    pixels = draw("few", 100_000, 0).reshape(100, 1000, 3)
    (piece,) = fast.Pixels(pixels, None).pieces()
    assert np.shares_memory(piece, pixels)


def test_pixels_are_not_changed():
    for size in (1000, 100_000):
        pixels = draw("skewed", size, 0)
        before = pixels.copy()
        count_top(pixels, 3, visible=np.arange(size) % 2 == 0)
        count_top(pixels, 3)
        assert np.array_equal(pixels, before)
