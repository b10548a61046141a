"""`dominant_colors`, `representative_color` and `match` take an image in any form, all alike."""

from __future__ import annotations

import ast
import io
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import pixmill
from pixmill import dominant_colors, match, representative_color, top_colors
from pixmill.analysis import Task, Wanted, analyze
from pixmill.color.palette_files import write_palette
from pixmill.errors import (
    CorruptImage,
    InputError,
    TooManyPixels,
    UnsupportedFormat,
    UsageError,
)
from pixmill.imaging.probe import Limits, probe
from tests import drawn
from tests.unit.test_scaled import SWAPPED

SUMMARIZERS = ("kmeans", "mean", "background")
RGB = drawn.picture(90, 120)  # fits 200 x 200, so it is not shrunk
RGBA = np.dstack((RGB, np.where(drawn.noise(90, 120, 1) > 90, 255, 0).astype(np.uint8)))
LARGE = drawn.picture(600, 830)


def square():
    """A black square that almost fills a white ground."""
    rgb = np.full((500, 500, 3), 255, np.uint8)
    rgb[40:460, 40:460] = 0
    return rgb


def every_form(data, folder):
    path = folder / "image"
    path.write_bytes(data)
    yield data
    yield bytearray(data)
    yield memoryview(data)
    yield path
    yield str(path)
    yield io.BytesIO(data)
    with path.open("rb") as file:
        yield file


@pytest.mark.parametrize("summarizer", SUMMARIZERS)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_file_in_every_form_gives_what_a_batch_gives(tmp_path, form, summarizer):
    data = drawn.encoded(LARGE if form == "JPEG" else RGB, form)
    wanted = Wanted(n=3, summarizer=summarizer)
    batch = analyze(data, Task(probe(data), wanted)).clusters
    for each in every_form(data, tmp_path):
        assert dominant_colors(each, summarizer=summarizer) == batch
    assert representative_color(data, summarizer=summarizer) == batch[0]
    assert match(data, summarizer=summarizer).clusters == batch


@pytest.mark.parametrize("samples", [RGB, RGBA, RGB[:, :, :1]], ids=["RGB", "RGBA", "gray"])
@pytest.mark.parametrize("summarizer", SUMMARIZERS)
def test_arrays_and_pillow_images_of_the_same_samples_give_what_the_file_gives(samples, summarizer):
    plain = samples[:, :, 0] if samples.shape[2] == 1 else samples
    image = Image.fromarray(plain)
    expected = dominant_colors(drawn.encoded(image, "PNG"), summarizer=summarizer)
    assert dominant_colors(samples, summarizer=summarizer) == expected
    assert dominant_colors(plain, summarizer=summarizer) == expected
    assert dominant_colors(image, summarizer=summarizer) == expected
    frozen = samples.copy()
    frozen.flags.writeable = False
    assert dominant_colors(frozen, summarizer=summarizer) == expected


def test_a_large_array_is_shrunk_as_its_lossless_file_is():
    assert dominant_colors(LARGE) == dominant_colors(drawn.encoded(LARGE, "PNG"))


def test_pixels_without_rows_have_clusters_but_no_background():
    flat = RGB.reshape(-1, 3)
    assert representative_color(flat, summarizer="mean").centroid == pytest.approx(
        flat.mean(axis=0)
    )
    assert dominant_colors(flat) == dominant_colors(RGB)
    with pytest.raises(ValueError, match="no background"):
        dominant_colors(flat, summarizer="background")


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5, 4), (5, 0, 3), (0, 3), (0, 9)])
def test_an_empty_array_has_no_color(shape):
    empty = np.empty(shape, np.uint8)
    assert dominant_colors(empty) == ()
    assert representative_color(empty) is None
    assert match(empty).nearest is None


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_what_is_all_transparent_has_no_color(form):
    data = drawn.encoded(np.zeros((9, 9, 4), np.uint8), form)
    assert dominant_colors(data) == ()
    assert representative_color(data) is None
    found = match(data)
    assert (found.color, found.nearest, found.found) == (None, None, False)


def test_transparent_pixels_are_not_seen():
    hidden = np.zeros((20, 20, 4), np.uint8)
    hidden[:] = (255, 0, 0, 0)
    hidden[:2, :2] = (0, 128, 0, 255)
    for image in (hidden, drawn.encoded(hidden, "PNG")):
        assert [(c.hex, c.share) for c in dominant_colors(image)] == [("#008000", 1.0)]
        assert match(image).nearest.name == "green"


def test_an_embedded_profile_is_honored_by_clusters_and_not_by_exact_colors():
    data = drawn.encoded(np.full((4, 4, 3), (255, 0, 0), np.uint8), "PNG", icc_profile=SWAPPED)
    assert top_colors(data, 1)[0].hex == "#FF0000"
    assert match(data).nearest.name == "blue"


@pytest.mark.parametrize(
    ("image", "names"),
    [
        (np.zeros((1, 1, 3), np.uint8), ("black", "black", "black")),
        (np.full((1, 1, 3), 255, np.uint8), ("white", "white", "white")),
        (square(), ("black", None, "white")),
        (np.full((300, 200, 3), (210, 105, 30), np.uint8), ("chocolate",) * 3),
    ],
    ids=["black pixel", "white pixel", "square", "flat"],
)
def test_plain_pictures_match_what_everyone_sees(image, names):
    for summarizer, name in zip(SUMMARIZERS, names, strict=True):
        for form in (image, Image.fromarray(image), drawn.encoded(image, "PNG")):
            found = match(form, summarizer=summarizer)
            if name is not None:
                assert found.nearest.name == name
                assert found.found


def test_the_mean_of_the_black_square_is_the_mean_of_its_pixels():
    mean = representative_color(square(), summarizer="mean")
    assert mean.rgb == (75, 75, 75)
    assert mean.share == 1.0


def test_noise_of_every_hue_is_gray():
    hsv = drawn.noise(400, 500, 3)
    image = Image.merge("HSV", [Image.fromarray(hsv[:, :, i]) for i in range(3)])
    data = drawn.encoded(image.convert("RGB"), "PNG")
    assert match(data, summarizer="mean").nearest.name in {"gray", "dimgray"}


@pytest.mark.parametrize("space", ["srgb", "lab", "oklab", "ciede2000"])
def test_a_match_is_that_of_the_palette(space):
    data = drawn.encoded(LARGE, "JPEG")
    found = match(data, space=space)
    nearest = pixmill.Palette.css().nearest(representative_color(data).rgb, space)
    assert (found.nearest.name, found.nearest.distance) == (nearest.entry.name, nearest.distance)
    assert (found.metric, found.max_distance) == (space, nearest.max_distance)


def test_a_palette_is_named_a_file_or_an_object(tmp_path):
    shop = pixmill.Palette("shop", (pixmill.Entry("moss", (0, 120, 0), "M-1"),))
    path = tmp_path / "shop.csv"
    path.write_bytes(write_palette(shop, "csv"))
    green = np.full((2, 2, 3), (0, 128, 0), np.uint8)
    for palette in (shop, path, str(path), pixmill.load_palette(path)):
        found = match(green, palette)
        assert (found.palette, found.nearest.name, found.nearest.id) == ("shop", "moss", "M-1")
    assert not match(green, shop, max_distance=0.001).found


@pytest.mark.parametrize("n", [0, -1, 257, 10**30])
def test_a_number_of_clusters_out_of_range_is_refused(n):
    with pytest.raises(ValueError, match="from 1 to 256"):
        dominant_colors(RGB, n)
    with pytest.raises(ValueError, match="from 1 to 256"):
        representative_color(RGB, k=n)


@pytest.mark.parametrize("n", [1.5, "3", None])
def test_a_number_that_is_none_is_refused(n):
    with pytest.raises(TypeError):
        dominant_colors(RGB, n)


@pytest.mark.parametrize("n", [1, 2, 256])
def test_any_number_of_clusters_is_the_most_there_are(n):
    assert len(dominant_colors(RGB, n)) == n
    assert len(dominant_colors(np.zeros((4, 4, 3), np.uint8), n)) == 1
    assert dominant_colors(RGB, np.int64(2)) == dominant_colors(RGB, 2)


@pytest.mark.parametrize("summarizer", ["median", "", None, 5])
def test_another_summarizer_is_refused(summarizer):
    with pytest.raises(ValueError, match="summarizer must be one of kmeans, mean, background"):
        dominant_colors(RGB, summarizer=summarizer)
    with pytest.raises(UsageError, match="summarizer is one of"):
        match(RGB, summarizer=summarizer)


@pytest.mark.parametrize(
    "order", [{"space": "hsv"}, {"max_distance": -1}, {"max_distance": math.nan}]
)
def test_another_metric_or_tolerance_is_refused(order):
    with pytest.raises(UsageError):
        match(RGB, **order)


def test_a_palette_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="can not be read"):
        match(RGB, tmp_path / "none.json")


@pytest.mark.parametrize("shape", [(), (9,), (4, 4, 2), (4, 4, 5), (2, 4, 4, 3)])
def test_an_array_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(h, w, 3\)"):
        dominant_colors(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint16, np.int8, np.float32, bool, object])
def test_an_array_of_another_type_is_refused(dtype):
    with pytest.raises(TypeError, match="uint8"):
        dominant_colors(np.zeros((2, 2, 3), dtype))


@pytest.mark.parametrize("image", [None, 3, [1, 2, 3], io.StringIO("text"), object()])
def test_what_is_no_image_at_all_is_refused(image):
    with pytest.raises(TypeError):
        dominant_colors(image)


def test_files_are_held_to_limits_and_to_their_format(tmp_path):
    data = drawn.encoded(LARGE, "JPEG")
    for ask in (dominant_colors, representative_color, match):
        with pytest.raises(TooManyPixels):
            ask(data, limits=Limits(max_pixels=1000))
        with pytest.raises(UnsupportedFormat):
            ask(b"no image")
        with pytest.raises(UnsupportedFormat):
            ask(b"")
        with pytest.raises(CorruptImage):
            ask(data[: len(data) // 2])
        with pytest.raises(OSError, match="No such file"):
            ask(tmp_path / "none.png")


HEAVY = ("numba", "numpy", "scipy", "PIL", "pyvips", "simplejpeg", "aiohttp")


@pytest.mark.parametrize(
    ("program", "loaded"),
    [
        ("import pixmill", []),
        ("import pixmill; dir(pixmill); pixmill.Cluster; pixmill.Match; pixmill.RunError", []),
        ("import pixmill.matching, numpy; pixmill.load_palette('css')", ["numpy", "scipy"]),
    ],
)
def test_importing_it_stays_cheap(program, loaded):
    assert modules_after(program, HEAVY) == loaded


def test_counting_an_array_imports_neither_scipy_nor_clusters():
    """Numba imports `scipy` and its linear algebra; what palettes need is not among that."""
    program = "import numpy, pixmill; pixmill.top_colors(numpy.zeros((9, 9, 3), 'u1'))"
    heavy = ("scipy.spatial", "PIL", "pixmill.color.clustering", "pixmill.color.palette")
    assert modules_after(program, heavy) == []


def test_clusters_of_an_array_import_no_palette():
    program = "import numpy, pixmill; pixmill.dominant_colors(numpy.zeros((9, 9, 3), 'u1'))"
    assert modules_after(program, ("pixmill.color.palette", "aiohttp", "pyvips")) == []


def modules_after(program, names):
    ending = f"; import sys; print([m for m in {names!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program + ending],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return ast.literal_eval(done.stdout)
