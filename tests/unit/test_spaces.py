"""Colors keep their meaning from space to space, as coloraide, an independent library, has it.

The conversions are found by their names, so that a new one is tested the day it is written.
"""

from __future__ import annotations

import functools
import inspect
import itertools

import numpy as np
import pytest
from coloraide import Color
from hypothesis import given
from hypothesis import strategies as st

from pixmill.color import spaces

COLORAIDE_NAMES = {
    "srgb": "srgb",
    "linear": "srgb-linear",
    "xyz_d65": "xyz-d65",
    "xyz_d50": "xyz-d50",
    "lab_d65": "lab-d65",
    "lab_d50": "lab",
    "oklab": "oklab",
}
CONVERSIONS = {
    name: function
    for name, function in inspect.getmembers(spaces, inspect.isfunction)
    if "_from_" in name and not name.startswith("_") and not name.endswith("_u8")
}
unit = st.floats(0, 1)


def ends(name):
    """Name the source and the target of a conversion."""
    target, _, source = name.partition("_from_")
    return source, target


def in_coloraide(space, colors, source):
    return np.array(
        [Color(source, color).convert(space, norm=False).coords(nans=False) for color in colors]
    )


@functools.cache
def samples(space):
    """The same colors in each space: a grid of sRGB, random ones in it, and some far beyond it."""
    chance = np.random.default_rng(2020)
    grid = list(itertools.product(np.linspace(0, 1, 9).tolist(), repeat=3))
    dark = chance.uniform(0, 0.05, (200, 3)).tolist()
    within = chance.uniform(0, 1, (300, 3)).tolist()
    beyond = chance.uniform(-0.5, 1.5, (300, 3)).tolist()
    lab = chance.uniform([0, -128, -128], [100, 127, 127], (300, 3)).tolist()
    return np.concatenate(
        [
            in_coloraide(COLORAIDE_NAMES[space], [*grid, *dark, *within, *beyond], "srgb"),
            in_coloraide(COLORAIDE_NAMES[space], lab, "lab-d65"),
        ]
    )


def test_every_space_is_reached_from_srgb_and_back_and_known_to_coloraide():
    reached = {"srgb"}
    for _ in COLORAIDE_NAMES:
        reached |= {ends(name)[1] for name in CONVERSIONS if ends(name)[0] in reached}
    assert reached == set(COLORAIDE_NAMES)
    pairs = {ends(name) for name in CONVERSIONS}
    assert pairs == {(target, source) for source, target in pairs}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversion_equals_coloraide(name):
    source, target = ends(name)
    np.testing.assert_allclose(
        CONVERSIONS[name](samples(source)), samples(target), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", CONVERSIONS)
@given(srgb=st.tuples(unit, unit, unit))
def test_a_conversion_is_undone_by_its_opposite(name, srgb):
    """Within 1e-7: the two bounds of sRGB's linear part, as printed, miss each other by that."""
    source, target = ends(name)
    color = in_coloraide(COLORAIDE_NAMES[source], [srgb], "srgb")[0]
    back = CONVERSIONS[f"{source}_from_{target}"](CONVERSIONS[name](color))
    np.testing.assert_allclose(back, color, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_color_comes_out_alike_alone_and_in_any_company(name):
    """To the last bit, whatever the shape and the strides, and the input stays as it was."""
    colors = samples(ends(name)[0])[:1000]
    before = colors.copy()
    expected = CONVERSIONS[name](colors)
    assert expected.dtype == np.float64
    assert not np.shares_memory(expected, colors)
    np.testing.assert_array_equal(
        CONVERSIONS[name](colors.reshape(10, 20, 5, 3)).ravel(), expected.ravel()
    )
    np.testing.assert_array_equal(CONVERSIONS[name](np.asfortranarray(colors)), expected)
    np.testing.assert_array_equal(CONVERSIONS[name](colors[::-2]), expected[::-2])
    for color, converted in zip(colors.tolist(), expected, strict=True):
        np.testing.assert_array_equal(CONVERSIONS[name](color), converted)
    np.testing.assert_array_equal(colors, before)


@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, np.longdouble])
def test_any_real_type_is_taken_for_what_it_says(name, dtype):
    colors = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    np.testing.assert_array_equal(
        CONVERSIONS[name](colors), CONVERSIONS[name](colors.astype(np.float64))
    )


@pytest.mark.parametrize("name", [*CONVERSIONS, "srgb_from_u8", "srgb_to_u8"])
def test_no_color_at_all_is_fine_and_other_shapes_are_refused(name):
    convert = getattr(spaces, name)
    assert convert(np.empty((0, 3))).shape == (0, 3)
    assert convert(np.empty((2, 0, 3))).shape == (2, 0, 3)
    for wrong in (0.5, [], [0.1, 0.2], np.zeros((3, 4))):
        with pytest.raises(ValueError, match=r"colors have the shape \(\.\.\., 3\), not \("):
            convert(wrong)


@pytest.mark.parametrize("target", ["lab_d65", "oklab"])
def test_every_8_bit_color_survives_the_way_there_and_back(target):
    colors = np.random.default_rng(8).integers(0, 256, (50_000, 3), np.uint8)
    there = CONVERSIONS[f"{target}_from_srgb"](spaces.srgb_from_u8(colors))
    back = spaces.srgb_to_u8(CONVERSIONS[f"srgb_from_{target}"](there))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, colors)


def test_8_bits_are_clipped_and_halves_are_rounded_up():
    steps = np.array([[0.49, 0.5, 1.5], [2.5, 254.49, 254.5], [-1, 256, 1e308]]) / 255
    assert spaces.srgb_to_u8(steps).tolist() == [[0, 1, 2], [3, 254, 255], [0, 255, 255]]
    assert spaces.srgb_to_u8([-np.inf, np.inf, 0]).tolist() == [0, 255, 0]
    with pytest.raises(ValueError, match="NaN"):
        spaces.srgb_to_u8([[0, 0, 0], [0, np.nan, 0]])


def test_grays_have_no_chroma_and_white_is_white():
    grays = np.repeat(np.arange(256)[:, np.newaxis], 3, axis=1)
    lab = spaces.lab_d65_from_srgb(spaces.srgb_from_u8(grays))
    oklab = spaces.oklab_from_srgb(spaces.srgb_from_u8(grays))
    assert np.abs(lab[:, 1:]).max() < 1e-12
    assert np.abs(oklab[:, 1:]).max() < 1e-14
    assert (lab[-1, 0], oklab[-1, 0]) == pytest.approx((100, 1), abs=1e-12)
    adapted = spaces.lab_d50_from_xyz_d50(spaces.xyz_d50_from_xyz_d65(spaces.WHITE_D65))
    assert adapted == pytest.approx([100, 0, 0], abs=1e-12)


def test_the_matrices_are_those_that_were_printed():
    """IEC 61966-2-1, 5.2, to four digits; Lindbloom's Bradford, for slightly other whites."""
    printed = [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]]
    assert spaces.xyz_d65_from_linear(np.eye(3)) == pytest.approx(np.array(printed), abs=5e-5)
    bradford = [
        [1.0478112, 0.0295424, -0.0092345],
        [0.0228866, 0.9904844, 0.0150436],
        [-0.0501270, -0.0170491, 0.7521316],
    ]
    assert spaces.xyz_d50_from_xyz_d65(np.eye(3)) == pytest.approx(np.array(bradford), abs=3e-4)


def test_oklab_is_that_of_its_paper():
    """Its table of XYZ and OKLab pairs, printed with three digits."""
    xyz = [[0.950, 1.000, 1.089], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    printed = [[1, 0, 0], [0.450, 1.236, -0.019], [0.922, -0.671, 0.263], [0.153, -1.415, -0.449]]
    assert spaces.oklab_from_xyz_d65(xyz) == pytest.approx(np.array(printed), abs=1e-3)
