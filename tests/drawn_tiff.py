"""TIFFs of every layout, written byte by byte (TIFF 6.0, and BigTIFF)."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def tiff(samples, *, photometric, bits=8, order="<", planar=False, tile=None, rows=7, **more):
    """A TIFF of (h, w, channels) samples, uncompressed or deflated, in strips or tiles.

    `more` are `extra` samples, `colormap`, `deflate`, `sample_format`, `orientation`, `big`.
    """
    height, width, channels = samples.shape
    parts = [samples[:, :, i : i + 1] for i in range(channels)] if planar else [samples]
    blocks = [block for part in parts for block in _blocks(part, tile, rows)]
    data = [_packed(block, bits, order) for block in blocks]
    if more.get("deflate"):
        data = [zlib.compress(block) for block in data]
    tags = {
        256: ("I", [width]), 257: ("I", [height]), 258: ("H", [bits] * channels),
        259: ("H", [8 if more.get("deflate") else 1]), 262: ("H", [photometric]),
        277: ("H", [channels]), 284: ("H", [2 if planar else 1]),
    }  # fmt: skip
    if "extra" in more:
        tags[338] = ("H", list(more["extra"]))
    if "colormap" in more:
        tags[320] = ("H", list(more["colormap"]))
    if "sample_format" in more:
        tags[339] = ("H", [more["sample_format"]] * channels)
    if "orientation" in more:
        tags[274] = ("H", [more["orientation"]])
    if tile:
        tags |= {322: ("I", [tile]), 323: ("I", [tile])}
    else:
        tags[278] = ("I", [rows])
    return _tiff_file(tags, data, order, tiled=bool(tile), big=bool(more.get("big")))


def cut_block(data, share):
    """A little-endian TIFF of one strip, whose directory tells but a share of the strip's bytes."""
    at, kind = next((at, kind) for at, tag, kind in _entries(data) if tag == 279)
    layout = {3: "<H", 4: "<I"}[kind]
    (length,) = struct.unpack_from(layout, data, at + 8)
    cut = bytearray(data)
    struct.pack_into(layout, cut, at + 8, int(length * share))
    return bytes(cut)


def with_entry(data, tag, kind, count, value):
    """A little-endian TIFF with an entry more, at the end of its directory, whatever its tag."""
    old = b"".join(data[at : at + 12] for at, *_ in _entries(data))
    entries = len(old) // 12 + 1
    directory_at = len(data) + len(data) % 2
    place = value.ljust(4, b"\0")
    if len(value) > 4:
        place = struct.pack("<I", directory_at + 2 + 12 * entries + 4)
    new = struct.pack("<HHI", tag, kind, count) + place
    body = data[8:] + bytes(len(data) % 2) + struct.pack("<H", entries) + old + new + bytes(4)
    return data[:4] + struct.pack("<I", directory_at) + body + (value if len(value) > 4 else b"")


def _entries(data):
    """Offset, tag and type of each entry of the first directory."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    return [(at, *struct.unpack_from("<HH", data, at))
            for at in range(start + 2, start + 2 + 12 * count, 12)]  # fmt: skip


def _blocks(part, tile, rows):
    if not tile:
        return [part[y : y + rows] for y in range(0, part.shape[0], rows)]
    below, right = -part.shape[0] % tile, -part.shape[1] % tile
    padded = np.pad(part, ((0, below), (0, right), (0, 0)))
    return [
        padded[y : y + tile, x : x + tile]
        for y in range(0, padded.shape[0], tile)
        for x in range(0, padded.shape[1], tile)
    ]


def _packed(block, bits, order):
    if bits in (16, 32):
        return block.astype(f"{order}u{bits // 8}").tobytes()
    if bits == 8:
        return block.astype(np.uint8).tobytes()
    flags = np.unpackbits(block.astype(np.uint8)[..., None], axis=3)[..., -bits:]
    return np.packbits(flags.reshape(block.shape[0], -1), axis=1).tobytes()


def _tiff_file(tags, data, order, *, tiled, big):
    head = 16 if big else 8
    offsets = [head + sum(len(block) for block in data[:i]) for i in range(len(data))]
    tags[324 if tiled else 273] = ("I", offsets)
    tags[325 if tiled else 279] = ("I", [len(block) for block in data])
    body = b"".join(data)
    body += bytes(len(body) % 2)
    directory_at = head + len(body)
    inline, count, word = (8, "Q", "Q") if big else (4, "H", "I")
    entry_bytes = 20 if big else 12
    tail_at = (
        directory_at
        + struct.calcsize("<" + count)
        + entry_bytes * len(tags)
        + struct.calcsize("<" + word)
    )
    entries, tail = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        value = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(value) > inline:
            place = struct.pack(order + word, tail_at + len(tail))
            tail += value + bytes(len(value) % 2)
        else:
            place = value.ljust(inline, b"\0")
        entries += struct.pack(f"{order}HH{word}", tag, {"H": 3, "I": 4}[kind], len(values)) + place
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    mark += (
        struct.pack(order + "HHQ", 8, 0, directory_at)
        if big
        else struct.pack(order + "I", directory_at)
    )
    return (
        mark
        + body
        + struct.pack(order + count, len(tags))
        + entries
        + struct.pack(order + word, 0)
        + tail
    )
