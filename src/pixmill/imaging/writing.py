"""Pictures to files: one encoder a format, with constant parameters.

They are measured in docs/decisions/0012-operations.md. The same picture gives the same bytes. Of
metadata only a color profile that fits the picture is written.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.imaging.operations.bands import PROFILE, as_rgb, without_profile
from pixmill.imaging.operations.coloring import flatten
from pixmill.imaging.vips import complaints, locked_down

if TYPE_CHECKING:
    from collections.abc import Callable

_WHITE = "#FFFFFF"
_APP2, _TITLE = 0xE2, b"ICC_PROFILE\0"
_MAX_PIECE = 65_535 - 2 - len(_TITLE) - 2


def written(image: Any, format: str, quality: int) -> bytes:  # noqa: A002
    """Encode an image of libvips in a format of `operations`; raises what making its pixels does.

    `quality` is 1 to 100, and of no meaning to formats that lose nothing. JPEG has no alpha: what
    shows through is white.
    """
    if format == "jpeg":
        image = flatten(image, _WHITE)
    return _ENCODERS[format](_with_fitting_profile(image), quality)


def _with_fitting_profile(image: Any) -> Any:
    """Drop a profile that is of other colors than the picture; grey becomes RGB for one of RGB."""
    if not image.get_typeof(PROFILE):
        return image
    space = image.get(PROFILE)[16:20]
    if space == b"RGB ":
        return as_rgb(image)
    if space == b"GRAY" and image.bands < 3:
        return image
    return without_profile(image)


def _jpeg(image: Any, quality: int) -> bytes:
    """By simplejpeg, which takes half of the time that libvips does; 4:2:0 below 90, as there."""
    import simplejpeg  # noqa: PLC0415 - only where a JPEG is encoded

    samples = np.frombuffer(image.write_to_memory(), np.uint8)
    samples = samples.reshape(image.height, image.width, image.bands)
    if image.bands == 1:
        data: bytes = simplejpeg.encode_jpeg(samples, quality, "GRAY", "Gray", fastdct=False)
    else:
        sampling = "420" if quality < 90 else "444"
        data = simplejpeg.encode_jpeg(samples, quality, "RGB", sampling, fastdct=False)
    icc = image.get(PROFILE) if image.get_typeof(PROFILE) else b""
    return _with_jpeg_profile(data, icc) if icc else data


def _with_jpeg_profile(data: bytes, icc: bytes) -> bytes:
    """Put a profile in after JFIF's own segment, in numbered pieces: ICC.1, annex B.4."""
    pieces = [icc[at : at + _MAX_PIECE] for at in range(0, len(icc), _MAX_PIECE)]
    segments = (
        struct.pack(">BBH", 0xFF, _APP2, 2 + len(_TITLE) + 2 + len(piece))
        + _TITLE + bytes([number, len(pieces)]) + piece
        for number, piece in enumerate(pieces, 1)
    )  # fmt: skip
    (length,) = struct.unpack_from(">H", data, 4)
    return b"".join((data[: 4 + length], *segments, data[4 + length :]))


def _png(image: Any, quality: int) -> bytes:
    """Write without the profile where libpng refuses it, which is stricter than who uses one."""
    try:
        return bytes(image.pngsave_buffer(compression=2, filter="up", keep="icc"))
    except locked_down().Error:
        if not image.get_typeof(PROFILE):
            raise
    complaints()
    return _png(without_profile(image), quality)


def _webp(image: Any, quality: int) -> bytes:
    return bytes(image.webpsave_buffer(Q=quality, effort=2, keep="icc"))


def _avif(image: Any, quality: int) -> bytes:
    return bytes(image.heifsave_buffer(Q=quality, compression="av1", effort=1, keep="icc"))


def _tiff(image: Any, _quality: int) -> bytes:
    return bytes(image.tiffsave_buffer(compression="lzw", predictor="horizontal", keep="icc"))


_ENCODERS: dict[str, Callable[[Any, int], bytes]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "avif": _avif,
    "tiff": _tiff,
}
