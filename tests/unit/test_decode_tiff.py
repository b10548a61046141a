"""TIFFs whose coded data libtiff makes up: never counted in part, and never refused for tags."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pixmill.errors import CorruptImage
from pixmill.imaging.decode import decode
from pixmill.imaging.probe import probe
from tests import drawn
from tests.drawn_tiff import cut_block, with_entry

RGB = drawn.picture(256, 256)
COLOR = Image.fromarray(RGB)
BILEVEL = Image.fromarray(drawn.noise(256, 256, 1)[:, :, 0]).convert("1")
KINDS = {
    "jpeg": (COLOR, "jpeg"),
    "jpeg of grey": (COLOR.convert("L"), "jpeg"),
    "jpeg of YCbCr": (COLOR.convert("YCbCr"), "jpeg"),
    "jpeg of CMYK": (COLOR.convert("CMYK"), "jpeg"),
    "group 3": (BILEVEL, "group3"),
    "group 4": (BILEVEL, "group4"),
    "modified Huffman": (BILEVEL, "tiff_ccitt"),
    "LZW": (COLOR, "tiff_lzw"),
    "PackBits": (BILEVEL, "packbits"),
}
FILES = {
    kind: drawn.encoded(image, "TIFF", compression=name, strip_size=1 << 20)
    for kind, (image, name) in KINDS.items()
}
ODD_ENTRIES = {
    "private": (65_000, 2, 6, b"hello\0"),
    "out of order": (270, 2, 6, b"hello\0"),
    "text without an end": (50_000, 2, 6, b"hello!"),
    "description without an end": (270, 2, 6, b"hello!"),
    "a description that is a number": (270, 3, 1, b"\7\0"),
    "two resolutions": (282, 5, 2, bytes(16)),
    "a directory beyond the file": (34_665, 4, 1, b"\xff\xff\xff\x0f"),
}


def rgb_of(data):
    return np.concatenate([pixels.rgb for pixels in decode(data, probe(data))])


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_coded_data_that_end_before_the_last_pixel_are_corrupt(kind, share):
    with pytest.raises(CorruptImage):
        rgb_of(cut_block(FILES[kind], share))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("entry", ODD_ENTRIES)
def test_odd_tags_cost_no_pixels(kind, entry):
    odd = with_entry(FILES[kind], *ODD_ENTRIES[entry])
    assert np.array_equal(rgb_of(odd), rgb_of(FILES[kind]))


@pytest.mark.parametrize("kind", ["jpeg", "group 4"])
def test_missing_data_are_told_among_odd_tags(kind):
    odd = with_entry(FILES[kind], *ODD_ENTRIES["out of order"])
    with pytest.raises(CorruptImage, match="lacks pixel data"):
        rgb_of(cut_block(odd, 0.5))


def test_a_large_picture_whose_last_strips_lack_data_is_corrupt():
    tall = Image.fromarray(np.tile(RGB, (20, 10, 1)))
    data = drawn.encoded(tall, "TIFF", compression="jpeg", strip_size=1 << 30)
    assert probe(data).strips
    with pytest.raises(CorruptImage):
        rgb_of(cut_block(data, 0.9))
    assert rgb_of(data).shape == (5120, 2560, 3)


def test_one_damaged_file_does_not_taint_the_next():
    with pytest.raises(CorruptImage):
        rgb_of(cut_block(FILES["group 4"], 0.5))
    expected = np.asarray(BILEVEL.convert("RGB"))
    assert np.array_equal(rgb_of(FILES["group 4"]), expected)
