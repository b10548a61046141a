"""PNG by the book (ISO/IEC 15948), in a few slow lines: shares nothing with any decoder."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def read_png(data):
    """RGB (h, w, 3) and alpha (h, w), both uint8 by the pixel contract."""
    chunks = _chunks(data)
    width, height, bits, color, _, _, interlace = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    raw = zlib.decompress(chunks[b"IDAT"])
    samples = np.zeros((height, width, _CHANNELS[color]), np.int64)
    at = 0
    for x, y, dx, dy in _ADAM7 if interlace else ((0, 0, 1, 1),):
        part = samples[y::dy, x::dx]
        at = _read_pass(raw, at, part, bits)
    return _rgb_and_alpha(samples, bits, color, chunks)


def _chunks(data):
    found, at = {b"IDAT": b""}, 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if name == b"IDAT":
            found[name] += body
        else:
            found.setdefault(name, body)
        at += length + 12
    return found


def _read_pass(raw, at, part, bits):
    height, width, channels = part.shape
    if not part.size:
        return at
    stride = -(-width * channels * bits // 8)
    step = max(1, channels * bits // 8)
    above = bytearray(stride)
    for y in range(height):
        row = bytearray(raw[at + 1 : at + 1 + stride])
        _unfilter(row, above, step, raw[at])
        at += stride + 1
        above = row
        part[y] = _unpack(row, width * channels, bits).reshape(width, channels)
    return at


def _unfilter(row, above, step, kind):
    for i in range(len(row)):
        a = row[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        row[i] = (row[i] + (0, a, b, (a + b) // 2, _paeth(a, b, c))[kind]) & 255


def _paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def _unpack(row, count, bits):
    if bits == 16:
        return np.frombuffer(bytes(row), ">u2").astype(np.int64)
    flags = np.unpackbits(np.frombuffer(bytes(row), np.uint8))[: count * bits].reshape(count, bits)
    return flags @ (1 << np.arange(bits)[::-1])


def _rgb_and_alpha(samples, bits, color, chunks):
    alpha = np.full(samples.shape[:2], 255, np.uint8)
    trns = chunks.get(b"tRNS")
    if color == 3:
        palette = np.zeros((256, 4), np.uint8)
        palette[:, 3] = 255
        entries = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
        palette[: len(entries), :3] = entries
        if trns is not None:
            palette[: len(trns), 3] = np.frombuffer(trns, np.uint8)
        rgba = palette[samples[:, :, 0]]
        return rgba[:, :, :3], rgba[:, :, 3]
    colors = 1 if color in (0, 4) else 3
    if color in (4, 6):
        alpha = (samples[:, :, -1] >> (bits - 8)).astype(np.uint8)
    elif trns is not None:
        key = np.frombuffer(trns, ">u2")[:colors] & ((1 << bits) - 1)
        alpha = np.where((samples == key).all(2), 0, 255).astype(np.uint8)
    stored = samples[:, :, :colors]
    eight = stored >> 8 if bits == 16 else stored * 255 // ((1 << bits) - 1)
    return np.broadcast_to(eight, (*eight.shape[:2], 3)).astype(np.uint8), alpha
