"""Each operation against a computation of its own in NumPy, SciPy or Pillow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image, ImageOps

from pixmill.imaging.operations import OPERATIONS, PRESETS, parse_text
from pixmill.imaging.operations.geometry import COMPASS
from tests import drawn
from tests.rendered import mean_difference, rendered, result, samples_of

RGB = drawn.noise(37, 52)
RGBA = drawn.noise(37, 52, 4, seed=2)
GREY = drawn.noise(37, 52, 1, seed=3)[:, :, 0]
EVERY = pytest.mark.parametrize("samples", [RGB, RGBA, GREY], ids=["rgb", "rgba", "grey"])
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def rounded(values):
    return np.clip(np.floor(np.asarray(values, float) + 0.5), 0, 255).astype(np.uint8)


def gaussian(rgb, sigma):
    return scipy.ndimage.gaussian_filter(rgb.astype(float), (sigma, sigma, 0), mode="nearest")


def third(rgb):
    return (rgb[:, :, :3].astype(int).sum(axis=2) // 3).astype(np.uint8)


def test_every_operation_and_preset_runs_by_its_example():
    for text in (*(each.example for each in OPERATIONS.values()), *PRESETS.values()):
        assert rendered(drawn.encoded(RGB, "PNG"), text).data


def test_grey_is_exactly_a_third_of_the_sum_for_all_sums():
    y, x = np.mgrid[0:256, 0:256]
    rgb = np.stack([x, y, (x * 7 + y * 13) % 256], axis=2).astype(np.uint8)
    assert np.array_equal(result(rgb, "grayscale"), third(rgb))


def test_grey_keeps_alpha_and_grey_stays_as_it_is():
    expected = np.dstack([third(RGBA), RGBA[:, :, 3]])
    assert np.array_equal(result(RGBA, "grayscale"), expected)
    assert np.array_equal(result(GREY, "grayscale"), GREY)


def test_luma_is_that_of_rec_709():
    expected = rounded(RGB @ np.array([0.2126, 0.7152, 0.0722]))
    difference = np.abs(result(RGB, "grayscale luma").astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001  # halves that floats of 32 bits see on the other side


@EVERY
def test_flip_flop_and_quarter_turns_are_exact(samples):
    assert np.array_equal(result(samples, "flip"), samples[::-1])
    assert np.array_equal(result(samples, "flop"), samples[:, ::-1])
    for turns in range(-4, 5):
        assert np.array_equal(result(samples, f"rotate {90 * turns}"), np.rot90(samples, -turns))


def test_a_turn_after_a_resize_is_exact_too():
    small = result(RGB, "resize 26 19 force")
    assert np.array_equal(result(RGB, "resize 26 19 force\nrotate 90"), np.rot90(small, -1))
    assert np.array_equal(result(RGB, "resize 26 19 force\nflip"), small[::-1])


@EVERY
@pytest.mark.parametrize(
    ("words", "rows", "columns"),
    [
        ("3 5 20 10", slice(5, 15), slice(3, 23)),
        ("0 0 65535 65535", slice(0, 37), slice(0, 52)),
        ("50 30 10 10", slice(30, 37), slice(50, 52)),
        ("60 70 5 5", slice(36, 37), slice(51, 52)),
    ],
)
def test_a_crop_is_what_lies_within_or_the_nearest_pixel(samples, words, rows, columns):
    assert np.array_equal(result(samples, f"crop {words}"), samples[rows, columns])


def with_alpha(samples):
    bands = samples[:, :, None] if samples.ndim == 2 else samples
    if bands.shape[2] in (2, 4):
        return bands
    return np.dstack([bands, np.full(bands.shape[:2], 255, np.uint8)])


@EVERY
@pytest.mark.parametrize("gravity", COMPASS)
def test_pad_puts_the_picture_where_gravity_says(samples, gravity):
    left = 0 if "west" in gravity else 28 if "east" in gravity else 14
    top = 0 if "north" in gravity else 4 if "south" in gravity else 2
    bands = with_alpha(samples)
    clear = np.zeros((41, 80, bands.shape[2]), np.uint8)
    clear[top : top + 37, left : left + 52] = bands
    assert np.array_equal(result(samples, f"pad 80 41 {gravity}"), clear)


@EVERY
def test_pad_by_a_color_is_exact_and_colors_grey(samples):
    found = result(samples, "pad 60 1 #0a64C8 east")
    bands = with_alpha(samples)
    rgba = np.dstack([np.repeat(bands[:, :, :1], 3, 2) if bands.shape[2] == 2 else bands[:, :, :3],
                      bands[:, :, -1]])  # fmt: skip
    border = np.full((37, 8, 4), (10, 100, 200, 255), np.uint8)
    expected = np.hstack([border, rgba])
    assert np.array_equal(found, expected[:, :, : found.shape[2]])
    assert result(GREY, "pad 60 40 #808080").ndim == 2


@EVERY
def test_invert_is_exact_and_leaves_alpha(samples):
    expected = 255 - samples
    if samples.ndim == 3 and samples.shape[2] == 4:
        expected[:, :, 3] = samples[:, :, 3]
    assert np.array_equal(result(samples, "invert"), expected)


@pytest.mark.parametrize("level", [0, 1, 100, 255])
def test_threshold_is_exact(level):
    expected = np.where(third(RGB) >= level, 255, 0)
    assert np.array_equal(result(RGB, f"threshold {level}"), expected)
    grey, alpha = np.moveaxis(result(RGBA, f"threshold {level}"), 2, 0)
    assert np.array_equal(grey, np.where(third(RGBA) >= level, 255, 0))
    assert np.array_equal(alpha, RGBA[:, :, 3])


def test_flatten_is_exact():
    color = np.array([10, 100, 200])
    alpha = RGBA[:, :, 3:].astype(int)
    expected = (RGBA[:, :, :3] * alpha + color * (255 - alpha)) // 255
    assert np.array_equal(result(RGBA, "flatten #0A64C8"), expected)
    grey = np.dstack([GREY, RGBA[:, :, 3]])
    white = (GREY * alpha[:, :, 0] + 255 * (255 - alpha[:, :, 0])) // 255
    assert np.array_equal(result(grey, "flatten #FFFFFF"), white)
    assert np.array_equal(result(RGB, "flatten #0A64C8"), RGB)


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("gamma 1.8", lambda v: 255 * (v / 255) ** (1 / 1.8)),
        ("gamma 0.5", lambda v: 255 * (v / 255) ** 2),
        ("brightness 1.3", lambda v: v * 1.3),
        ("brightness 0", lambda v: v * 0),
        ("contrast 1.7", lambda v: (v - 127.5) * 1.7 + 127.5),
        ("contrast 0", lambda v: v * 0 + 127.5),
    ],
)
def test_tones_are_their_formulas(text, formula):
    assert np.array_equal(result(RAMP, text), rounded(formula(RAMP.astype(float))))
    colored = result(RGBA, text)
    assert np.array_equal(colored[:, :, :3], rounded(formula(RGBA[:, :, :3].astype(float))))
    assert np.array_equal(colored[:, :, 3], RGBA[:, :, 3])


def test_normalize_fills_the_range_but_for_a_hundredth():
    values = np.repeat(np.arange(60, 151, dtype=np.uint8), 100).reshape(91, 100)
    values[0, 0], values[90, 99] = 0, 255
    expected = rounded((values.astype(float) - 60) * 255 / (150 - 60))
    assert np.array_equal(result(values, "normalize"), expected)


def test_normalize_stretches_colors_together():
    rgb = np.stack([RAMP // 4 + 20, RAMP // 4 + 60, RAMP // 4 + 100], 2)
    sorted_values = np.sort(rgb, axis=None)
    clipped = int(rgb.size * 0.01)
    low, high = (int(sorted_values[at]) for at in (clipped, -1 - clipped))
    expected = rounded((rgb.astype(float) - low) * 255 / (high - low))
    assert np.array_equal(result(rgb, "normalize"), expected)


def test_equalize_is_the_scaled_cumulative_histogram():
    values = (RAMP.astype(int) ** 2 // 300 + 10).astype(np.uint8)
    up_to = np.cumsum(np.bincount(values.ravel(), minlength=256))
    lowest = up_to[values.min()]
    expected = rounded(255 * (up_to[values] - lowest) / (values.size - lowest))
    assert np.array_equal(result(values, "equalize"), expected)


@pytest.mark.parametrize("name", ["normalize", "equalize"])
def test_histograms_see_no_transparent_pixel_and_leave_one_value_alone(name):
    flat = np.full((9, 9, 3), 77, np.uint8)
    assert np.array_equal(result(flat, name), flat)
    seen = np.dstack([drawn.noise(20, 20, 3, high=50), np.full((20, 20), 255, np.uint8)])
    unseen = np.zeros((20, 20, 4), np.uint8)
    unseen[:, :, :3] = 255
    both = result(np.vstack([seen, unseen]), name)
    assert np.array_equal(both[:20, :, :3], result(seen[:, :, :3], name))
    hidden = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    assert np.array_equal(result(hidden, name), hidden)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1, 2, 3.2, 5, 10])
def test_blur_is_a_gaussian(sigma):
    picture = drawn.picture(80, 90)
    expected = gaussian(picture, sigma)
    difference = np.abs(result(picture, f"blur {sigma}") - expected)
    assert difference.mean() < 0.6
    assert difference.max() < 4


@pytest.mark.parametrize("sigma", [0.5, 1, 3.2, 5, 30])
def test_blur_leaves_a_flat_picture_nearly_as_it_is(sigma):
    for value in (0, 100, 254, 255):
        flat = np.full((20, 20, 3), value, np.uint8)
        assert np.abs(result(flat, f"blur {sigma}").astype(int) - value).max() <= 1
    white = np.full((20, 20, 3), 255, np.uint8)
    assert np.array_equal(result(white, f"blur {sigma}"), white)


def test_blur_gives_no_color_of_what_is_not_seen():
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[:, :, 1] = 255
    rgba[10:30, 10:30] = (200, 40, 60, 255)
    found = result(rgba, "blur 3")
    colors = found[found[:, :, 3] > 40][:, :3].astype(int)
    assert np.abs(colors - (200, 40, 60)).max() <= 6


@EVERY
def test_sharpen_adds_the_difference_from_the_blurred(samples):
    blurred = result(samples, "blur 1.5").astype(int)
    expected = np.clip(2 * samples.astype(int) - blurred, 0, 255)
    if samples.ndim == 3 and samples.shape[2] == 4:
        expected[:, :, 3] = samples[:, :, 3]
    assert np.array_equal(result(samples, "sharpen 1.5"), expected)


def test_trim_cuts_the_border_off():
    framed = np.full((50, 60, 3), (200, 210, 220), np.uint8)
    framed[::2] += 5
    framed[12:30, 20:45] = drawn.noise(18, 25, 3, high=150)
    assert np.array_equal(result(framed, "trim"), framed[12:30, 20:45])
    assert np.array_equal(result(framed, "trim 4"), framed[1:])
    assert np.array_equal(result(framed[:10], "trim 255"), framed[:10])


def test_trim_takes_unseen_pixels_for_alike():
    rgba = np.dstack([drawn.noise(30, 30), np.zeros((30, 30), np.uint8)])
    rgba[5:9, 7:12, 3] = 255
    assert np.array_equal(result(rgba, "trim 0"), rgba[5:9, 7:12])


@pytest.mark.parametrize("degrees", [1, 30, 45, 100.5, -200, 359])
def test_rotation_is_about_the_middle_into_the_smallest_box(degrees):
    picture = rounded(
        scipy.ndimage.gaussian_filter(drawn.picture(80, 121).astype(float), (2, 2, 0))
    )
    found = result(picture, f"rotate {degrees}")
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    size = (
        math.ceil(121 * abs(sine) + 80 * abs(cosine) - 1e-6),
        math.ceil(121 * abs(cosine) + 80 * abs(sine) - 1e-6),
    )
    assert found.shape == (*size, 4)
    back = np.array([[cosine, -sine], [sine, cosine]])  # from (y, x) of the box to the picture's
    offset = np.array([79, 120]) / 2 - back @ ((np.array(size) - 1) / 2)

    def moved(plane, order):
        return scipy.ndimage.affine_transform(plane, back, offset, size, order=order)

    planes = np.moveaxis(picture.astype(float), 2, 0)
    expected = np.dstack([moved(plane, 3) for plane in planes])
    inside = moved(np.ones((80, 121)), 1) > 0.999
    inner = scipy.ndimage.binary_erosion(inside, iterations=3)
    assert np.abs(found[inner][:, :3] - expected[inner]).mean() < 1
    assert (found[inner][:, 3] == 255).all()
    assert (found[~scipy.ndimage.binary_dilation(inside, iterations=3)][:, 3] == 0).all()


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif", "tiff"])
def test_convert_writes_every_format(name):
    picture = drawn.picture(60, 90)
    found = rendered(drawn.encoded(picture, "PNG"), f"convert {name}")
    assert (found.format, found.width, found.height) == (name, 90, 60)
    assert mean_difference(samples_of(found.data), picture) < (0.001 if name in "png tiff" else 8)


def test_jpeg_has_white_where_there_is_nothing():
    clear = np.zeros((16, 16, 4), np.uint8)
    assert (samples_of(rendered(drawn.encoded(clear, "PNG"), "convert jpeg").data) == 255).all()


def test_a_higher_quality_is_a_longer_file():
    data = drawn.encoded(drawn.picture(60, 90), "PNG")
    for name in ("jpeg", "webp", "avif"):
        sizes = [len(rendered(data, f"convert {name} {quality}").data) for quality in (20, 60, 95)]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2]


def test_of_two_conversions_the_last_counts():
    data = drawn.encoded(RGB, "PNG")
    assert rendered(data, "convert webp 20\nflip\nconvert png").format == "png"


def test_the_same_bytes_give_the_same_bytes():
    data = drawn.encoded(RGBA, "PNG")
    for name in ("jpeg", "png", "webp", "avif", "tiff"):
        text = f"resize 30\nrotate 10\nconvert {name}"
        assert rendered(data, text) == rendered(data, text)


def test_pillow_agrees_on_what_is_upside_down():
    image = Image.fromarray(RGB)
    assert np.array_equal(result(RGB, "flip"), np.asarray(ImageOps.flip(image)))
    assert np.array_equal(result(RGB, "flop"), np.asarray(ImageOps.mirror(image)))
    assert parse_text("flip") != parse_text("flop")
