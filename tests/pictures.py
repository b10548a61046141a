"""Small pictures for tests of the pipeline, made without any imaging library."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

Pixel = tuple[int, int, int]


def png(rng: random.Random, width: int = 24, height: int = 16, colors: int = 6) -> bytes:
    """A PNG of a few colours drawn from `rng`."""
    few = [(rng.randrange(256), rng.randrange(256), rng.randrange(256)) for _ in range(colors)]
    return png_of([rng.choice(few) for _ in range(width * height)], width)


def png_of(pixels: list[Pixel], width: int) -> bytes:
    """An 8-bit RGB PNG of these pixels, row after row."""
    rows = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    raw = b"".join(b"\0" + bytes(sample for pixel in row for sample in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def plain(color: Pixel, width: int = 4, height: int = 4) -> bytes:
    """A PNG of one colour."""
    return png_of([color] * (width * height), width)


def pixels_of(data: bytes) -> list[Pixel]:
    """The pixels of a PNG that `png_of` made."""
    width = struct.unpack(">I", data[16:20])[0]
    start = data.index(b"IDAT")
    length = struct.unpack(">I", data[start - 4 : start])[0]
    raw = zlib.decompress(data[start + 4 : start + 4 + length])
    stride = 1 + 3 * width
    rows = [raw[at + 1 : at + stride] for at in range(0, len(raw), stride)]
    return [tuple(row[at : at + 3]) for row in rows for at in range(0, len(row), 3)]  # type: ignore[misc]


def expected(data: bytes, n: int) -> list[tuple[str, int]]:
    """The n most common colours with their counts, by plain counting, padded at the front."""
    counts = Counter(pixels_of(data))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
    padded = [ranked[0]] * (n - len(ranked)) + ranked
    return [("#{:02X}{:02X}{:02X}".format(*color), count) for color, count in padded]
