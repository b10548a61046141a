"""libvips as it is allowed: the wheel's library, and no loader but the listed ones."""

from __future__ import annotations

import pytest

from pixmill.imaging.vips import libvips_origin, locked_down
from tests import drawn


def test_the_loaded_library_is_that_of_the_wheel():
    version, bundled = libvips_origin()
    assert bundled
    assert tuple(map(int, version.split("."))) >= (8, 15, 0)


@pytest.mark.parametrize(
    "data",
    [b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
     drawn.encoded(drawn.noise(9, 9), "GIF"), drawn.encoded(drawn.noise(9, 9), "AVIF")],
)  # fmt: skip
def test_formats_that_are_not_its_own_are_not_opened(data):
    pyvips = locked_down()
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_buffer(data, "")


def test_no_file_is_opened(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(drawn.png(drawn.noise(4, 4)))
    pyvips = locked_down()
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_file(str(path))
