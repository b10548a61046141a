"""Embedded ICC profiles: finding one, and small pictures by it to sRGB.

Relative colorimetric with black point compensation, by LittleCMS through Pillow, which says where a
profile is broken; libvips would go on with another. A profile that is broken, or of other colors
than the picture's, is ignored, as viewers do. Profiles of GIF and BMP files are not looked for.
"""

from __future__ import annotations

import functools
import io
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from pixmill.imaging.formats.jpeg import SOS, segments
from pixmill.imaging.header import MIB
from pixmill.imaging.shrinking import shrunk_inks
from pixmill.imaging.vips import complaints, locked_down

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header

_LOADERS = {
    "jpeg": "jpegload_source",
    "png": "pngload_source",
    "ico": "pngload_source",
    "tiff": "tiffload_source",
    "webp": "webpload_source",
}
_APP2, _TITLE = 0xE2, b"ICC_PROFILE\0"
_MAX_BYTES = 4 * MIB  # those of printing presses take 3


class Profile(NamedTuple):
    """A profile, and Pillow's mode of the samples it came with: RGB, L or CMYK."""

    icc: bytes
    mode: str


def embedded(data: memoryview, header: Header) -> Profile | None:
    """Find the profile, and the mode of the picture's samples, which it may not be for."""
    read = {"avif": _in_avif, "jpeg": _in_jpeg}.get(header.format, _by_libvips)
    icc, mode = read(data, header)
    return Profile(icc, mode) if 0 < len(icc) <= _MAX_BYTES else None


def to_srgb(samples: NDArray[np.uint8], profile: Profile) -> NDArray[np.uint8] | None:
    """Convert (h, w, 3), or (h, w, 4) CMYK, to sRGB (h, w, 3); None where the profile is of no use.

    Of grey samples the first of three equal channels counts.
    """
    if profile.mode == "L":
        samples = samples[:, :, 0]
    picture = Image.frombytes(profile.mode, samples.shape[1::-1], samples.tobytes())
    try:
        return np.asarray(ImageCms.applyTransform(picture, _transform(profile)))
    except (ImageCms.PyCMSError, OSError):  # what is ignored is the profile, not the picture
        return None


@functools.lru_cache(maxsize=8)
def _transform(profile: Profile) -> ImageCms.ImageCmsTransform:
    """Make the way to sRGB; few profiles are in most pictures, and making it is what costs."""
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile.icc)),
        ImageCms.createProfile("sRGB"),
        profile.mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def inks(data: memoryview, header: Header, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Shrink the CMYK samples (h, w, 4) to `size`; None where they are not of 8 bits."""
    image = _opened(data, header)
    if image is None or image.bands != 4 or image.format != "uchar":
        return None
    try:
        return shrunk_inks(image, size)
    except locked_down().Error:  # the other decoder has read them: not so the profile's colors
        complaints()
        return None


def _opened(data: memoryview, header: Header) -> Any:
    """Open by libvips, which reads no pixel yet; None where it has no loader or refuses."""
    loader = _LOADERS.get(header.format)
    if loader is None or (header.format == "ico" and header.variant != "png"):
        return None
    pyvips = locked_down()
    try:
        source = pyvips.Source.new_from_memory(data[header.offset :])
        return pyvips.Operation.call(loader, source, access="sequential", fail_on="error")
    except pyvips.Error:  # whether the picture is whole, `decode` has said; other decoders read it
        complaints()
        return None


def _by_libvips(data: memoryview, header: Header) -> tuple[bytes, str]:
    image = _opened(data, header)
    if image is None or not image.get_typeof("icc-profile-data"):
        return b"", ""
    if image.interpretation == "cmyk":
        return image.get("icc-profile-data"), "CMYK"
    return image.get("icc-profile-data"), "L" if image.bands < 3 else "RGB"


def _in_jpeg(data: memoryview, header: Header) -> tuple[bytes, str]:
    """Join the pieces before the first scan, numbered from 1, as annex B.4 of ICC.1 has them."""
    pieces: dict[int, bytes] = {}
    for marker, start, end in segments(data, len(data)):
        if marker == SOS:
            break
        if marker == _APP2 and data[start : min(start + 12, end - 2)] == _TITLE:
            pieces.setdefault(data[start + 12], bytes(data[start + 14 : end]))
    numbers = itertools.takewhile(pieces.__contains__, itertools.count(1))
    mode = {1: "L", 4: "CMYK"}.get(header.channels, "RGB")
    return b"".join(pieces[number] for number in numbers), mode


def _in_avif(data: memoryview, _header: Header) -> tuple[bytes, str]:
    from PIL.AvifImagePlugin import AvifImageFile  # noqa: PLC0415 - only where one is decoded

    with AvifImageFile(io.BytesIO(data)) as image:
        return image.info.get("icc_profile") or b"", "RGB"
