"""Untrusted bytes to pixels, by the pixel contract: the registry of decoders.

The contract: samples as stored, 8 bits, stored orientation, no ICC; the first frame of animations;
fully transparent pixels are told by a mask. Headers are left to `probe`, which must have passed the
file first, and limits to whoever calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage
from pixmill.imaging.decoders import icon, jpeg, pillow, tiff, vips
from pixmill.imaging.pixels import Pixels, from_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap
    from typing import Any

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header

__all__ = ["Pixels", "decode", "decode_samples"]


def decode(data: bytes | memoryview | mmap, header: Header) -> Iterator[Pixels]:
    """Decode the first frame, in strips where it is large.

    Ordinary images come as one `Pixels`, large ones as consecutive full-width strips from top to
    bottom, of at least 16 rows but for the last. `header` is what `probe` read from the same bytes.

    Errors come while iterating, and then what was made of earlier strips has to be thrown away:
    `CorruptImage` where pixel data are missing or unreadable or the decoder disagrees with the
    header, `UnsupportedFormat` for flavours that no decoder has, `OutOfMemory` or MemoryError where
    memory does not suffice. Until the iterator and any error of it are gone, `data` stays in use.
    """
    return map(from_samples, decode_samples(data, header))


def decode_samples(data: bytes | memoryview | mmap, header: Header) -> Iterator[NDArray[Any]]:
    """Do as `decode`, and give samples: (h, w, channels) uint8 or uint16, all of the alpha.

    The channels are grey or RGB, with alpha or without; all strips have the same.
    """
    # By `map`, since a loop would hold on to samples that nobody needs any more.
    rows = _Rows(header)
    yield from map(rows.counted, _DECODERS[header.format](memoryview(data), header))
    rows.end()


class _Rows:
    """Holds a decoder to the size that the header promises."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._rows = 0

    def counted(self, samples: NDArray[Any]) -> NDArray[Any]:
        height, width, _ = samples.shape
        self._rows += height
        if width != self._header.width or self._rows > self._header.height:
            raise CorruptImage("the image is larger than its header promises")
        return samples

    def end(self) -> None:
        if self._rows != self._header.height:
            raise CorruptImage("the image has fewer rows than its header promises")


_DECODERS: dict[str, Callable[[memoryview, Header], Iterator[NDArray[Any]]]] = {
    "jpeg": jpeg.decode,
    "png": vips.decode_png,
    "tiff": tiff.decode,
    "ico": icon.decode,
    "webp": vips.decode_webp,
    "gif": pillow.decode,
    "avif": pillow.decode,
    "bmp": pillow.decode,
}
