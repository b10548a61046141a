"""Whether a JPEG lacks pixel data, for files that a decoder complains of.

Decoders make up what is missing and say at most what was odd first. So they are asked about the
file's essence alone, and whether its pixels change with the bytes that follow the coded data: they
do where the decoder has come to the end of these before the end of the picture.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pixmill.imaging.decoders import pillow, vips
from pixmill.imaging.formats.jpeg_essence import essence
from pixmill.imaging.vips import complaints

if TYPE_CHECKING:
    from pixmill.imaging.header import Header

# codes of no meaning, begun by a byte that makes data of a fill byte before them; none is 0xFF
_FILLER = bytes.fromhex("00 5b c6 93 2e 71 b8 4d a7 1c e5 36 8a d9 62 f4")


def lacks_pixels(data: memoryview, header: Header) -> bool:
    """Whether the coded data end before the picture. `data` has an end marker.

    Costs two decodes in strips (of progressive files, with all coefficients) and copies of the
    file. Raises what decoders raise.
    """
    alone, complaint = _seen(essence(data), header)
    return _ran_out(complaint) or _seen(essence(data, _FILLER), header)[0] != alone


def _seen(data: memoryview, header: Header) -> tuple[bytes, str]:
    """Digest of the pixels, and the decoder's words. Of lossless files only Pillow has pixels."""
    digest, said = hashlib.sha256(), ""
    if header.variant == "lossless":
        strips = pillow.decode(data, header)
    else:
        # else a hundred warnings are an error, and the filler of each interval gives one
        in_strips = header._replace(strips=True)
        strips = vips.strips(data, in_strips, "jpegload_source", unlimited=True)
    for samples in strips:
        digest.update(samples.tobytes())
        said += complaints()
    return digest.digest(), said


def _ran_out(complaint: str) -> bool:
    """Whether libjpeg's words mean missing data: JWRN_HIT_MARKER, or JWRN_MUST_RESYNC at EOI."""
    return "premature end of data segment" in complaint or "found marker 0xd9 instead" in complaint
