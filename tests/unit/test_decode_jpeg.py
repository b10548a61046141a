"""JPEG pixels: libjpeg-turbo's by every route, and never those of a file that lacks some."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.imaging.decode import decode
from pixmill.imaging.decoders.jpeg_witness import lacks_pixels
from pixmill.imaging.formats.jpeg_ending import read_ending
from pixmill.imaging.formats.jpeg_essence import essence
from pixmill.imaging.probe import probe
from tests import drawn

EOI = b"\xff\xd9"
RGB = drawn.picture(75, 101)
ROTATED = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"  # orientation 6
FLAVORS = {
    "baseline": drawn.encoded(RGB, "JPEG", quality=90),
    "4:4:4": drawn.encoded(RGB, "JPEG", subsampling=0),
    "4:2:2": drawn.encoded(RGB, "JPEG", subsampling=1),
    "progressive": drawn.encoded(RGB, "JPEG", progressive=True),
    "restarts": drawn.encoded(RGB, "JPEG", restart_marker_blocks=5),
    "grey": drawn.encoded(RGB[:, :, 0], "JPEG"),
    "grey progressive": drawn.encoded(RGB[:, :, 0], "JPEG", progressive=True),
    "RGB": drawn.encoded(RGB, "JPEG", keep_rgb=True),
    "CMYK": drawn.encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "rotated": drawn.encoded(RGB, "JPEG", exif=ROTATED),
}  # fmt: skip


# what stands near the start of a cut file, and after the cut
DISGUISES = {
    "end marker": (b"", EOI),
    "restart marker": (b"", b"\xff\xd0" + EOI),
    "reserved marker": (b"", b"\xff\x01" + EOI),
    "marker without an end": (b"", b"\xff\xd0"),
    "bytes after the marker": (b"", b"\xff\xd0\x12\x34\xff\0" + EOI),
    "two markers": (b"", b"\xff\xd0\x5a\xff\x02" + EOI),
    "fill bytes that would end it": (b"", b"\xff\xff\xd0\xd9" + EOI),
    "codes of no meaning": (b"", b"\xff\0" * 6 + EOI),
    "stray bytes": (drawn.segment(0xFE, b"") + b"xx", EOI),
    "stray bytes and a marker": (drawn.segment(0xFE, b"") + b"xx", b"\xff\xd0" + EOI),
    "odd application segment": (drawn.segment(0xE0, b"JFIF\0\x09" + bytes(8)), EOI),
}


def pixels_of(data):
    (pixels,) = decode(data, probe(data))
    return pixels


def by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_pixels_are_those_of_pillow(flavor):
    data = FLAVORS[flavor]
    pixels = pixels_of(data)
    assert pixels.visible is None
    assert np.array_equal(pixels.rgb, by_pillow(data))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_missing_end_marker_is_no_error(flavor):
    data = FLAVORS[flavor]
    assert np.array_equal(pixels_of(data[:-2]).rgb, by_pillow(data))
    assert np.array_equal(pixels_of(data[:-1]).rgb, by_pillow(data))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_file_cut_at_any_tenth_byte_is_corrupt(flavor):
    data = FLAVORS[flavor]
    for length in range(4, len(data) - 2, 10):
        with pytest.raises(CorruptImage):
            pixels_of(data[:length])


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_bytes_after_a_cut_make_the_file_whole(flavor, disguise):
    data = FLAVORS[flavor]
    before, after = DISGUISES[disguise]
    last = drawn.scans(data)[-1]
    first = data.rindex(b"\xff\xda", 0, last) + 14
    for length in {*range(last - 60, last - 36, 5), (first + last) // 2}:
        with pytest.raises(CorruptImage):
            pixels_of(data[:2] + before + data[2:length] + after)


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("harmless", ["end marker", "stray bytes", "odd application segment"])
def test_a_whole_file_lacks_nothing_and_a_cut_one_does(flavor, harmless):
    plain, before = FLAVORS[flavor], DISGUISES[harmless][0]
    data = plain[:2] + before + plain[2:]
    header = probe(data)
    assert not lacks_pixels(memoryview(data), header)
    end = drawn.scans(plain)[-1] + len(before)
    for length in range(end - 30, end - 1):
        assert lacks_pixels(memoryview(data[:length] + data[end:]), header)


def test_arithmetic_codes_may_end_early_and_so_are_followed_by_nothing():
    huffman = FLAVORS["baseline"]
    arithmetic = memoryview(huffman.replace(b"\xff\xc0", b"\xff\xc9", 1))
    assert essence(arithmetic, b"filler") == essence(arithmetic)
    assert essence(memoryview(huffman), b"filler") != essence(memoryview(huffman))


def test_restart_markers_stay_where_they_belong_and_go_where_they_do_not():
    data = FLAVORS["restarts"]
    kept = bytes(essence(memoryview(data)))
    assert kept.count(b"\xff\xd3") == data.count(b"\xff\xd3") > 0
    interval = data.index(b"\xff\xdd")
    without = data[:interval] + data[interval + 6 :]
    assert b"\xff\xd3" not in bytes(essence(memoryview(without)))


def test_surplus_restart_markers_do_not_make_the_copy_many_times_the_file():
    data = FLAVORS["restarts"]
    surplus = data[:-2] + b"\xff\xd0" * 100_000 + data[-2:]
    assert len(essence(memoryview(surplus), bytes(16))) < 2 * len(data) + 16 * 100_000 // 10


def test_a_progressive_file_cut_between_scans_is_corrupt():
    data = FLAVORS["progressive"]
    ends = drawn.scans(data)
    assert len(ends) > 5
    for end in ends[:-1]:
        assert not read_ending(memoryview(data[:end])).complete
        with pytest.raises(CorruptImage, match="cut off"):
            pixels_of(data[:end])
    assert np.array_equal(pixels_of(data[: ends[-1]]).rgb, by_pillow(data))


def test_stray_bytes_between_segments_and_after_the_end_cost_no_pixels():
    data = FLAVORS["baseline"]
    for odd in (data[:20] + b"xx" + data[20:], data[:-2] + b"xyz" + EOI, data + b"trailer"):
        assert np.array_equal(pixels_of(odd).rgb, by_pillow(data))


@pytest.mark.parametrize("flavor", ["baseline", "grey"])
@pytest.mark.parametrize("marker", [b"\xff\xd3", b"\xff\x01", b"\xff\xff\xd3"])
def test_a_stray_marker_within_a_scan_is_left_to_pillow(flavor, marker):
    data = FLAVORS[flavor]
    middle = drawn.scans(data)[0] - 300
    while data[middle - 1] == 0xFF:
        middle -= 1
    odd = data[:middle] + marker + data[middle:]
    assert np.array_equal(pixels_of(odd).rgb, by_pillow(odd))


def test_application_segments_of_any_number_are_walked_past():
    data = FLAVORS["baseline"]
    padding = drawn.segment(0xE5, bytes(65_000)) * 40
    assert np.array_equal(pixels_of(data[:2] + padding + data[2:]).rgb, by_pillow(data))


def test_the_thumbnail_in_an_application_segment_is_not_the_picture():
    data = FLAVORS["baseline"]
    thumbnail = drawn.segment(0xE1, b"Exif\0\0" + drawn.encoded(drawn.noise(8, 8), "JPEG"))
    header = probe(data[:2] + thumbnail + data[2:])
    assert (header.width, header.height) == (101, 75)


def test_cmyk_is_inverted_once_with_and_without_the_adobe_marker():
    data = FLAVORS["CMYK"]
    assert b"Adobe" in data
    at = data.index(b"\xff\xee")
    bare = data[:at] + data[at + 16 :]
    assert b"Adobe" not in bare
    assert np.array_equal(pixels_of(bare).rgb, by_pillow(bare))


def test_lossless_jpeg_is_read_as_stored():
    grey = drawn.noise(9, 14)[:, :, 0]
    pixels = pixels_of(drawn.lossless_jpeg(grey))
    assert np.array_equal(pixels.rgb, np.repeat(grey[:, :, None], 3, 2))


def test_arithmetic_coding_is_read():
    data = FLAVORS["baseline"].replace(b"\xff\xc0", b"\xff\xc9", 1)
    assert pixels_of(data).rgb.shape == (75, 101, 3)  # garbage, but the decoder has the coding


@pytest.mark.parametrize(
    ("change", "said"),
    [((b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"), "12 bits"),
     ((b"\xff\xc0", b"\xff\xc5"), "hierarchical"),
     ((b"\xff\xc0\x00\x11\x08\x00\x4b", b"\xff\xc0\x00\x11\x08\x00\x00"), "height")],
)  # fmt: skip
def test_flavors_without_a_decoder_are_unsupported(change, said):
    data = FLAVORS["baseline"].replace(*change, 1)
    with pytest.raises(UnsupportedFormat, match=said):
        probe(data)


def test_a_second_frame_header_of_another_size_can_not_enlarge_the_picture():
    data = FLAVORS["baseline"]
    at = data.index(b"\xff\xc0")
    bigger = bytearray(data[at : at + 19])
    bigger[5:9] = b"\x40\x00\x40\x00"
    with pytest.raises(CorruptImage):
        pixels_of(data[:at] + data[at : at + 19] + bytes(bigger) + data[at + 19 :])
