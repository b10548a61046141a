"""`top_colors` takes an image in any form, and every form of the same image gives the same."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import pixmill
from pixmill import top_colors
from pixmill.analysis import Task, Wanted, analyze
from pixmill.color.counting import count_top_reference
from pixmill.errors import CorruptImage, TooManyPixels, UnsupportedFormat
from pixmill.imaging.probe import Limits, probe

RNG = np.random.default_rng(2)
RGBA = RNG.integers(0, 4, (30, 50, 4), np.uint8)
RGB = np.ascontiguousarray(RGBA[:, :, :3])
GREY = np.ascontiguousarray(RGBA[:, :, 0])


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pairs(colors):
    return [(int(color.hex[1:], 16), color.count) for color in colors]


def expected(rgb, n=3, visible=None):
    top = count_top_reference(rgb, n, visible=visible)
    return pairs(pixmill.analysis.colors_of(top, n))


# Arrays


def test_an_array_gives_frozen_colors_with_counts_and_shares():
    first, second = top_colors(np.array([[[1, 2, 255], [1, 2, 255], [0, 0, 0]]], np.uint8), 2)
    assert first == pixmill.Color((1, 2, 255), "#0102FF", 2, 2 / 3)
    assert second == pixmill.Color((0, 0, 0), "#000000", 1, 1 / 3)
    with pytest.raises(AttributeError):
        first.count = 7


def test_arrays_of_every_shape_are_counted():
    grey = np.repeat(GREY[:, :, None], 3, axis=2)
    assert pairs(top_colors(RGB)) == expected(RGB)
    assert pairs(top_colors(RGB.reshape(-1, 3))) == expected(RGB)
    assert pairs(top_colors(RGBA)) == expected(RGB, visible=RGBA[:, :, 3] != 0)
    assert pairs(top_colors(RGBA, alpha="ignore")) == expected(RGB)
    assert pairs(top_colors(GREY)) == expected(grey)
    assert pairs(top_colors(GREY[:, :, None])) == expected(grey)
    assert pairs(top_colors(GREY[:, :4])) == expected(grey[:, :4])


def test_an_array_of_n_by_3_is_n_pixels_and_a_third_axis_makes_it_grey():
    array = np.array([[1, 2, 3], [1, 2, 3]], np.uint8)
    assert pairs(top_colors(array, 1)) == [(0x010203, 2)]
    assert pairs(top_colors(array[:, :, None])) == [(0x010101, 2), (0x020202, 2), (0x030303, 2)]


def test_strides_and_read_only_arrays_change_nothing():
    frozen = RGB.copy()
    frozen.flags.writeable = False
    assert pairs(top_colors(frozen)) == expected(RGB)
    assert pairs(top_colors(RGB[::-1, ::2])) == expected(RGB[::-1, ::2].copy())
    assert pairs(top_colors(RGBA.transpose(1, 0, 2))) == pairs(top_colors(RGBA))


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5, 4), (0, 3), (0, 9)])
def test_an_empty_array_gives_the_marker(shape):
    colors = top_colors(np.empty(shape, np.uint8), 4)
    assert [color.hex for color in colors] == ["#000000", "#000BAD", "#000000", "#000000"]


@pytest.mark.parametrize("shape", [(), (9,), (4, 4, 2), (4, 4, 5), (2, 4, 4, 3)])
def test_an_array_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(h, w, 3\)"):
        top_colors(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint16, np.int8, np.float32, bool, object])
def test_an_array_of_another_type_is_refused(dtype):
    with pytest.raises(TypeError, match="uint8"):
        top_colors(np.zeros((2, 2, 3), dtype))


def test_counting_an_array_does_not_load_pillow():
    program = (
        "import sys, numpy, pixmill; pixmill.top_colors(numpy.zeros((2, 2, 3), 'u1')); "
        "print('PIL' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n"


# Files


def every_form(data, folder):
    path = folder / "image"
    path.write_bytes(data)
    yield data
    yield bytearray(data)
    yield memoryview(data)
    yield memoryview(b"xx" + data)[2:]
    yield path
    yield str(path)
    yield io.BytesIO(data)
    with path.open("rb") as file:
        yield file


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"quality": 90}),
        ("GIF", {}),
        ("BMP", {}),
    ],
)
def test_a_file_in_every_form_gives_what_a_batch_gives(tmp_path, form, options):
    image = Image.fromarray(RGB if form in {"JPEG", "BMP"} else RGBA)
    data = encoded(image, form, **options)
    batch = analyze(data, Task(probe(data), Wanted(n=5))).colors
    assert [top_colors(each, 5) for each in every_form(data, tmp_path)] == [batch] * 8


def test_a_file_is_read_from_where_it_stands():
    file = io.BytesIO(b"head" + encoded(Image.fromarray(RGB)))
    file.seek(4)
    assert pairs(top_colors(file)) == expected(RGB)


def test_transparent_pixels_of_a_file_count_only_where_they_are_wanted():
    data = encoded(Image.fromarray(RGBA))
    assert pairs(top_colors(data)) == expected(RGB, visible=RGBA[:, :, 3] != 0)
    assert pairs(top_colors(data, alpha="ignore")) == expected(RGB)


def test_files_are_held_to_limits_before_they_are_decoded():
    data = encoded(Image.fromarray(RGB))
    with pytest.raises(TooManyPixels):
        top_colors(data, limits=Limits(max_pixels=30 * 50 - 1))
    with pytest.raises(TooManyPixels):
        top_colors(data, limits=Limits(max_side=49))
    top_colors(data, limits=Limits(max_pixels=30 * 50, max_side=50))


@pytest.mark.parametrize("data", [b"", b"<html>", bytearray(), memoryview(b"GIF")])
def test_bytes_of_no_image_are_unsupported(data):
    with pytest.raises(UnsupportedFormat):
        top_colors(data)


def test_a_cut_file_is_corrupt():
    data = encoded(Image.fromarray(RGB))
    with pytest.raises(CorruptImage):
        top_colors(data[: len(data) // 2])


def test_a_path_that_can_not_be_read_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        top_colors(tmp_path / "missing.png")
    with pytest.raises(IsADirectoryError):
        top_colors(str(tmp_path))


# Pillow's images


def picture(mode):
    """A picture of the mode, with transparency where the name says so."""
    image = Image.fromarray(RGBA if mode in {"RGBA", "LA", "PA", "RGBa"} else RGB)
    match mode:
        case "P with a transparent entry":
            image = image.quantize(8)
            image.info["transparency"] = 3
        case "L with a transparent level":
            image = Image.fromarray(GREY)
            image.info["transparency"] = 2
        case "RGB with a transparent color":
            image.info["transparency"] = (1, 2, 3)
        case "1":
            image = Image.fromarray(GREY * 80).convert("1")
        case _:
            image = image.convert(mode)
    return image


MODES = [
    "1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV",
    "P with a transparent entry", "L with a transparent level", "RGB with a transparent color",
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_a_pillow_image_of_every_mode_gives_its_pixels(mode):
    image = picture(mode)
    rgba = np.asarray(image.convert("RGBA"))
    visible = rgba[:, :, 3] != 0
    assert pairs(top_colors(image, 5)) == expected(rgba[:, :, :3], 5, visible)
    assert pairs(top_colors(image, 5, alpha="ignore")) == expected(rgba[:, :, :3], 5)
    assert visible.all() == (mode not in {"LA", "PA", "RGBA", "RGBa"} and "transp" not in mode)


@pytest.mark.parametrize(
    "mode", [mode for mode in MODES if mode not in {"PA", "RGBa", "CMYK", "YCbCr", "HSV"}]
)
def test_a_pillow_image_gives_the_same_as_its_file(mode):
    image = picture(mode)
    assert top_colors(image, 5) == top_colors(encoded(image), 5)


def test_a_cmyk_pillow_image_gives_the_same_as_its_file():
    data = encoded(picture("CMYK"), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "CMYK"
        assert top_colors(image, 5) == top_colors(data, 5)


@pytest.mark.parametrize("width", [3, 4, 50])
def test_16_bits_are_cut_to_the_upper_8(width):
    samples = RNG.integers(0, 2**16, (30, width), np.uint16)
    samples &= 0x03FF  # few colors, so that counts differ
    image = Image.fromarray(samples)
    assert image.mode == "I;16"
    grey = np.repeat((samples >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    assert pairs(top_colors(image)) == expected(grey)
    assert top_colors(image) == top_colors(encoded(image))
    big_endian = Image.frombytes("I;16B", image.size, samples.astype(">u2").tobytes())
    assert top_colors(big_endian) == top_colors(image)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_modes_without_8_bit_colors_are_refused(mode):
    with pytest.raises(ValueError, match=f"mode {mode} has no 8-bit colors"):
        top_colors(Image.new(mode, (2, 2)))


def test_a_pillow_image_that_is_cut_is_corrupt():
    data = encoded(Image.fromarray(RNG.integers(0, 256, (60, 60, 3), np.uint8)))
    with Image.open(io.BytesIO(data[: len(data) // 2])) as image, pytest.raises(CorruptImage):
        top_colors(image)


def test_a_subclass_of_pillows_image_is_one():
    class Own(Image.Image):
        pass

    image = Own()
    image.__setstate__(Image.fromarray(RGB).__getstate__())
    assert pairs(top_colors(image)) == expected(RGB)
