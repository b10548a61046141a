"""What may be counted, what is refused, and how colors fill a row where there are too few."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.color.counting import (
    StripCounter,
    TopCounts,
    count_top,
    count_top_reference,
    pad,
    padded_values,
)


@pytest.mark.parametrize("shape", [(0, 3), (0, 0, 3), (5, 0, 3), (0, 5, 3)])
def test_an_empty_picture_has_no_colours(shape):
    empty = TopCounts((), (), 0)
    pixels = np.empty(shape, np.uint8)
    counter = StripCounter()
    counter.add(pixels)
    assert count_top(pixels, 3) == count_top_reference(pixels, 3) == counter.top(3) == empty


def test_a_mask_of_all_is_no_mask():
    pixels = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    assert count_top(pixels, 9, visible=np.ones((3, 4), bool)) == count_top(pixels, 9)


@pytest.mark.parametrize("count", [count_top, count_top_reference])
class TestArguments:
    """What can not be counted is refused with a sentence, by kernel and reference alike."""

    @pytest.mark.parametrize("n", [0, -1, 257])
    def test_n_out_of_range(self, count, n):
        with pytest.raises(ValueError, match=f"from 1 to 256, not {n}"):
            count(np.zeros((2, 3), np.uint8), n)

    def test_n_that_is_no_integer(self, count):
        with pytest.raises(TypeError, match="integer"):
            count(np.zeros((2, 3), np.uint8), 2.5)

    @pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4), (3,), (), (2, 2, 2, 3), (3, 4, 1)])
    def test_other_shapes(self, count, shape):
        with pytest.raises(ValueError, match="shape"):
            count(np.zeros(shape, np.uint8), 3)

    @pytest.mark.parametrize("dtype", ["int8", "uint16", "float32", "bool"])
    def test_other_types(self, count, dtype):
        with pytest.raises(TypeError, match=f"uint8, not an array of {dtype}"):
            count(np.zeros((4, 3), dtype), 3)

    def test_no_array(self, count):
        with pytest.raises(TypeError, match="not a list"):
            count([[1, 2, 3]], 3)

    def test_a_mask_of_another_shape_or_type(self, count):
        pixels = np.zeros((4, 5, 3), np.uint8)
        with pytest.raises(ValueError, match="one bool a pixel"):
            count(pixels, 3, visible=np.ones((5, 4), bool))
        with pytest.raises(TypeError, match="bool, not an array of uint8"):
            count(pixels, 3, visible=np.ones((4, 5), np.uint8))


@pytest.mark.parametrize(
    ("values", "n", "expected"),
    [
        ("a", 1, "a"),
        ("a", 3, "aaa"),
        ("ab", 3, "aab"),
        ("ab", 5, "aaaab"),
        ("abc", 3, "abc"),
        ("abc", 2, "ab"),
        ("", 3, ""),
    ],
)
def test_the_most_common_is_repeated_at_the_front(values, n, expected):
    assert pad(values, n) == tuple(expected)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [0]),
        (2, [0, 0x000BAD]),
        (3, [0, 0x000BAD, 0]),
        (5, [0, 0x000BAD, 0, 0, 0]),
    ],
)
def test_no_pixel_is_marked_by_a_row_that_no_picture_has(n, expected):
    assert padded_values(TopCounts((), (), 0), n) == [(value, 0) for value in expected]


def test_padded_values_carry_their_counts():
    top = TopCounts((5, 9), (7, 2), 9)
    assert padded_values(top, 1) == [(5, 7)]
    assert padded_values(top, 4) == [(5, 7), (5, 7), (5, 7), (9, 2)]
