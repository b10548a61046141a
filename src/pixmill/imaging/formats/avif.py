"""AVIF headers: the boxes of ISO/IEC 14496-12 and 23008-12 that tell a picture's size and depth."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.imaging.header import MIB, Header, is_large, strip_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_BOXES = 10_000
_BRANDS = frozenset({b"avif", b"avis"})


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int


def read_header(data: memoryview) -> Header:
    """Read the size of the primary item or, of a sequence, of its first picture track.

    Sizes are those before any rotation or mirroring that the file asks for.
    """
    boxes = _Boxes(data)
    brands = next(boxes.walk(0, len(data)))
    major = bytes(data[brands.start : brands.start + 4])
    others = bytes(data[brands.start + 8 : min(brands.end, brands.start + 8 + 4 * 64)])
    if not _BRANDS & {major, *(others[i : i + 4] for i in range(0, len(others), 4))}:
        raise UnsupportedFormat("a file of boxes that is no AVIF")
    picture = _sequence(boxes) if major == b"avis" else _primary_item(boxes)
    if not picture.width or not picture.height:
        raise CorruptImage("the AVIF promises no pixels")
    return Header(
        "avif", picture.width, picture.height, picture.decode_bytes(len(data)),
        frames=picture.frames, bits=picture.bits, channels=4, alpha=True, whole=True,
        strips=is_large(picture.width, picture.height),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the boxes tell; `samples` are those a pixel in all planes, as stored."""

    width: int
    height: int
    bits: int = 12
    samples: float = 4
    frames: int = 1

    def decode_bytes(self, file_bytes: int) -> int:
        """Estimate the planes in decoder and libavif, and the picture as samples and as image.

        The latter take four bytes a pixel each; then a strip in Pillow and as RGB, and a copy of
        the file.
        """
        pixels = self.width * self.height
        planes = self.samples * (2 if self.bits > 8 else 1)
        rows = strip_rows(self.width) if is_large(self.width, self.height) else self.height
        return int((2 * planes + 8) * pixels) + 16 * rows * self.width + file_bytes + 16 * MIB


class _Boxes:
    """The boxes of a file, of which one reading takes so many steps and no more, at all levels."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._left = _MAX_BOXES

    def walk(self, at: int, end: int) -> Iterator[_Box]:
        """Walk the boxes between two offsets: 14496-12, 4.2."""
        data = self.data
        while at + 8 <= end:
            self._left -= 1
            if self._left < 0:
                raise CorruptImage(f"the AVIF takes more than {_MAX_BOXES} boxes to read")
            size, kind = struct.unpack_from(">I4s", data, at)
            start = at + 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", data, start)
                start += 8
            if size == 0:
                size = end - at
            if size < start - at:
                raise CorruptImage("an AVIF box of no size")
            yield _Box(kind, start, min(at + size, end))
            at += size

    def find(self, box: _Box, *path: bytes, skip: int = 0) -> _Box:
        """Find the first box at the path below `box`, whose own fields take `skip` bytes."""
        for kind in path:
            children = self.walk(box.start + skip, box.end)
            found = next((child for child in children if child.kind == kind), None)
            if found is None:
                raise CorruptImage(f"the AVIF has no {kind.decode('ascii')} box")
            box, skip = found, 0
        return box


def _primary_item(boxes: _Boxes) -> _Picture:
    """Read the properties of the primary item: 23008-12, 6.5 and 9.3; AV1-ISOBMFF, 2.3."""
    data = boxes.data
    meta = boxes.find(_Box(b"", 0, len(data)), b"meta")
    pitm = boxes.find(meta, b"pitm", skip=4)
    (item,) = struct.unpack_from(">I" if data[pitm.start] else ">H", data, pitm.start + 4)
    properties = boxes.find(meta, b"iprp", skip=4)
    wanted = _associations(data, boxes.find(properties, b"ipma"), item)
    contents = boxes.find(properties, b"ipco")
    size, bits, samples, alpha = None, 12, 3.0, 0
    for index, box in enumerate(boxes.walk(contents.start, contents.end), start=1):
        if box.kind == b"auxC":
            alpha = 1
        elif box.kind == b"ispe" and index in wanted:
            size = struct.unpack_from(">II", data, box.start + 4)
        elif box.kind == b"av1C" and index in wanted:
            layout = data[box.start + 2]
            bits = 10 if layout & 0x40 else 8
            samples = (
                1 if layout & 0x10 else 1 + 2 / (1 + (layout >> 3 & 1)) / (1 + (layout >> 2 & 1))
            )
    if size is None:
        raise CorruptImage("the AVIF does not tell its size")
    return _Picture(size[0], size[1], bits, samples + alpha)


def _associations(data: memoryview, ipma: _Box, item: int) -> set[int]:
    """Read the numbers of the properties of an item: 23008-12, 9.3.3."""
    version, flags = data[ipma.start], data[ipma.start + 3]
    (entries,) = struct.unpack_from(">I", data, ipma.start + 4)
    at = ipma.start + 8
    id_format, id_bytes = (">H", 2) if version < 1 else (">I", 4)
    width = 2 if flags & 1 else 1
    for _ in range(min(entries, _MAX_BOXES)):
        (found,) = struct.unpack_from(id_format, data, at)
        count = data[at + id_bytes]
        at += id_bytes + 1
        if found == item:
            mask = 0x7FFF if flags & 1 else 0x7F
            return {
                int.from_bytes(data[at + i * width : at + (i + 1) * width], "big") & mask
                for i in range(count)
            }
        at += count * width
    return set()


def _sequence(boxes: _Boxes) -> _Picture:
    """Read size and frames of the first track of pictures: 14496-12, 8.5.2 and 8.7.3."""
    data = boxes.data
    movie = boxes.find(_Box(b"", 0, len(data)), b"moov")
    for track in boxes.walk(movie.start, movie.end):
        if track.kind != b"trak":
            continue
        table = boxes.find(track, b"mdia", b"minf", b"stbl")
        stsd = boxes.find(table, b"stsd")
        entry = next(boxes.walk(stsd.start + 8, stsd.end), None)
        if entry is None or entry.kind != b"av01":
            continue
        width, height = struct.unpack_from(">HH", data, entry.start + 24)
        sizes = boxes.find(table, b"stsz")
        (frames,) = struct.unpack_from(">I", data, sizes.start + 8)
        return _Picture(width, height, frames=max(frames, 1))
    raise CorruptImage("the AVIF sequence has no track of pictures")
