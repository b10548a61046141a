"""Bytes become one analysis: the facts of the file and its exact colors."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pixmill.analysis import Task, Wanted, analyze
from pixmill.color.counting import count_top_reference, padded_values
from pixmill.errors import CorruptImage
from pixmill.imaging.header import is_large
from pixmill.imaging.probe import probe


def encoded(array, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def run(data, **wanted):
    return analyze(data, Task(probe(data), Wanted(**wanted)))


def values(analysis):
    return [(int(color.hex[1:], 16), color.count) for color in analysis.colors]


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).integers(0, 3, (40, 60, 4), np.uint8)


# Analysis


def test_all_facts_of_an_image_come_from_one_call(noise):
    data = encoded(noise[:, :, :3].copy())
    analysis = run(data, n=5)
    assert (analysis.width, analysis.height, analysis.pixels) == (60, 40, 2400)
    assert (analysis.format, analysis.bytes) == ("png", len(data))
    assert analysis.md5 == hashlib.md5(data).hexdigest()
    expected = count_top_reference(noise[:, :, :3], 5)
    assert values(analysis) == list(padded_values(expected, 5))
    for color in analysis.colors:
        assert "#{:02X}{:02X}{:02X}".format(*color.rgb) == color.hex
        assert color.share == color.count / 2400


def test_the_md5_is_left_out_where_it_is_not_wanted(noise):
    assert run(encoded(noise), md5=False).md5 is None


def test_transparent_pixels_count_only_where_they_are_wanted(noise):
    data = encoded(noise)
    visible = noise[:, :, 3] != 0
    expected = count_top_reference(noise[:, :, :3], 3, visible=visible)
    assert values(run(data)) == list(padded_values(expected, 3))
    assert run(data).pixels == visible.sum()
    expected = count_top_reference(noise[:, :, :3], 3)
    assert values(run(data, alpha="ignore")) == list(padded_values(expected, 3))
    assert run(data, alpha="ignore").pixels == 2400


def test_an_image_without_a_visible_pixel_gives_the_marker():
    analysis = run(encoded(np.zeros((4, 4, 4), np.uint8)))
    assert [color.hex for color in analysis.colors] == ["#000000", "#000BAD", "#000000"]
    assert [(color.count, color.share) for color in analysis.colors] == [(0, 0.0)] * 3
    assert analysis.pixels == 0


def test_fewer_colors_than_wanted_are_padded_at_the_front():
    array = np.zeros((3, 3, 3), np.uint8)
    array[0, 0] = 255
    assert values(run(encoded(array), n=4)) == [(0, 8), (0, 8), (0, 8), (0xFFFFFF, 1)]


@pytest.fixture(scope="module")
def large():
    """A picture that is decoded in strips, with its file: stripes, and transparent on the left."""
    array = np.zeros((2500, 4600, 4), np.uint8)
    assert is_large(array.shape[1], array.shape[0])
    array[:, :, 0] = np.arange(2500)[:, None] // 10
    array[:, 1000:, 3] = 255
    return array, encoded(array, compress_level=1)


def test_strips_give_the_same_as_the_whole(large):
    array, data = large
    expected = count_top_reference(array[:, 1000:, :3], 4)
    assert values(run(data, n=4)) == list(padded_values(expected, 4))
    expected = count_top_reference(array[:, :, :3], 4)
    assert values(run(data, n=4, alpha="ignore")) == list(padded_values(expected, 4))


@pytest.mark.parametrize("left", [0.5, 0.999])
def test_a_large_file_that_is_cut_gives_no_partial_counts(large, left):
    _, data = large
    with pytest.raises(CorruptImage):
        run(data[: int(len(data) * left)])


def test_a_file_that_is_cut_gives_no_partial_counts(noise):
    data = encoded(noise)
    with pytest.raises(CorruptImage):
        run(data[: len(data) // 2])


def test_views_are_as_good_as_bytes(noise):
    data = encoded(noise)
    assert analyze(memoryview(data), Task(probe(data), Wanted())) == run(data)


def test_importing_it_loads_neither_kernels_nor_decoders():
    program = (
        "import sys, pixmill.analysis; "
        "print([m for m in ('numba', 'numpy', 'PIL', 'pyvips', 'simplejpeg') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"
