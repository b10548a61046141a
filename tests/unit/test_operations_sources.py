"""What a chain starts from: the upright picture, of any format, in 8 bits."""

from __future__ import annotations

import io
import mmap

import numpy as np
import pytest
from PIL import Image, ImageOps

from pixmill.imaging.decode import decode
from pixmill.imaging.operations import parse_text
from pixmill.imaging.probe import Limits, probe
from pixmill.imaging.rendering import render
from tests import drawn
from tests.rendered import mean_difference, rendered, samples_of
from tests.unit.test_scaled import SRGB

PICTURE = drawn.picture(40, 56)
ORIENTED = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


def oriented(rgb, kind, orientation, **options):
    """A file whose metadata ask for an orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    if kind == "TIFF":
        options["tiffinfo"] = {274: orientation}
    else:
        options["exif"] = exif.tobytes()
    return drawn.encoded(rgb, kind, **options)


def upright(data):
    """The upright picture by Pillow, in RGB."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("kind", ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(kind, orientation):
    data = oriented(PICTURE, kind, orientation)
    found = samples_of(rendered(data, "convert png").data)
    assert np.array_equal(found, upright(data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("text", ["resize 90 80", "resize 60 60 fill northwest", "scale 0.2"])
def test_a_jpeg_that_is_decoded_small_is_turned_upright(orientation, text):
    data = oriented(drawn.picture(301, 402), "JPEG", orientation, quality=95)
    whole = drawn.encoded(upright(data), "PNG")
    small = samples_of(rendered(data, f"{text}\nconvert png").data)
    assert mean_difference(small, samples_of(rendered(whole, text).data)) < 1


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"junk"])
def test_broken_metadata_turn_nothing(exif):
    plain = drawn.encoded(PICTURE, "JPEG")
    data = plain[:2] + drawn.segment(0xE1, exif) + plain[2:]
    assert rendered(data, "convert png") == rendered(plain, "convert png")


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_there_is_not_turns_nothing(value):
    data = oriented(PICTURE, "PNG", value)
    assert np.array_equal(samples_of(rendered(data, "").data), PICTURE)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "ICO"])
def test_every_format_is_read_and_written_in_its_own_or_as_png(kind):
    data = drawn.encoded(Image.fromarray(PICTURE), kind)
    found = rendered(data, "")
    assert found.format == (kind.lower() if kind not in {"GIF", "BMP", "ICO"} else "png")
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert mean_difference(samples_of(found.data)[:, :, :3], expected) < 4


def test_a_cmyk_jpeg_has_the_colors_of_the_pixel_contract():
    data = drawn.encoded(Image.fromarray(PICTURE).convert("CMYK"), "JPEG")
    (pixels,) = decode(data, probe(data))
    assert np.array_equal(samples_of(rendered(data, "convert png").data), pixels.rgb)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_stays_grey(kind):
    data = drawn.encoded(Image.fromarray(PICTURE[:, :, 0]), kind)
    for text in ("", "resize 20", "blur 2", "pad 90 90 #101010"):
        assert samples_of(rendered(data, text).data).ndim == 2


@pytest.mark.parametrize("channels", [2, 4])
def test_16_bits_are_reduced_as_the_pixel_contract_says(channels):
    samples = drawn.noise(20, 30, channels, high=65536, dtype=np.uint16)
    data = drawn.png(samples, 16, {2: 4, 4: 6}[channels])
    assert np.array_equal(samples_of(rendered(data, "").data), samples >> 8)


def test_alpha_comes_through_and_idle_alpha_is_left_out():
    rgba = drawn.noise(20, 30, 4)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        found = samples_of(rendered(drawn.encoded(rgba, kind, **options), "convert png").data)
        assert np.array_equal(found, rgba)
    rgba[:, :, 3] = 255
    found = samples_of(rendered(drawn.encoded(rgba, "PNG"), "").data)
    assert np.array_equal(found, rgba[:, :, :3])


def test_a_large_picture_comes_whole_through_its_strips():
    rgba = np.tile(drawn.noise(37, 4000, 4), (81, 1, 1))
    data = drawn.encoded(rgba, "PNG", compress_level=0)
    assert probe(data).strips
    assert np.array_equal(samples_of(rendered(data, "crop 0 2900 4000 97").data), rgba[2900:])
    large = np.tile(drawn.picture(37, 4000), (81, 1, 1))
    data = drawn.encoded(large, "PNG", compress_level=0)
    small = samples_of(rendered(data, "resize 400").data)
    expected = np.asarray(Image.fromarray(large).resize((400, 300), Image.Resampling.LANCZOS))
    assert mean_difference(small, expected) < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP"])
@pytest.mark.parametrize("text", ["", "resize 90", "strip\nrotate 3\nsharpen\ntrim"])
def test_nothing_holds_on_to_the_file(kind, text):
    icc = {"icc_profile": SRGB} if kind in {"JPEG", "PNG", "WEBP", "AVIF"} else {}
    with mmap.mmap(-1, len(data := drawn.encoded(drawn.picture(300, 400), kind, **icc))) as file:
        file[:] = data
        with memoryview(file) as view:
            header = probe(view)
            render(view, header, parse_text(text), Limits())
