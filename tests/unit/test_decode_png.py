"""PNG pixels against a reader that shares nothing with any decoder."""

from __future__ import annotations

import contextlib
import mmap
import struct
import zlib

import numpy as np
import pytest

from pixmill.errors import CorruptImage
from pixmill.imaging.decode import decode
from pixmill.imaging.probe import probe
from tests import drawn
from tests.png_reader import read_png

KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8),
         (4, 8), (4, 16), (6, 8), (6, 16)]  # fmt: skip
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def pixels_of(data):
    (pixels,) = decode(data, probe(data))
    return pixels


def assert_as_stored(data):
    rgb, alpha = read_png(data)
    pixels = pixels_of(data)
    assert pixels.rgb.flags.c_contiguous
    assert np.array_equal(pixels.rgb, rgb)
    if (alpha != 0).all():
        assert pixels.visible is None
    else:
        assert np.array_equal(pixels.visible, alpha != 0)


def drawn_png(color, bits, *, interlace=False, transparent=False, size=(13, 19)):
    dtype = np.uint16 if bits == 16 else np.uint8
    samples = drawn.noise(
        *size, CHANNELS[color], high=1 << bits, dtype=dtype, seed=color * 17 + bits
    )
    palette = drawn.noise(1 << bits, 1, 3)[:, 0] if color == 3 else None
    trns = None
    if color in (4, 6):
        samples[::3, ::2, -1] = 0
        samples[1::3, ::2, -1] = 1
    elif transparent and color == 3:
        trns = bytes([0, 1, 255, 0][: 1 << bits])
    elif transparent:
        samples[2:5, 3:9] = samples[2, 3]
        if bits == 16:
            samples[3, 4, 0] ^= 1  # differs from the key in its low byte only: visible
        trns = samples[2, 3].astype(">u2").tobytes()
    return drawn.png(samples, bits, color, interlace=interlace, palette=palette, trns=trns)


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("color", "bits"), KINDS)
def test_every_color_type_and_depth_is_read_as_stored(color, bits, interlace):
    assert_as_stored(drawn_png(color, bits, interlace=interlace))


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("color", "bits"), [kind for kind in KINDS if kind[0] in (0, 2, 3)])
def test_a_transparent_color_is_not_seen_at_any_depth(color, bits, interlace):
    data = drawn_png(color, bits, interlace=interlace, transparent=True)
    assert pixels_of(data).visible is not None
    assert_as_stored(data)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 5)])
def test_tiny_interlaced_pictures_are_whole(shape):
    assert_as_stored(drawn.png(drawn.noise(*shape, 3), interlace=True))


def test_an_alpha_of_16_bits_is_transparent_when_its_high_byte_is_zero():
    samples = np.full((1, 3, 4), 0x8001, np.uint16)
    samples[0, :, 3] = (0, 0xFF, 0x100)
    assert pixels_of(drawn.png(samples, 16, 6)).visible.tolist() == [[False, False, True]]


def test_the_default_image_of_an_animation_counts():
    control = drawn.chunk(b"acTL", struct.pack(">II", 3, 0))
    data = drawn.png(drawn.noise(6, 7), extra=control)
    assert probe(data).frames == 3
    assert_as_stored(data)


@pytest.mark.parametrize("wrap", [bytes, memoryview, "mmap"])
def test_any_buffer_is_read(wrap, tmp_path):
    data = drawn.png(drawn.noise(5, 6))
    if wrap == "mmap":
        path = tmp_path / "picture"
        path.write_bytes(data)
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            rgb = pixels_of(mapped).rgb
    else:
        rgb = pixels_of(wrap(data)).rgb
    assert np.array_equal(rgb, read_png(data)[0])


@pytest.mark.parametrize(
    ("color", "bits", "interlace"), [(2, 8, False), (6, 8, True), (3, 4, False), (0, 16, False)]
)
def test_a_file_cut_anywhere_is_corrupt_or_still_whole(color, bits, interlace):
    data = drawn_png(color, bits, interlace=interlace)
    rgb, _ = read_png(data)
    whole = 0
    for length in [*range(33, len(data) - 40, 7), *range(len(data) - 40, len(data))]:
        with contextlib.suppress(CorruptImage):
            assert np.array_equal(pixels_of(data[:length]).rgb, rgb)
            whole += 1
    assert whole <= 12 + 4  # the end chunk and the last checksum


def test_a_missing_end_chunk_is_no_error():
    data = drawn.png(drawn.noise(8, 8))
    assert np.array_equal(pixels_of(data[:-12]).rgb, read_png(data)[0])


def test_a_wrong_checksum_of_pixels_is_corrupt():
    data = bytearray(drawn.png(drawn.noise(8, 8)))
    data[data.rindex(b"IDAT") + 6] ^= 4
    with pytest.raises(CorruptImage):
        pixels_of(bytes(data))


def test_damaged_transparency_is_corrupt_rather_than_ignored():
    data = bytearray(drawn_png(2, 8, transparent=True))
    data[data.index(b"tRNS") + 5] ^= 1
    with pytest.raises(CorruptImage, match="tRNS"):
        pixels_of(bytes(data))


def test_pixels_that_end_before_the_last_row_are_corrupt():
    raw = b"".join(b"\0" + bytes(30) for _ in range(9))
    data = drawn.PNG_SIGNATURE + drawn.ihdr(10, 10) + drawn.chunk(b"IDAT", zlib.compress(raw))
    with pytest.raises(CorruptImage):
        pixels_of(data + drawn.chunk(b"IEND", b""))


@pytest.mark.parametrize("name", [b"iCCP", b"zTXt", b"iTXt"])
def test_a_bomb_in_an_ancillary_chunk_does_no_harm(name):
    bomb = zlib.compress(bytes(20 << 20), 9)
    prefix = {b"iCCP": b"x\0\0", b"zTXt": b"x\0\0", b"iTXt": b"x\0\1\0\0\0"}[name]
    data = drawn.png(drawn.noise(4, 4), extra=drawn.chunk(name, prefix + bomb))
    assert np.array_equal(pixels_of(data).rgb, read_png(data)[0])
