"""The small picture: near Pillow's own, nothing of what is not seen, and `decode`'s verdicts."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms

from pixmill.color.clustering import clusters
from pixmill.errors import ItemError
from pixmill.imaging.decode import decode
from pixmill.imaging.pixels import Pixels
from pixmill.imaging.probe import Limits, check, probe
from pixmill.imaging.scaled import scaled
from pixmill.imaging.shrinking import shrunk
from tests import drawn
from tests.unit.test_decode_jpeg import FLAVORS

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = drawn.picture(600, 830)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SWAPPED = SRGB.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def small(data):
    return scaled(data, probe(data))


def by_pillow(rgb, size):
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def verdict(work):
    try:
        work()
    except ItemError as error:
        return type(error)
    return None


def assert_same_verdict(data):
    header = probe(data)
    assert verdict(lambda: scaled(data, header)) is verdict(lambda: list(decode(data, header)))


def profile(space, pcs, tags):
    """An ICC profile of the tags' bytes."""
    head = struct.pack(">4x4sI4s4s4s12x4s28xiii48x", b"lcms", 0x02400000,
                       b"prtr" if space == b"CMYK" else b"mntr", space, pcs, b"acsp",
                       63190, 65536, 54061)  # fmt: skip
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += padded
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


WHITE = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
LINEAR_GREY = profile(b"GRAY", b"XYZ ", {b"wtpt": WHITE, b"kTRC": b"curv" + bytes(8)})


def black_alone():
    """A CMYK profile under which cyan, magenta and yellow are water."""
    ramp = bytes(range(256))
    lab = b"".join(bytes([0 if inks & 1 else 255, 128, 128]) for inks in range(16))
    unit = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + ramp * 4 + lab + ramp * 3
    return profile(b"CMYK", b"Lab ", {b"wtpt": WHITE, b"A2B0": lut})


@pytest.mark.parametrize(
    ("size", "expected"),
    [((200, 200), (200, 200)), ((31, 9), (31, 9)), ((830, 600), (200, 145)),
     ((600, 830), (145, 200)), ((3000, 2), (200, 1)), ((1, 201), (1, 200))],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_picture_fits_keeps_its_aspect_and_is_never_enlarged(size, expected, kind):
    found = small(drawn.encoded(drawn.picture(*size[::-1]), kind))
    assert found.rgb.shape == (*expected[::-1], 3)
    assert found.rgb.dtype == np.uint8
    assert found.weights is None


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_a_picture_that_fits_is_given_as_it_is(kind):
    grey = np.repeat(drawn.noise(90, 200, 1), 3, 2)
    image = Image.fromarray(grey[:, :, 0] if kind == "GIF" else grey)
    assert np.array_equal(small(drawn.encoded(image, kind)).rgb, grey)


@pytest.mark.parametrize(
    ("kind", "most"),
    [("JPEG", 0.8), ("PNG", 0.4), ("WEBP", 0.4), ("BMP", 0.4), ("TIFF", 0.4), ("AVIF", 0.4)],
)
@pytest.mark.parametrize("shape", [(600, 830), (1999, 1501)])
def test_it_is_nearly_the_full_decode_resized_by_lanczos(kind, most, shape):
    data = drawn.encoded(drawn.picture(*shape), kind)
    with Image.open(io.BytesIO(data)) as image:
        full = np.asarray(image.convert("RGB"))
    found = small(data).rgb
    exact = by_pillow(full, found.shape[1::-1])
    assert np.abs(found.astype(int) - exact).mean() < most


@pytest.mark.parametrize("shape", [(650, 650), (1300, 1301), (2600, 1999)])
def test_averages_are_not_biased(shape):
    noise = drawn.noise(*shape)
    found = small(drawn.encoded(noise, "PNG", compress_level=0)).rgb
    assert found.mean() == pytest.approx(noise.mean(), abs=0.1)


def test_strips_of_a_large_picture_join_without_a_seam():
    full = np.tile(drawn.picture(925, 1550), (4, 2, 1))
    data = drawn.encoded(full, "PNG", compress_level=1)
    assert probe(data).strips
    found = small(data).rgb
    assert np.abs(found.astype(int) - by_pillow(full, found.shape[1::-1])).max() < 10


@pytest.mark.parametrize("cut", [1, 16, 100])
@pytest.mark.parametrize("masked", [False, True])
def test_how_the_strips_are_cut_makes_no_difference(cut, masked):
    rgb, visible = drawn.noise(5000, 40), drawn.noise(5000, 40, 1, high=3)[:, :, 0] > 0
    visible[:500] = True

    def strip(start, end):
        mask = visible[start:end]
        return Pixels(rgb[start:end], mask if masked and not mask.all() else None)

    strips = [strip(top, min(top + cut, 5000)) for top in range(0, 5000, cut)]
    found, whole = (shrunk(each, (40, 5000), (2, 200)) for each in (strips, [strip(0, 5000)]))
    assert np.array_equal(found.rgb, whole.rgb)
    assert (found.weights is None) is not masked
    assert not masked or np.array_equal(found.weights, whole.weights)


def test_colors_stay_between_those_that_are_seen():
    samples = 100 + 50 * drawn.noise(700, 700, 4, high=2)
    samples[:, :, 3] = 255 * (drawn.noise(70, 70, 1, high=2)[:, :, 0].repeat(10, 0).repeat(10, 1))
    found = small(drawn.encoded(samples, "PNG"))
    seen = found.rgb[found.weights > 0]
    assert (seen == np.clip(seen, 100, 150)).all()


@pytest.mark.parametrize("shape", [(90, 120), (700, 933), (3700, 3100)])
def test_unseen_pixels_give_no_color_and_weights_are_the_share_of_the_seen(shape):
    samples = np.zeros((*shape, 4), np.uint8)
    samples[:] = (255, 0, 0, 0)
    samples[shape[0] // 3 :, ::2] = (10, 200, 30, 1)
    found = small(drawn.encoded(samples, "PNG", compress_level=1))
    assert (found.rgb[found.weights > 0] == (10, 200, 30)).all()
    assert found.weights.min() == 0
    assert found.weights.max() <= 1
    assert found.weights.mean() == pytest.approx((samples[:, :, 3] > 0).mean(), abs=0.002)


def test_a_picture_of_which_nothing_is_seen_has_no_weight():
    found = small(drawn.encoded(np.zeros((300, 300, 4), np.uint8), "PNG"))
    assert not found.weights.any()
    assert clusters(found.rgb, 5, found.weights) == ()


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_jpeg_cut_anywhere_or_disguised_gets_the_verdict_of_decode(flavor):
    data = FLAVORS[flavor]
    for at in range(len(data) // 2, len(data), max(1, len(data) // 23)):
        for ending in (b"", b"\xff\xd9", b"\xff\x01\xff\xd9"):
            assert_same_verdict(data[:at] + ending)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_decoded_small_gives_no_color_where_it_is_cut(options):
    data = drawn.encoded(PICTURE, "JPEG", **options)
    assert verdict(lambda: small(data)) is None
    for share in (0.4, 0.8, 0.97):
        cut = data[: int(len(data) * share)]
        for odd in (cut, cut + b"\xff\xd9"):
            assert verdict(lambda odd=odd: small(odd)) is not None


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF", "AVIF", "BMP"])
def test_other_formats_cut_get_the_verdict_of_decode(kind):
    data = drawn.encoded(PICTURE, kind)
    for share in (0.5, 0.9, 0.99):
        assert_same_verdict(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_embedded_profile_is_honored(kind):
    red = np.full((300, 300, 3), (255, 0, 0), np.uint8)
    options = {"quality": 100} if kind in {"JPEG", "AVIF"} else {"lossless": True}
    data = drawn.encoded(red, kind, icc_profile=SWAPPED, **(options if kind != "TIFF" else {}))
    assert np.abs(small(data).rgb.astype(int) - (0, 0, 255)).max() < 6


def test_the_profile_of_a_png_in_an_icon_is_honored():
    red = np.full((64, 64, 3), (255, 0, 0), np.uint8)
    data = drawn.ico((64, 64, 24, drawn.encoded(red, "PNG", icc_profile=SWAPPED)))
    assert (small(data).rgb == (0, 0, 255)).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_grey_profile_is_honored(kind):
    grey = Image.new("L", (300, 300), 55)  # the inverse of 127.6 under the curve of sRGB
    found = small(drawn.encoded(grey, kind, icc_profile=LINEAR_GREY)).rgb
    assert np.abs(found.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_a_cmyk_profile_is_honored(kind):
    inks = Image.new("CMYK", (500, 300), (255, 0, 0, 0))
    options = {"quality": 100} if kind == "JPEG" else {}
    plain = small(drawn.encoded(inks, kind, **options)).rgb
    assert np.abs(plain.astype(int) - (0, 255, 255)).max() < 4
    found = small(drawn.encoded(inks, kind, icc_profile=black_alone(), **options)).rgb
    assert found.min() > 250


@pytest.mark.parametrize(
    "icc", [LINEAR_GREY, black_alone(), SRGB[:200], SRGB[:128] + bytes(400), b"RGB "],
    ids=["grey", "cmyk", "cut", "hollow", "tiny"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_broken_or_mismatching_profile_is_ignored(kind, icc):
    bare, odd = drawn.encoded(PICTURE, kind), drawn.encoded(PICTURE, kind, icc_profile=icc)
    assert np.array_equal(small(odd).rgb, small(bare).rgb)


MEASURE = r"""
import pathlib, re, sys
from pixmill.imaging.probe import probe
from pixmill.imaging.scaled import scaled

def kibibytes(name):
    # not the getrusage figure, which begins with that of the process that started this one
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(name + r":\s+(\d+)", status)[1])

data = pathlib.Path(sys.argv[1]).read_bytes()
before = kibibytes("VmRSS")
shape = scaled(data, probe(data)).rgb.shape
print(*shape, kibibytes("VmHWM") - before)
"""


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_hundred_megapixels_take_less_than_100_mb(kind, tmp_path):
    if kind == "png":
        row = np.tile(drawn.noise(1, 50, 4)[0], (200, 1))
        row[::3, 3] = 0
        data = drawn.tall_png(row, 10_000)
    else:
        data = drawn.tall_jpeg(drawn.picture(8, 10_000), 1250)
    path = tmp_path / "large"
    path.write_bytes(data)
    command = [sys.executable, "-c", MEASURE, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *shape, kibibytes = map(int, done.stdout.split())
    assert shape == [200, 200, 3]
    assert kibibytes << 10 < 100_000_000


def test_a_profile_of_a_jpeg_may_come_in_pieces_in_any_order():
    red = drawn.encoded(np.full((64, 64, 3), (255, 0, 0), np.uint8), "JPEG", quality=100)
    cuts = [SWAPPED[:100], SWAPPED[100:300], SWAPPED[300:]]
    pieces = [drawn.segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 3]) + piece)
              for number, piece in enumerate(cuts, 1)]  # fmt: skip
    noise = drawn.segment(0xE2, b"ICC_PROFILE\0") + drawn.segment(0xE2, b"")
    for order in ((0, 1, 2), (2, 0, 1)):
        data = red[:2] + noise + b"".join(pieces[i] for i in order) + red[2:]
        assert np.abs(small(data).rgb.astype(int) - (0, 0, 255)).max() < 6
    lacking = red[:2] + pieces[0] + pieces[2] + red[2:]
    assert np.abs(small(lacking).rgb.astype(int) - (255, 0, 0)).max() < 6


@pytest.mark.corpus
def test_every_file_gets_the_verdict_of_decode(corpus: Path):
    for path in sorted(corpus.rglob("*.*")):
        data = path.read_bytes()
        try:
            check(probe(data), Limits())
        except ItemError:
            continue
        assert_same_verdict(data)


@pytest.mark.parametrize("size", [(8000, 1), (1, 8000), (4000, 3)])
def test_a_jpeg_of_few_lines_is_no_thinner_than_it_is(size):
    """Without a warning from arithmetic: warnings are errors here."""
    width, height = size
    data = drawn.encoded(np.full((height, width, 3), (200, 30, 90), np.uint8), "JPEG")
    small = scaled(data, probe(data))
    assert max(small.rgb.shape) == 200
    assert np.abs(small.rgb.astype(int) - (200, 30, 90)).max() <= 3
