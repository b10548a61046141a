"""Large images: strips equal the whole, in little memory, and a fault in any of them is told."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pixmill.errors import CorruptImage
from pixmill.imaging.decode import decode
from pixmill.imaging.probe import probe
from tests import drawn

STRIP = drawn.picture(8, 4800)
LARGE_JPEG = drawn.tall_jpeg(STRIP, 600)
UNBROKEN_JPEG = drawn.encoded(np.tile(STRIP, (600, 1, 1)), "JPEG")


def small_colors(height, width, channels):
    """Large and quick to pack: a small block of noise again and again, with some of it unseen."""
    block = drawn.noise(50, 100, channels, seed=channels)
    if channels == 4:
        block[:20, ::3, 3] = 0
    return np.tile(block, (height // 50 + 1, width // 100 + 1, 1))[:height, :width]


def assert_strips_equal_the_whole(data, rgb, alpha=None):
    strips = list(decode(data, probe(data)))
    assert len(strips) > 2
    assert all(strip.rgb.shape[0] >= 16 for strip in strips[:-1])
    assert np.array_equal(np.concatenate([strip.rgb for strip in strips]), rgb)
    seen = [
        np.ones(strip.rgb.shape[:2], bool) if strip.visible is None else strip.visible
        for strip in strips
    ]
    assert np.array_equal(np.concatenate(seen), np.ones(rgb.shape[:2]) if alpha is None else alpha)


def by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def test_jpeg():
    assert probe(LARGE_JPEG).strips
    assert_strips_equal_the_whole(LARGE_JPEG, by_pillow(LARGE_JPEG))


def test_progressive_jpeg():
    data = drawn.encoded(by_pillow(LARGE_JPEG), "JPEG", progressive=True, quality=50)
    assert_strips_equal_the_whole(data, by_pillow(data))


@pytest.mark.parametrize("channels", [3, 4])
def test_png(channels):
    samples = small_colors(3700, 3100, channels)
    data = drawn.encoded(samples, "PNG", compress_level=1)
    alpha = samples[:, :, 3] != 0 if channels == 4 else None
    assert_strips_equal_the_whole(data, samples[:, :, :3], alpha)


@pytest.mark.parametrize("layout", [{"rows": 1}, {"rows": 33}, {"rows": 128}, {"rows": 3700},
                                    {"tile": 256}, {"tile": 1024}])  # fmt: skip
def test_tiff(layout):
    samples = small_colors(3700, 3100, 3)
    data = drawn.tiff(samples, photometric=2, **layout)
    assert_strips_equal_the_whole(data, samples)


def test_cmyk_tiff():
    samples = small_colors(3700, 3100, 4)
    data = drawn.tiff(samples, photometric=5, rows=64)
    cmyk = Image.frombytes("CMYK", (3100, 3700), samples.tobytes())
    assert_strips_equal_the_whole(data, np.asarray(cmyk.convert("RGB")))


def test_gif():
    indices = small_colors(3700, 3100, 3)[:, :, 0]
    image = Image.fromarray(indices)
    assert_strips_equal_the_whole(drawn.encoded(image, "GIF"), np.repeat(indices[:, :, None], 3, 2))


def test_webp():
    samples = small_colors(3700, 3100, 3)
    data = drawn.encoded(samples, "WEBP", lossless=True, method=0, quality=0)
    assert_strips_equal_the_whole(data, samples)


def test_bmp():
    samples = small_colors(3700, 3100, 3)
    assert_strips_equal_the_whole(drawn.encoded(samples, "BMP"), samples)


@pytest.mark.parametrize("share", [0.3, 0.999])
def test_a_large_jpeg_that_is_cut_off_is_corrupt(share):
    data = LARGE_JPEG[: int(len(LARGE_JPEG) * share)]
    for odd in (data, data + b"\xff\xd9"):
        with pytest.raises(CorruptImage):
            list(decode(odd, probe(odd)))


@pytest.mark.soak
@pytest.mark.parametrize("after", [b"\xff\xd0\xff\xd9", b"\xff\x01\xff\xd9", b"\xff\xd0",
                                   b"\xff\xd0\x12\x34\xff\xd9"])  # fmt: skip
@pytest.mark.parametrize("before", [b"", b"xx"])
def test_no_bytes_after_a_cut_make_a_large_jpeg_whole(before, after):
    data = UNBROKEN_JPEG[:20] + before + UNBROKEN_JPEG[20 : len(UNBROKEN_JPEG) // 2] + after
    with pytest.raises(CorruptImage):
        list(decode(data, probe(data)))


def test_a_stray_marker_in_a_large_jpeg_that_lacks_nothing_is_left_to_the_decoder():
    at = len(UNBROKEN_JPEG) - 300
    data = UNBROKEN_JPEG[:at] + b"\xff\x01" + UNBROKEN_JPEG[at:]
    assert_strips_equal_the_whole(data, by_pillow(data))


@pytest.mark.soak
def test_a_large_jpeg_without_its_end_marker_or_with_stray_bytes_is_whole():
    whole = by_pillow(LARGE_JPEG)
    assert_strips_equal_the_whole(LARGE_JPEG[:-2], whole)
    assert_strips_equal_the_whole(LARGE_JPEG[:20] + b"xx" + LARGE_JPEG[20:], whole)


def test_a_warning_in_the_middle_of_a_large_jpeg_loses_and_repeats_no_row():
    mark = b"\xff\xd7"
    middle = LARGE_JPEG.index(mark, len(LARGE_JPEG) // 2)
    data = LARGE_JPEG[:middle] + b"xx" + LARGE_JPEG[middle:]
    assert_strips_equal_the_whole(data, by_pillow(data))


def test_a_large_png_that_is_cut_off_is_corrupt():
    data = drawn.tall_png(drawn.noise(1, 4000, 4)[0], 3000)[:-5000]
    with pytest.raises(CorruptImage):
        list(decode(data, probe(data)))


MEASURE = """
import resource, sys
from pixmill.imaging.decode import decode
from pixmill.imaging.probe import probe
from tests import drawn
import numpy, simplejpeg
from pixmill.imaging.vips import locked_down
locked_down()
if sys.argv[1] == "png":
    data = drawn.tall_png(numpy.tile(drawn.noise(1, 50, 4)[0], (200, 1)), 10_000)
else:
    data = drawn.tall_jpeg(drawn.picture(8, 10_000), 1250)
header = probe(data)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(strip.rgb.shape[0] for strip in decode(data, header))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(header.width, rows, (after - before) << 10, header.decode_bytes)
"""


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_hundred_megapixels_take_less_memory_than_promised(kind):
    command = [sys.executable, "-c", MEASURE, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    width, rows, taken, promised = map(int, done.stdout.split())
    assert (width, rows) == (10_000, 10_000)
    assert taken <= promised < 100 << 20
