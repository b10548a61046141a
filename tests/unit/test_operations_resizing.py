"""Resizing: near a Lanczos filter, and decoding small shows in speed alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests import drawn
from tests.rendered import mean_difference, rendered, samples_of


@pytest.mark.parametrize("size", [(1600, 1200), (1203, 1607), (999, 1001), (4001, 230)])
@pytest.mark.parametrize(
    "options",
    [
        {"kind": "JPEG", "quality": 90},
        {"kind": "JPEG", "quality": 80, "progressive": True},
        {"kind": "WEBP", "quality": 80, "method": 0},
        {"kind": "WEBP", "lossless": True, "method": 0},
    ],
)
def test_decoding_small_shows_in_speed_alone(size, options):
    data = drawn.encoded(drawn.picture(*size), **options)
    with Image.open(io.BytesIO(data)) as image:
        whole = drawn.encoded(image.convert("RGB"), "PNG", compress_level=0)
    for text in (
        "resize 150 150", "resize 300 300", "resize 130 90 fill", "scale 0.1", "resize 99 19 force",
    ):  # fmt: skip
        small = samples_of(rendered(data, f"{text}\nconvert png").data)
        full = samples_of(rendered(whole, text).data)
        assert mean_difference(small, full) < 1.5, text


@pytest.mark.parametrize("text", ["resize 300 300", "resize 77 200 force", "scale 0.41"])
@pytest.mark.parametrize("samples", [drawn.picture(600, 800), drawn.picture(600, 800)[:, :, :1]])
def test_a_resize_is_that_of_lanczos(text, samples):
    image = Image.fromarray(samples.squeeze())
    found = samples_of(rendered(drawn.encoded(image, "PNG"), text).data)
    expected = image.resize(found.shape[1::-1], Image.Resampling.LANCZOS)
    assert mean_difference(found, np.asarray(expected)) < 1
    after = samples_of(rendered(drawn.encoded(image, "PNG"), f"flip\nflip\n{text}").data)
    assert mean_difference(found, after) < 1


@pytest.mark.parametrize("text", ["resize 900 700", "scale 1.7", "resize 300 1100 force"])
def test_a_picture_is_enlarged_smoothly(text):
    image = Image.fromarray(drawn.picture(300, 400))
    found = samples_of(rendered(drawn.encoded(image, "PNG"), text).data)
    expected = image.resize(found.shape[1::-1], Image.Resampling.BICUBIC)
    assert mean_difference(found, np.asarray(expected)) < 1.5


def test_what_is_not_seen_gives_no_color_to_a_resized_picture():
    rgba = np.zeros((400, 400, 4), np.uint8)
    rgba[:, :, 1] = 255
    rgba[101:303, 97:299] = (200, 40, 60, 255)
    for text in ("resize 90 90", "resize 61 60 fill", "resize 901 999 force"):
        found = samples_of(rendered(drawn.encoded(rgba, "PNG"), text).data)
        colors = found[found[:, :, 3] > 20][:, :3].astype(int)
        assert np.abs(colors - (200, 40, 60)).max() <= 2
