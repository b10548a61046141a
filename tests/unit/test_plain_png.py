"""The shortcut for flat PNGs gives what `decode` gives, and of odd files nothing."""

from __future__ import annotations

import runpy
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pixmill.imaging
from pixmill.analysis import Task, Wanted, analyze
from pixmill.errors import CorruptImage
from pixmill.imaging import plain_png, scaled
from pixmill.imaging.decode import decode
from pixmill.imaging.plain_png import Odd, is_plain
from pixmill.imaging.probe import probe
from tests import drawn

STRATEGIES = [
    zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED,
]  # fmt: skip


def packed(raw, level=9, strategy=zlib.Z_DEFAULT_STRATEGY):
    packer = zlib.compressobj(level, zlib.DEFLATED, 15, 9, strategy)
    return packer.compress(raw) + packer.flush()


def png_of(stream, width, height, *, extra=b"", after=b""):
    """A PNG of RGB around a stream, in two IDAT chunks."""
    middle = len(stream) // 2
    chunks = drawn.chunk(b"IDAT", stream[:middle]) + drawn.chunk(b"IDAT", stream[middle:])
    head = drawn.PNG_SIGNATURE + drawn.ihdr(width, height) + extra
    return head + chunks + after + drawn.chunk(b"IEND", b"")


def read(data, header=None):
    """Pixels of all strips, or None where the file is odd."""
    header = header or probe(data)
    try:
        strips = [strip.rgb for strip in plain_png.strips(memoryview(data), header)]
    except Odd:
        return None
    return np.concatenate(strips)


def by_decode(data):
    return np.concatenate([strip.rgb for strip in decode(data, probe(data))])


def flat(height=3400, width=3400, spots=40):
    """A page of one color with a few rectangles on it."""
    rng = np.random.default_rng(spots)
    page = np.full((height, width, 3), (201, 187, 160), np.uint8)
    for _ in range(spots):
        top, left = rng.integers(0, height), rng.integers(0, width)
        page[top : top + 90, left : left + 200] = rng.integers(0, 256, 3)
    return page


def lines_of(rgb):
    """Unfiltered lines."""
    rows = rgb.reshape(len(rgb), -1)
    return np.concatenate((np.zeros((len(rows), 1), np.uint8), rows), axis=1).tobytes()


PAGE = drawn.encoded(flat(), "PNG")
SMALL = flat(90, 170, 9)


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("picture", [SMALL, drawn.noise(90, 170), drawn.picture(400, 333)])
def test_pixels_are_those_that_were_packed_in_whatever_way(picture, level, strategy):
    height, width, _ = picture.shape
    data = png_of(packed(lines_of(picture), level, strategy), width, height)
    assert np.array_equal(read(data), picture)


@pytest.mark.parametrize("picture", [drawn.noise(611, 97), drawn.picture(500, 900), SMALL])
def test_every_filter_is_undone(picture):
    assert np.array_equal(read(drawn.png(picture)), picture)


def test_many_strips_join_and_matches_reach_back_over_them():
    picture = np.tile(drawn.noise(1, 3000), (2000, 1, 1))
    picture[::7, :100] = 3
    assert np.array_equal(read(drawn.encoded(picture, "PNG")), picture)
    far = np.tile(drawn.noise(1, 10_922), (300, 1, 1))  # lines of 32,767 bytes
    assert np.array_equal(read(png_of(packed(lines_of(far)), 10_922, 300)), far)


@given(st.data())
@settings(max_examples=300)
def test_a_damaged_stream_is_read_as_it_was_or_not_at_all(data):
    damaged = bytearray(packed(lines_of(SMALL)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1) | st.integers(0, 60))
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    pixels = read(png_of(bytes(damaged), 170, 90))
    assert pixels is None or np.array_equal(pixels, SMALL)


@given(st.binary(max_size=400))
def test_any_bytes_for_a_stream_are_odd(body):
    assert read(png_of(body, 170, 90)) is None


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_stream_that_is_too_short_or_too_long_is_odd(cut):
    stream, raw = packed(lines_of(SMALL)), lines_of(SMALL)
    for odd in (stream[:-cut], stream + bytes(cut), packed(raw[:-cut]), packed(raw + bytes(cut))):
        assert read(png_of(odd, 170, 90)) is None
    assert read(png_of(packed(raw[: -511 * cut]), 170, 90)) is None


def test_a_stream_of_many_blocks_and_chunks_is_read():
    packer = zlib.compressobj(9)
    lines = [lines_of(SMALL)[at : at + 13] for at in range(0, 511 * 90, 13)]
    pieces = [packer.compress(line) + packer.flush(zlib.Z_FULL_FLUSH) for line in lines]
    stream = b"".join(pieces) + packer.flush()
    chunks = b"".join(drawn.chunk(b"IDAT", stream[at : at + 9]) for at in range(0, len(stream), 9))
    head = drawn.PNG_SIGNATURE + drawn.ihdr(170, 90)
    whole = head + drawn.chunk(b"IDAT", b"") + chunks + drawn.chunk(b"IEND", b"")
    assert np.array_equal(read(whole), SMALL)


def test_a_filter_that_is_none_is_odd():
    raw = bytearray(lines_of(SMALL))
    raw[511 * 50] = 5
    assert read(png_of(packed(bytes(raw)), 170, 90)) is None


def test_chunks_that_are_odd_make_the_file_odd():
    stream = packed(lines_of(SMALL))
    text, time = drawn.chunk(b"tEXt", b"a\0b"), drawn.chunk(b"tIME", bytes(7))
    whole = png_of(stream, 170, 90, extra=text, after=time)
    assert np.array_equal(read(whole), SMALL)
    idat, end = drawn.chunk(b"IDAT", stream), drawn.chunk(b"IEND", b"")
    head = drawn.PNG_SIGNATURE + drawn.ihdr(170, 90)
    assert np.array_equal(read(head + idat + end), SMALL)
    first, second = drawn.chunk(b"IDAT", stream[:9]), drawn.chunk(b"IDAT", stream[9:])
    for odd in (
        head + drawn.chunk(b"IDAT", stream, crc=7) + end,
        head + drawn.chunk(b"tEXt", b"a", crc=7) + idat + end,
        head + drawn.chunk(b"ABCD", b"") + idat + end,
        head + drawn.chunk(b"tRNS", bytes(6)) + idat + end,
        head + drawn.ihdr(170, 90) + idat + end,
        head + first + text + second + end,
        head + idat,
        head + idat + end[:-1],
        head + idat + end[:4],
        head + idat + text * 20_000 + end,
        head + end,
    ):
        assert read(odd, probe(whole)) is None


def test_a_flat_page_is_plain_and_nothing_else_is():
    header = probe(PAGE)
    assert is_plain(memoryview(PAGE), header)
    for data in (
        drawn.encoded(flat(3000, 3000), "PNG"),  # not large
        drawn.encoded(flat()[:, :, 0], "PNG"),
        drawn.encoded(np.dstack((flat(), flat()[:, :, 0])), "PNG"),
        drawn.encoded(flat(), "PNG", compress_level=0),
        drawn.encoded(flat(), "TIFF"),
        PAGE[:33] + drawn.chunk(b"acTL", struct.pack(">II", 2, 0)) + PAGE[33:],
        PAGE[:33] + drawn.chunk(b"tRNS", bytes(6)) + PAGE[33:],
    ):
        assert not is_plain(memoryview(data), probe(data))


def test_the_small_picture_is_the_same_by_either_way():
    header = probe(PAGE)
    by_shortcut = scaled.scaled(PAGE, header)
    by_strips = scaled.scaled(PAGE, header, decode(PAGE, header))
    assert np.array_equal(by_shortcut.rgb, by_strips.rgb)
    assert by_shortcut.weights is None


def test_a_damaged_page_gets_the_verdict_of_decode():
    cut = PAGE[: len(PAGE) * 2 // 3]
    assert is_plain(memoryview(cut), probe(cut))
    with pytest.raises(CorruptImage):
        scaled.scaled(cut, probe(cut))
    # a wrong checksum of a text is no damage to pixels
    spoiled = PAGE[:33] + drawn.chunk(b"tEXt", b"a\0b", crc=7) + PAGE[33:]
    assert np.array_equal(
        scaled.scaled(spoiled, probe(spoiled)).rgb, scaled.scaled(PAGE, probe(PAGE)).rgb
    )


def test_without_kernels_no_file_is_plain(monkeypatch):
    monkeypatch.setitem(sys.modules, "pixmill.imaging.scanlines", None)
    monkeypatch.delattr(pixmill.imaging, "scanlines")
    alone = runpy.run_path(plain_png.__file__)
    assert not alone["is_plain"](memoryview(PAGE), probe(PAGE))


@pytest.mark.parametrize("window", [8, 11])
def test_a_stream_that_reaches_beyond_the_window_it_names_is_odd(window):
    """zlib's own decoder refuses it, so the shortcut must not read it."""
    far = np.tile(drawn.noise(1, 3400), (40, 1, 1))  # lines repeat some 10 kB away
    stream = bytearray(packed(lines_of(far)))
    stream[0] = (window - 8) << 4 | 8
    stream[1] = 31 - stream[0] * 256 % 31
    data = png_of(bytes(stream), 3400, 40)
    assert read(data) is None
    with pytest.raises(CorruptImage):
        by_decode(data)


def test_an_analysis_takes_the_shortcut():
    """The way of every user, not of a benchmark alone."""
    taken = []
    strips = plain_png.strips
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_png, "strips", lambda *given: taken.append(1) or strips(*given))
        analyze(PAGE, Task(probe(PAGE), Wanted(n=0, summarizer="kmeans")))
    assert taken == [1]
