"""JPEG: simplejpeg for ordinary images, libvips for large ones, Pillow where either balks.

All of them are libjpeg-turbo with its default transform and upsampling, so their pixels are equal.
What they disagree on is which files are whole; `read_ending` and `lacks_pixels` settle that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage, OutOfMemory
from pixmill.imaging.decoders import pillow, vips
from pixmill.imaging.decoders.jpeg_witness import lacks_pixels
from pixmill.imaging.formats.jpeg_ending import read_ending
from pixmill.imaging.vips import complaints

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from pixmill.imaging.header import Header

REDUCTIONS = (8, 4, 2)
"""Parts for which libjpeg-turbo has fast transforms."""

_EOI = b"\xff\xd9"
_LACKING = "the JPEG lacks pixel data"


def decode(data: memoryview, header: Header) -> Iterator[NDArray[np.uint8]]:
    """Decode a JPEG by the way its header calls for."""
    if header.strips and header.channels < 4 and header.variant != "lossless":
        yield from _in_strips(data, header)
        return
    complaint = ""
    try:
        samples = _by_simplejpeg(data, header)
    except ValueError as error:
        complaint = str(error)
    if not complaint and header.channels < 4:
        yield samples
        return
    if complaint:
        data = _examined(data, header, complaint)
    else:
        del samples  # Pillow is about to hold as many
    yield from pillow.decode(data, header)


def decode_reduced(data: memoryview, header: Header, part: int) -> NDArray[np.uint8] | None:
    """Decode to 1/part of each side, rounded up, by a smaller cosine transform; (h, w, 3).

    `part` is one of `REDUCTIONS`. None for files that only `decode` can tell anything of.
    """
    if header.channels == 4 or header.variant == "lossless":
        return None
    if header.strips and not read_ending(data).has_eoi:
        return None
    import simplejpeg  # noqa: PLC0415 - only where a JPEG is decoded

    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        if (width, height) != (header.width, header.height):
            return None
        samples: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", fastdct=False, fastupsample=False,
            min_width=-(-width // part), min_height=-(-height // part),
        )  # fmt: skip
    except ValueError:  # `decode` finds out what it means
        return None
    return samples


def _by_simplejpeg(data: memoryview, header: Header) -> NDArray[np.uint8]:
    """Decode whole. Raises ValueError with libjpeg's words for all that it as much as warns of."""
    import simplejpeg  # noqa: PLC0415 - only where a JPEG is decoded

    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    if (width, height) != (header.width, header.height):
        raise CorruptImage("the JPEG holds two headers of different sizes")
    colors = "CMYK" if header.channels == 4 else "RGB"
    samples: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colors, fastdct=False, fastupsample=False
    )
    return samples


def _examined(data: memoryview, header: Header, complaint: str) -> memoryview:
    """Make what simplejpeg refuses ready for Pillow, unless pixel data are missing.

    Pillow would not notice where a file was cut and given an end marker, and would refuse one that
    lacks nothing but that marker.
    """
    if "memory" in complaint.lower():
        raise OutOfMemory(f"the JPEG decoder says: {complaint}")
    data = _ended(data)
    if lacks_pixels(data, header):
        raise CorruptImage(_LACKING)
    return data


def _in_strips(data: memoryview, header: Header) -> Iterator[NDArray[np.uint8]]:
    data = _ended(data)
    complained = False
    for samples in vips.strips(data, header, "jpegload_source"):
        complained |= bool(complaints())
        yield samples
    if complained and lacks_pixels(data, header):
        raise CorruptImage(_LACKING)


def _ended(data: memoryview) -> memoryview:
    """Give the file, or a copy with the end marker that it lacks, if that is all that it lacks."""
    ending = read_ending(data)
    if ending.has_eoi:
        return data
    if not ending.complete:
        raise CorruptImage("the JPEG is cut off")
    return memoryview(b"".join((data, _EOI)))
