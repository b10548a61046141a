"""Untrusted bytes to pixels, by the pixel contract: the registry of decoders.

The contract: samples as stored, 8 bits, stored orientation, no ICC; the first frame of animations;
fully transparent pixels are told by a mask. Headers are left to `probe`, which must have passed the
file first, and limits to whoever calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage
from pixmill.imaging.decoders import icon, jpeg, pillow, tiff, vips
from pixmill.imaging.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap

    from pixmill.imaging.header import Header

__all__ = ["Pixels", "decode"]


def decode(data: bytes | memoryview | mmap, header: Header) -> Iterator[Pixels]:
    """Decode the first frame, in strips where it is large.

    Ordinary images come as one `Pixels`, large ones as consecutive full-width strips from top to
    bottom, of at least 16 rows but for the last. `header` is what `probe` read from the same bytes.

    Errors come while iterating, and then what was made of earlier strips has to be thrown away:
    `CorruptImage` where pixel data are missing or unreadable or the decoder disagrees with the
    header, `UnsupportedFormat` for flavours that no decoder has, `OutOfMemory` or MemoryError where
    memory does not suffice. Until the iterator and any error of it are gone, `data` stays in use.
    """
    rows = 0
    for pixels in _DECODERS[header.format](memoryview(data), header):
        height, width, _ = pixels.rgb.shape
        rows += height
        if width != header.width or rows > header.height:
            raise CorruptImage("the image is larger than its header promises")
        yield pixels
    if rows != header.height:
        raise CorruptImage("the image has fewer rows than its header promises")


_DECODERS: dict[str, Callable[[memoryview, Header], Iterator[Pixels]]] = {
    "jpeg": jpeg.decode,
    "png": vips.decode_png,
    "tiff": tiff.decode,
    "ico": icon.decode,
    "webp": vips.decode_webp,
    "gif": pillow.decode,
    "avif": pillow.decode,
    "bmp": pillow.decode,
}
