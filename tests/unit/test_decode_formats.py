"""Pixels of GIF, WebP, AVIF, TIFF, BMP and ICO, against what was drawn or, where lossy, Pillow."""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import pytest
from PIL import Image

from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.imaging.decode import decode
from pixmill.imaging.probe import probe
from tests import drawn

RGB = drawn.noise(23, 31)
RGBA = drawn.noise(23, 31, 4, seed=2)
RGBA[::3, ::4, 3] = 0
RGBA[1::3, ::4, 3] = 1
GREY = drawn.noise(23, 31, 1, seed=3)
PALETTE = drawn.noise(100, 1, seed=4)[:, 0]
INDICES = drawn.noise(23, 31, 1, seed=5, high=100)[:, :, 0]


def pixels_of(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (pixels,) = decode(data, probe(data))
    return pixels


def assert_pixels(data, rgb, visible=None):
    pixels = pixels_of(data)
    header = probe(data)
    assert (header.height, header.width) == pixels.rgb.shape[:2]
    assert np.array_equal(pixels.rgb, np.broadcast_to(rgb, pixels.rgb.shape))
    if visible is None:
        assert pixels.visible is None
    else:
        assert np.array_equal(pixels.visible, visible)


def by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"))


def test_gif_is_read_as_drawn():
    assert_pixels(drawn.gif(INDICES, PALETTE), PALETTE[INDICES])


def test_the_transparent_index_of_a_gif_is_not_seen():
    data = drawn.gif(INDICES, PALETTE, transparent=INDICES[0, 0])
    assert_pixels(data, PALETTE[INDICES], INDICES[0, 0] != INDICES)


def test_a_gif_frame_stands_on_its_canvas_which_is_unseen_around_it():
    data = drawn.gif(INDICES, PALETTE, canvas=(40, 30), at=(5, 6), transparent=120)
    pixels = pixels_of(data)
    assert pixels.rgb.shape == (30, 40, 3)
    assert np.array_equal(pixels.rgb[6:29, 5:36], PALETTE[INDICES])
    assert pixels.visible[6:29, 5:36].all()
    assert pixels.visible.sum() == INDICES.size


def test_a_gif_canvas_grows_to_hold_its_first_frame():
    data = drawn.gif(INDICES, PALETTE, canvas=(10, 10), transparent=120)
    assert_pixels(data, PALETTE[INDICES])


def test_bytes_of_zero_between_the_blocks_of_a_gif_are_no_part_of_it():
    data = drawn.gif(INDICES, PALETTE, transparent=INDICES[0, 0])
    control = 13 + 128 * 3
    frame = control + 8
    odd = data[:control] + bytes(3) + data[control:frame] + b"\0" + data[frame:]
    assert_pixels(odd, PALETTE[INDICES], INDICES[0, 0] != INDICES)


def test_gif_data_that_end_before_the_last_pixel_are_corrupt():
    codes = [*drawn.lzw_codes(INDICES)[:200], 129]
    with pytest.raises(CorruptImage):
        pixels_of(drawn.gif(INDICES, PALETTE, codes=codes))


@pytest.mark.parametrize("options", [{"lossless": True, "exact": True}, {"quality": 70}])
def test_webp_with_alpha(options):
    data = drawn.encoded(RGBA, "WEBP", **options)
    expected = by_pillow(data)
    assert_pixels(data, expected[:, :, :3], expected[:, :, 3] != 0)
    if "exact" in options:
        assert np.array_equal(expected, RGBA)


def test_webp_without_alpha():
    assert_pixels(drawn.encoded(RGB, "WEBP", lossless=True), RGB)


def test_the_first_frame_of_a_webp_animation_on_its_canvas():
    first = Image.fromarray(RGBA)
    second = Image.fromarray(RGBA[::-1].copy())
    options = {"save_all": True, "append_images": [second], "lossless": True}
    data = drawn.encoded(first, "WEBP", **options)
    expected = by_pillow(data)
    assert probe(data).frames == 2
    seen = expected[:, :, 3] != 0
    pixels = pixels_of(data)
    assert np.array_equal(pixels.visible, seen)
    assert np.array_equal(pixels.rgb[seen], expected[seen][:, :3])


@pytest.mark.parametrize("samples", [RGB, RGBA, GREY[:, :, 0]])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_avif(samples, subsampling):
    data = drawn.encoded(samples, "AVIF", quality=95, subsampling=subsampling)
    expected = by_pillow(data)
    seen = expected[:, :, 3] != 0
    assert_pixels(data, expected[:, :, :3], None if seen.all() else seen)


def test_an_avif_sequence_gives_its_first_frame():
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]
    data = drawn.encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert probe(data).frames == 2
    assert_pixels(data, by_pillow(data)[:, :, :3])


def test_the_rotation_that_an_avif_asks_for_is_not_carried_out():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = drawn.encoded(RGB, "AVIF", quality=100, exif=exif)
    assert b"irot" in data
    header = probe(data)
    assert (header.width, header.height) == (31, 23)
    assert pixels_of(data).rgb.shape == (23, 31, 3)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("layout", [{}, {"tile": 16}, {"planar": True}, {"big": True}])
def test_tiff_layouts(order, deflate, layout):
    assert_pixels(drawn.tiff(RGB, photometric=2, order=order, deflate=deflate, **layout), RGB)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_grey_tiff_of_any_depth(bits, photometric):
    most = (1 << bits) - 1
    samples = drawn.noise(9, 13, 1, high=1 << bits, dtype=np.uint16)
    grey = samples if photometric else most - samples
    eight = grey >> 8 if bits == 16 else grey * (255 // most)
    assert_pixels(drawn.tiff(samples, photometric=photometric, bits=bits), eight)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_tiff(bits):
    palette = drawn.noise(1 << bits, 3, 1, seed=9, high=65_536, dtype=np.uint16)[:, :, 0]
    samples = drawn.noise(9, 13, 1, high=1 << bits)
    data = drawn.tiff(samples, photometric=3, bits=bits, colormap=palette.T.reshape(-1).tolist())
    assert_pixels(data, (palette >> 8)[samples[:, :, 0]])


def test_tiff_of_16_bits_loses_its_low_bytes():
    samples = drawn.noise(9, 13, 3, high=65_536, dtype=np.uint16)
    assert_pixels(drawn.tiff(samples, photometric=2, bits=16), samples >> 8)


@pytest.mark.parametrize("extra", [(2,), ()])
def test_tiff_with_alpha(extra):
    more = {"extra": extra} if extra else {}
    data = drawn.tiff(RGBA, photometric=2, **more)
    assert_pixels(data, RGBA[:, :, :3], RGBA[:, :, 3] != 0)


def test_a_fourth_sample_of_tiff_that_is_no_alpha_is_dropped():
    assert_pixels(drawn.tiff(RGBA, photometric=2, extra=(0,)), RGBA[:, :, :3])


def test_grey_tiff_with_alpha():
    samples = RGBA[:, :, 2:]
    data = drawn.tiff(samples, photometric=1, extra=(2,))
    assert_pixels(data, samples[:, :, :1], samples[:, :, 1] != 0)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_tiff_becomes_rgb_by_the_formula_of_pillow(bits):
    data = drawn.tiff(RGBA.astype(np.uint16) << (bits - 8), photometric=5, bits=bits)
    expected = np.asarray(Image.frombytes("CMYK", (31, 23), RGBA.tobytes()).convert("RGB"))
    assert_pixels(data, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("photometric", [2, 5])
def test_the_orientation_of_a_tiff_is_not_carried_out(orientation, photometric):
    samples = RGB if photometric == 2 else RGBA
    upright = drawn.tiff(samples, photometric=photometric)
    data = drawn.tiff(samples, photometric=photometric, orientation=orientation)
    assert_pixels(data, pixels_of(upright).rgb)


def test_tiff_of_floats_and_of_long_integers_is_unsupported():
    for sample_format in (1, 2, 3):
        samples = drawn.noise(4, 4, 1, dtype=np.uint32)
        data = drawn.tiff(samples, photometric=1, bits=32, sample_format=sample_format)
        with pytest.raises(UnsupportedFormat):
            probe(data)


@pytest.mark.parametrize(("bits", "step"), [(24, 3), (32, 4)])
def test_bmp_of_true_color_has_no_alpha(bits, step):
    rows = [RGBA[y, :, [2, 1, 0, 3][:step]].T.tobytes() for y in reversed(range(23))]
    assert_pixels(drawn.bmp(rows, 31, bits), RGBA[:, :, :3])


def test_bmp_with_a_mask_of_alpha():
    masks = b"\0\0\xff\0" + b"\0\xff\0\0" + b"\xff\0\0\0" + b"\0\0\0\xff"
    rows = [RGBA[y, :, [2, 1, 0, 3]].T.tobytes() for y in reversed(range(23))]
    data = drawn.bmp(rows, 31, 32, compression=3, masks=masks, header=108)
    assert_pixels(data, RGBA[:, :, :3], RGBA[:, :, 3] != 0)


def test_bmp_with_a_palette_top_down():
    rows = [INDICES[y].tobytes() for y in range(23)]
    quads = np.zeros((256, 4), np.uint8)
    quads[:100, :3] = PALETTE[:, ::-1]
    data = drawn.bmp(rows, 31, 8, palette=quads.tobytes(), height=-23)
    assert_pixels(data, PALETTE[INDICES])


def test_the_largest_picture_of_an_icon_counts():
    small = drawn.encoded(RGBA[:8, :8], "PNG")
    assert_pixels(
        drawn.ico((8, 8, 32, small), (31, 23, 32, drawn.dib(RGBA))),
        RGBA[:, :, :3],
        RGBA[:, :, 3] != 0,
    )


def test_a_png_in_an_icon_is_measured_by_its_own_header():
    data = drawn.ico((4, 4, 32, drawn.encoded(RGBA, "PNG")))
    assert_pixels(data, RGBA[:, :, :3], RGBA[:, :, 3] != 0)


CUT = {
    "gif": (drawn.gif(INDICES, PALETTE), 2),
    "lossy webp": (drawn.encoded(RGB, "WEBP"), 0),
    "lossless webp": (drawn.encoded(RGBA, "WEBP", lossless=True), 0),
    "avif": (drawn.encoded(RGB, "AVIF"), 0),
    "deflated tiff": (drawn.tiff(RGB, photometric=2, deflate=True), 0),
    "cmyk tiff": (drawn.tiff(RGBA, photometric=5), 0),
    "bmp": (drawn.bmp([row.tobytes() for row in RGB], 31, 24), 0),
    "png icon": (drawn.ico((31, 23, 32, drawn.encoded(RGBA, "PNG"))), 16),
    "icon": (drawn.ico((31, 23, 32, drawn.dib(RGBA))), 0),
}


@pytest.mark.parametrize("kind", CUT)
def test_a_file_cut_at_any_tenth_byte_is_corrupt_or_still_whole(kind):
    data, spare = CUT[kind]
    expected = pixels_of(data)
    for length in range(33, len(data), 10):
        with contextlib.suppress(CorruptImage):
            pixels = pixels_of(data[:length])
            assert np.array_equal(pixels.rgb, expected.rgb)
            assert length >= len(data) - max(spare, 140)


def test_decoders_say_nothing_on_standard_error(capfd):
    for data, _ in CUT.values():
        with contextlib.suppress(CorruptImage):
            pixels_of(data[: len(data) * 2 // 3])
    assert capfd.readouterr().err == ""
