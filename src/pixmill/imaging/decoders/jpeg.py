"""JPEG: simplejpeg for ordinary images, libvips for large ones, Pillow where either balks.

All of them are libjpeg-turbo with its default transform and upsampling, so their pixels are equal.
What they disagree on is which files are whole; `read_ending` settles that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage, OutOfMemory
from pixmill.imaging.decoders import pillow, vips
from pixmill.imaging.formats.jpeg_ending import Ending, read_ending
from pixmill.imaging.pixels import Pixels
from pixmill.imaging.vips import complaints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.imaging.header import Header

_EOI = b"\xff\xd9"


def decode(data: memoryview, header: Header) -> Iterator[Pixels]:
    """Decode a JPEG by the way its header calls for."""
    if header.channels == 4:
        yield from _by_pillow(data, header)
    elif header.strips and header.variant != "lossless":
        yield from _in_strips(data, header)
    else:
        complaint = ""
        try:
            pixels = _by_simplejpeg(data, header)
        except ValueError as error:
            complaint = str(error)
        if complaint:
            yield from _second_opinion(data, header, complaint)
        else:
            yield pixels


def _by_simplejpeg(data: memoryview, header: Header) -> Pixels:
    """Decode whole. Raises ValueError with libjpeg's words for all that it as much as warns of."""
    import simplejpeg  # noqa: PLC0415 - only where a JPEG is decoded

    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    if (width, height) != (header.width, header.height):
        raise CorruptImage("the JPEG holds two headers of different sizes")
    colors = "CMYK" if header.channels == 4 else "RGB"
    return Pixels(simplejpeg.decode_jpeg(data, colors, fastdct=False, fastupsample=False), None)


def _second_opinion(data: memoryview, header: Header, complaint: str) -> Iterator[Pixels]:
    """Give what simplejpeg refuses to Pillow, unless pixel data are missing.

    Pillow would not notice where a file was cut and given an end marker, and would refuse one that
    lacks nothing but that marker.
    """
    if "memory" in complaint.lower():
        raise OutOfMemory(f"the JPEG decoder says: {complaint}")
    ending = read_ending(data)
    if not ending.has_eoi:
        data = _ended(data, ending)
        try:
            pixels = _by_simplejpeg(data, header)
        except ValueError as error:
            complaint = str(error)
        else:
            yield pixels
            return
    if _ran_out(complaint) and not ending.has_stray_marker:
        raise CorruptImage("the JPEG lacks pixel data")
    yield from pillow.decode(data, header)


def _by_pillow(data: memoryview, header: Header) -> Iterator[Pixels]:
    ending = read_ending(data)
    if not ending.has_eoi:
        data = _ended(data, ending)
        try:
            _by_simplejpeg(data, header)
        except ValueError as error:
            if _ran_out(str(error)):
                raise CorruptImage("the JPEG lacks pixel data") from error
    yield from pillow.decode(data, header)


def _in_strips(data: memoryview, header: Header) -> Iterator[Pixels]:
    ending = read_ending(data)
    if not ending.has_eoi:
        data = _ended(data, ending)
    for pixels in vips.strips(data, header, "jpegload_source"):
        if _ran_out(complaints()) and not ending.has_stray_marker:
            raise CorruptImage("the JPEG lacks pixel data")
        yield pixels


def _ended(data: memoryview, ending: Ending) -> memoryview:
    """Copy the file with the end marker that it lacks, if that is all that it lacks."""
    if not ending.complete:
        raise CorruptImage("the JPEG is cut off")
    return memoryview(b"".join((data, _EOI)))


def _ran_out(complaint: str) -> bool:
    """Whether libjpeg's words mean missing data: JWRN_HIT_MARKER, or JWRN_MUST_RESYNC at EOI."""
    return "premature end of data segment" in complaint or "found marker 0xd9 instead" in complaint
