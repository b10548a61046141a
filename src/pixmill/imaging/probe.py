"""The first look at untrusted bytes: which format, how large, and may it be decoded at all.

Pure Python over the few bytes that matter, cheap to import, bounded on hostile input: this is what
runs in the parent process, before any decoder sees the file. Pixels are left to `decode`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage, TooManyPixels, UnsupportedFormat
from pixmill.imaging.formats import avif, bmp, gif, ico, jpeg, png, tiff, webp
from pixmill.imaging.header import Header

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

__all__ = ["Header", "Limits", "check", "probe"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an image may promise and still be decoded.

    `max_pixels` is width times height, `max_side` pixels, `max_frames` those of an animation (where
    the header tells), `max_decode_bytes` the memory that decoding may take; None is no limit.
    """

    max_pixels: int = 120_000_000
    max_side: int = 65_535
    max_frames: int = 10_000
    max_decode_bytes: int | None = None


def probe(data: bytes | memoryview | mmap) -> Header:
    """Read the header of an image; the format is told by content, never by name.

    Raises `UnsupportedFormat` for bytes of no format that pixmill reads or of a flavour that no
    decoder has, `CorruptImage` where the header itself is broken or cut.
    """
    with memoryview(data) as view:
        read_header = _recognize(bytes(view[:32]))
        try:
            return read_header(view)
        except (struct.error, IndexError, OverflowError) as error:
            raise CorruptImage("the image's header is cut off") from error


def check(header: Header, limits: Limits) -> None:
    """Refuse an image that promises more than `limits` allow: raises `TooManyPixels`."""
    size = f"{header.width} x {header.height}"
    most = min(limits.max_side, _DECODER_MAX_SIDE.get(header.format, limits.max_side))
    if max(header.width, header.height) > most:
        raise TooManyPixels(f"{size} pixels: a side is longer than {most}")
    if header.width * header.height > limits.max_pixels:
        raise TooManyPixels(f"{size} pixels are more than the limit of {limits.max_pixels}")
    if header.frames is not None and header.frames > limits.max_frames:
        raise TooManyPixels(
            f"{header.frames} frames are more than the limit of {limits.max_frames}"
        )
    if limits.max_decode_bytes is not None and header.decode_bytes > limits.max_decode_bytes:
        raise TooManyPixels(
            f"{size} pixels need about {header.decode_bytes >> 20} MiB to decode, "
            f"{limits.max_decode_bytes >> 20} MiB are left"
        )


# libjpeg's JPEG_MAX_DIMENSION and libavif's default imageDimensionLimit
_DECODER_MAX_SIDE = {"jpeg": 65_500, "avif": 32_768}

_SIGNATURES: tuple[tuple[int, bytes, Callable[[memoryview], Header]], ...] = (
    (0, b"\xff\xd8\xff", jpeg.read_header),
    (0, b"\x89PNG\r\n\x1a\n", png.read_header),
    (0, b"GIF87a", gif.read_header),
    (0, b"GIF89a", gif.read_header),
    (8, b"WEBP", webp.read_header),
    (4, b"ftyp", avif.read_header),
    (0, b"II*\0", tiff.read_header),
    (0, b"MM\0*", tiff.read_header),
    (0, b"II+\0", tiff.read_header),
    (0, b"MM\0+", tiff.read_header),
    (0, b"BM", bmp.read_header),
    (0, b"\0\0\1\0", ico.read_header),
)


def _recognize(start: bytes) -> Callable[[memoryview], Header]:
    for offset, signature, read_header in _SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return read_header
    if not start:
        raise UnsupportedFormat("the file is empty")
    raise UnsupportedFormat("the bytes are of no image format that is read")
