"""Palettes of Adobe Swatch Exchange (.ase): big-endian blocks, each a color or the edge of a group.

Owns the blocks and what becomes of RGB, gray and CMYK in them; Lab is refused. Groups are ignored.
Adobe has not published the format; this is what its programs write. Names are left to `swatch`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pixmill.color.palette import MAX_ENTRIES
from pixmill.color.palette_formats.swatch import make_entry
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.color.palette import Entry, Palette

MARK = b"ASEF\0"
MAX_BLOCKS = 3 * MAX_ENTRIES  # each color in a group of its own
_HEAD = struct.Struct(">4sHHI")
_BLOCK = struct.Struct(">HI")
_COLOR = 0x0001
_GROUP_EDGES = (0xC001, 0xC002)
_SAMPLES = {b"RGB ": 3, b"CMYK": 4, b"Gray": 1, b"GRAY": 1}
_NORMAL = 2  # neither global nor spot


def read(data: bytes) -> Iterator[Entry]:
    """Yield the entries; UsageError names the offset in bytes of a block that is none."""
    if len(data) < _HEAD.size or not data.startswith(MARK):
        raise UsageError("offset 0: it is no Adobe Swatch Exchange file")
    blocks = _HEAD.unpack_from(data)[3]
    if blocks > MAX_BLOCKS:
        raise UsageError(f"offset 8: {blocks:,} blocks are more than {MAX_BLOCKS:,}")
    offset = _HEAD.size
    for _ in range(blocks):
        kind, body = _block(data, offset)
        if kind == _COLOR:
            yield _entry(body, f"offset {offset}")
        elif kind not in _GROUP_EDGES:
            raise UsageError(f"offset {offset}: a block of the unknown kind {kind:#06x}")
        offset += _BLOCK.size + len(body)
    if offset != len(data):
        raise UsageError(f"offset {offset}: {len(data) - offset:,} bytes after the last block")


def _block(data: bytes, offset: int) -> tuple[int, bytes]:
    start = offset + _BLOCK.size
    if start <= len(data):
        kind, size = _BLOCK.unpack_from(data, offset)
        if start + size <= len(data):
            return kind, data[start : start + size]
    raise UsageError(f"offset {offset}: the file ends within a block")


def _entry(body: bytes, where: str) -> Entry:
    try:
        name_end = 2 + 2 * struct.unpack_from(">H", body)[0]
        name = body[2:name_end].decode("utf-16-be").rstrip("\0")
        model = bytes(struct.unpack_from(">4s", body, name_end)[0])
        if model not in _SAMPLES:
            raise UsageError(f"{where}: colors of the model {model!a} are not read")
        samples = struct.unpack_from(f">{_SAMPLES[model]}f", body, name_end + 4)
    except struct.error as error:
        raise UsageError(f"{where}: the block ends within its color") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: the name is not UTF-16") from error
    if not all(0 <= sample <= 1 for sample in samples):
        raise UsageError(f"{where}: {samples} are not samples of 0 to 1")
    return make_entry(where, name, _rgb(samples))


def _rgb(samples: tuple[float, ...]) -> tuple[int, int, int]:
    """Bring gray, RGB or CMYK samples of 0 to 1 to 8-bit RGB.

    CMYK by the plain formula (1 - C)(1 - K): a file names no profile.
    """
    if len(samples) == 1:
        samples = 3 * samples
    elif len(samples) == 4:
        samples = tuple((1 - ink) * (1 - samples[3]) for ink in samples[:3])
    red, green, blue = (round(255 * sample) for sample in samples)
    return red, green, blue


def write(palette: Palette) -> bytes:
    """Write a block of RGB for each color; ids and synonyms are not kept."""
    blocks = []
    for entry in palette.entries:
        name = f"{entry.name}\0".encode("utf-16-be")
        samples = (value / 255 for value in entry.rgb)
        body = struct.pack(">H", len(name) // 2) + name
        body += struct.pack(">4s3fH", b"RGB ", *samples, _NORMAL)
        blocks.append(_BLOCK.pack(_COLOR, len(body)) + body)
    return _HEAD.pack(MARK[:4], 1, 0, len(blocks)) + b"".join(blocks)
