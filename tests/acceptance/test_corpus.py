"""Every file of the folder of test images: right colors, or the code that stands here.

The oracle is Pillow, or, for PNG, a reader of this test suite's own: Pillow is wrong about 16-bit
grey and about transparent grey of few bits.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.color.counting import StripCounter, count_top_reference
from pixmill.errors import ItemError
from pixmill.imaging.decode import decode
from pixmill.imaging.probe import Limits, check, probe
from tests.png_reader import read_png
from tests.serving import serving

FOLDER = Path(os.environ.get("PIXMILL_TEST_IMAGES", ""))
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(
        "PIXMILL_TEST_IMAGES" not in os.environ, reason="PIXMILL_TEST_IMAGES names no folder"
    ),
]

N = 16

CODES = {
    "good/bmp/images/V3_A4_R4_G4_B4.bmp": "unsupported_format",
    "good/bmp/images/V3_A4_R4_G4_B4_Top_Down.bmp": "unsupported_format",
    "good/bmp/images/V3_X4_R4_G4_B4.bmp": "unsupported_format",
    "good/bmp/images/V3_X4_R4_G4_B4_Top_Down.bmp": "unsupported_format",
    "good/bmp/images/lenient/badpalettesize.bmp": "unsupported_format",
    "good/bmp/images/lenient/pal8oversizepal.bmp": "corrupt_image",
    "good/bmp/images/lenient/rgb16-880.bmp": "unsupported_format",
    "good/bmp/images/lenient/rle_overflow.bmp": "corrupt_image",
    "good/bmp/images/pal2.bmp": "unsupported_format",
    "good/bmp/images/pal2color.bmp": "unsupported_format",
    "good/bmp/images/pal4rlecut.bmp": "corrupt_image",
    "good/bmp/images/rgb16-231.bmp": "unsupported_format",
    "good/bmp/images/rgb24rle24.bmp": "unsupported_format",
    "good/bmp/images/rgb32-111110.bmp": "unsupported_format",
    "good/bmp/images/rgb32bf.bmp": "unsupported_format",
    "good/bmp/images/rgba16-1924.bmp": "unsupported_format",
    "good/bmp/images/rgba32-61754.bmp": "unsupported_format",
    "good/bmp/images/rgba32abf.bmp": "unsupported_format",
    "good/png/apng/wpt/LICENSE.md": "unsupported_format",
    "good/png/apng/wpt/README.txt": "unsupported_format",
    "good/pngsuite/README": "unsupported_format",
    "good/tiff/testsuite/rgb32f_bw.tiff": "unsupported_format",
    "good/tiff/testsuite/rgb32f_color.tiff": "unsupported_format",
    "bad/README.md": "unsupported_format",
    "bad/bmp/Bad_badbitcount.bmp": "unsupported_format",
    "bad/bmp/Bad_clrsUsed.bmp": "unsupported_format",
    "bad/bmp/Bad_height.bmp": "too_many_pixels",
    "bad/bmp/Bad_reallybig.bmp": "too_many_pixels",
    "bad/bmp/Bad_shortfile.bmp": "corrupt_image",
    "bad/bmp/Bad_unusual_extend_buffer_usage.bmp": "corrupt_image",
    "bad/bmp/Bad_width.bmp": "too_many_pixels",
    "bad/gif/issue-101-infinite-empty-loop.gif": "corrupt_image",
    "bad/gif/issue-117-out-of-range.gif": "corrupt_image",
    "bad/gif/issue-96-small-codesize-2.gif": "too_many_pixels",
    "bad/gif/issue-96-small-codesize.gif": "corrupt_image",
    "bad/png/xc1n0g08.png": "corrupt_image",
    "bad/png/xc9n2c08.png": "corrupt_image",
    "bad/png/xcrn0g04.png": "unsupported_format",
    "bad/png/xcsn0g01.png": "corrupt_image",
    "bad/png/xd0n2c08.png": "corrupt_image",
    "bad/png/xd3n2c08.png": "corrupt_image",
    "bad/png/xd9n2c08.png": "corrupt_image",
    "bad/png/xdtn0g01.png": "corrupt_image",
    "bad/png/xhdn0g08.png": "corrupt_image",
    "bad/png/xlfn0g04.png": "unsupported_format",
    "bad/png/xs1n0g01.png": "unsupported_format",
    "bad/png/xs2n0g01.png": "unsupported_format",
    "bad/png/xs4n0g01.png": "unsupported_format",
    "bad/png/xs7n0g01.png": "unsupported_format",
    "bad/tiff/TODO_hpredict_cmyk.tiff": "unsupported_format",
}


def _names():
    if "PIXMILL_TEST_IMAGES" not in os.environ:
        return []
    paths = (path for part in ("photos", "good", "bad") for path in (FOLDER / part).rglob("*"))
    return sorted(str(path.relative_to(FOLDER)) for path in paths if path.is_file())


def _oracle(name, data):
    """RGB and alpha, or None where neither Pillow nor the PNG reader has an answer."""
    if name.endswith(".png"):
        return read_png(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            rgba = np.asarray(image.convert("RGBA"))
    return rgba[:, :, :3], rgba[:, :, 3]


def _count(data):
    header = probe(data)
    check(header, Limits())
    counter = StripCounter()
    for pixels in decode(data, header):
        counter.add(pixels.rgb, visible=pixels.visible)
    return counter.top(N)


def _timed():
    """Broken files have ten seconds; others more, for the slow PNG reader they are held to."""
    limits_s = {name: 10 if name.startswith("bad/") else 60 for name in _names()}
    return [pytest.param(name, marks=pytest.mark.timeout(s)) for name, s in limits_s.items()]


@pytest.mark.parametrize("name", _timed())
def test_a_file_gives_its_colors_or_its_code(name):
    data = (FOLDER / name).read_bytes()
    if name in CODES:
        with pytest.raises(ItemError) as caught:
            _count(data)
        assert caught.value.code == CODES[name]
        return
    rgb, alpha = _oracle(name, data)
    assert _count(data) == count_top_reference(rgb, N, visible=alpha != 0)


def test_no_code_is_written_down_for_a_file_that_is_not_there():
    assert set(CODES) <= set(_names())


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.mark.timeout(300)
def test_an_upload_of_a_broken_file_is_kept_or_has_its_code_and_harms_nothing(service):
    names = [name for name in _names() if name.startswith("bad/")]
    assert names
    with service.client() as client:
        for name in names:
            data = (FOLDER / name).read_bytes()
            answer = client.post("/images", content=data)
            if name in CODES:
                assert 400 <= answer.status_code < 500, name
                assert answer.json()["code"] == CODES[name]
                continue
            assert answer.status_code in {200, 201}, (name, answer.text)
            grey = client.get(f"/image/{answer.json()['md5']}")
            with Image.open(io.BytesIO(grey.content)) as image:
                rgb, _ = _oracle(name, data)
                assert np.array_equal(np.asarray(image), rgb.astype(np.uint16).sum(2) // 3), name
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").status_code == 200
