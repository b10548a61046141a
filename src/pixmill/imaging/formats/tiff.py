"""TIFF headers (TIFF 6.0, BigTIFF): the first directory, and which decoder its flavour needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.imaging.header import MIB, Header, is_large, strip_decode_bytes, strip_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_ENTRIES = 4_096
_MAX_VALUES = 16
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 256, 257, 258, 259, 262, 274
_SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 277, 278, 322, 323
_EXTRA_SAMPLES, _SAMPLE_FORMAT = 338, 339
# offsets and sizes of strips and tiles: only whether they are there
_BLOCKS = (273, 279, 324, 325)
_TAGS = frozenset({
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP,
    _TILE_WIDTH, _TILE_HEIGHT, _EXTRA_SAMPLES, _SAMPLE_FORMAT, *_BLOCKS,
})  # fmt: skip
# BYTE, SHORT, LONG, LONG8: the unsigned integers, which are all that these tags may be
_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _, _CMYK, _YCBCR = range(7)
_BASE_SAMPLES = {_MIN_IS_WHITE: 1, _MIN_IS_BLACK: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_DEPTHS = {
    _MIN_IS_WHITE: (1, 2, 4, 8, 16), _MIN_IS_BLACK: (1, 2, 4, 8, 16), _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8), _CMYK: (8, 16), _YCBCR: (8,),
}  # fmt: skip
_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA, _COREL_ALPHA = 1, 2, 999
_JPEG_COMPRESSION = 7
# heights of strips that fit libvips' cache of rows; it reads others in pieces of its own
_EVEN_BLOCK_ROWS = frozenset({1, 2, 4, 8, 16, 32, 64, 128})
_MAX_BLOCK_ROWS = 512
# rows that libvips keeps where one region is read through, as measured
_REGION_ROWS = 2_500


def read_header(data: memoryview) -> Header:
    """Read the first directory, wherever it stands."""
    page = _Page.of(_read_directory(data))
    page.refuse_unsupported()
    if not page.width or not page.height:
        raise CorruptImage("the TIFF promises no pixels")
    strips = is_large(page.width, page.height)
    alpha = page.extra[:1] in ((_ASSOCIATED_ALPHA,), (_UNASSOCIATED_ALPHA,), (_COREL_ALPHA,))
    alpha = alpha or (page.photometric == _RGB and page.samples == 4 and not page.extra)
    return Header(
        "tiff", page.width, page.height, page.decode_bytes(len(data)), frames=None, bits=page.bits,
        channels=page.samples, alpha=alpha, strips=strips, whole=not page.streams(),
        variant=page.variant(), block_rows=page.block_rows(),
    )  # fmt: skip


def read_orientation(data: memoryview) -> int:
    """Read the tag of the first directory, 1 without one: also of Exif, which is laid out alike."""
    return (_read_directory(data).get(_ORIENTATION) or (1,))[0]


@dataclass(frozen=True, slots=True)
class _Page:
    width: int
    height: int
    bits: int
    compression: int
    photometric: int
    orientation: int
    samples: int
    block: tuple[int, int]
    tiled: bool
    extra: tuple[int, ...]
    formats: tuple[int, ...]

    @classmethod
    def of(cls, tags: Mapping[int, tuple[int, ...]]) -> _Page:
        def first(tag: int, otherwise: int) -> int:
            return (tags.get(tag) or (otherwise,))[0]

        width, height = first(_WIDTH, 0), first(_HEIGHT, 0)
        depths = tags.get(_BITS) or (1,)
        strip = (width, min(first(_ROWS_PER_STRIP, height), height))
        tile = (first(_TILE_WIDTH, width), first(_TILE_HEIGHT, height))
        return cls(
            width, height, depths[0] if len({*depths}) == 1 else 0, first(_COMPRESSION, 1),
            first(_PHOTOMETRIC, _MIN_IS_WHITE), first(_ORIENTATION, 1), first(_SAMPLES, 1),
            tile if _TILE_WIDTH in tags else strip, _TILE_WIDTH in tags,
            tags.get(_EXTRA_SAMPLES, ()), tags.get(_SAMPLE_FORMAT, (1,)),
        )  # fmt: skip

    def refuse_unsupported(self) -> None:
        if {*self.formats} - {1}:
            raise UnsupportedFormat("a TIFF of samples that are no unsigned integers")
        if self.photometric not in _DEPTHS:
            raise UnsupportedFormat(f"a TIFF of photometric interpretation {self.photometric}")
        if self.bits not in _DEPTHS[self.photometric]:
            raise UnsupportedFormat(f"a TIFF of {self.bits} bits a sample")
        if not _BASE_SAMPLES[self.photometric] <= self.samples <= 6:
            raise UnsupportedFormat(f"a TIFF of {self.samples} samples a pixel")

    def streams(self) -> bool:
        """Whether libvips reads it, strip by strip; else Pillow does, whole.

        Pillow's conversions count for CMYK and YCbCr (libtiff's own of YCbCr in JPEG is the same),
        and it divides colors by an alpha that they were multiplied with.
        """
        if self.photometric == _CMYK or self.extra[:1] == (_ASSOCIATED_ALPHA,):
            return False
        return self.photometric != _YCBCR or self.compression == _JPEG_COMPRESSION

    def variant(self) -> str:
        """Say what matters where Pillow decodes: whether data are JPEG's, and the orientation."""
        if self.streams():
            return ""
        return f"{'jpeg ' * (self.compression == _JPEG_COMPRESSION)}orientation {self.orientation}"

    def block_rows(self) -> int:
        """Rows at which libvips can begin anew, 0 where it has blocks of rows of its own."""
        rows = self.block[1]
        if self.tiled:
            return rows if 0 < rows <= _MAX_BLOCK_ROWS else 0
        return max(16, rows) if rows in _EVEN_BLOCK_ROWS else 0

    def decode_bytes(self, file_bytes: int) -> int:
        """Estimate a row of blocks in libtiff, and strips of samples and RGB or the whole image."""
        pixels = self.width * self.height
        pixel_bytes = self.samples * (2 if self.bits == 16 else 1)
        block_width, block_height = self.block
        across = -(-self.width // max(block_width, 1)) * block_width
        blocks = across * min(block_height, 2 * self.height) * pixel_bytes
        if not self.streams():
            rows = min(strip_rows(self.width), self.height)
            turned = 4 * pixels if self.orientation > 1 else 0
            return 4 * pixels + turned + blocks + 16 * rows * self.width + file_bytes + 8 * MIB
        if not is_large(self.width, self.height):
            return 2 * blocks + pixels * (2 * pixel_bytes + self.samples + 4) + 8 * MIB
        strips = strip_decode_bytes(self.width, pixel_bytes, self.block_rows() or 16)
        kept = 0 if self.block_rows() else min(self.height, _REGION_ROWS) * self.width * pixel_bytes
        return blocks * (2 if self.tiled else 1) + strips + kept


def _read_directory(data: memoryview) -> dict[int, tuple[int, ...]]:
    """Read the tags that matter, of each the first few values: TIFF 6.0, section 2."""
    order = "<" if bytes(data[:2]) == b"II" else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    big = version == 43
    entry_bytes, count_format, offset_format = (20, "Q", "Q") if big else (12, "H", "I")
    (at,) = struct.unpack_from(order + offset_format, data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + count_format, data, at)
    if entries > _MAX_ENTRIES:
        raise CorruptImage(f"a TIFF directory of {entries} entries")
    at += struct.calcsize("<" + count_format)
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(at, at + entries * entry_bytes, entry_bytes):
        tag, kind, count = struct.unpack_from(order + "HH" + offset_format, data, entry)
        if tag in _TAGS and kind in _FORMATS and tag not in tags:
            value = entry + (12 if big else 8)
            size = count * struct.calcsize(_FORMATS[kind])
            if size > (8 if big else 4):
                (value,) = struct.unpack_from(order + offset_format, data, value)
            if value + size > len(data):
                raise CorruptImage("the TIFF's directory is cut off")
            values = f"{order}{min(count, _MAX_VALUES)}{_FORMATS[kind]}"
            tags[tag] = struct.unpack_from(values, data, value)
    return tags
