"""Test images of every kind, drawn in code: small, deterministic, hostile where asked for.

PNG, BMP, TIFF, GIF and odd JPEGs are written byte by byte, so that what they hold is known without
any library; ordinary JPEG, WebP and AVIF come from Pillow's encoders. TIFFs stand in `drawn_tiff`
and can be imported from here too.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.drawn_tiff import tiff

__all__ = [
    "PNG_SIGNATURE",
    "bmp",
    "chunk",
    "dib",
    "encoded",
    "gif",
    "ico",
    "ihdr",
    "lossless_jpeg",
    "lzw_codes",
    "noise",
    "picture",
    "png",
    "scans",
    "segment",
    "tall_jpeg",
    "tall_png",
    "tiff",
]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def noise(height, width, channels=3, *, seed=1, high=256, dtype=np.uint8):
    """Uniform samples below `high`, (height, width, channels)."""
    return np.random.default_rng(seed).integers(0, high, (height, width, channels), dtype)


def picture(height, width):
    """A smooth picture with an edge, (height, width, 3): what JPEG encoders are made for."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) % 256], 2)
    rgb[height // 3 : height // 2, width // 4 : width // 2] = (250, 10, 40)
    return rgb.astype(np.uint8)


def encoded(rgb, kind, **options):
    """Write by Pillow."""
    target = io.BytesIO()
    image = rgb if isinstance(rgb, Image.Image) else Image.fromarray(rgb)
    image.save(target, kind, **options)
    return target.getvalue()


def chunk(name, data, *, crc=None):
    checksum = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def ihdr(width, height, bits=8, color=2, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace))


def png(samples, bits=8, color=2, *, interlace=False, palette=None, trns=None, extra=b"", level=6):
    """A PNG of (h, w, channels) samples below 2^bits, by color type; every filter in turn."""
    height, width, _ = samples.shape
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    raw = b"".join(_scanlines(samples[y::dy, x::dx], bits) for x, y, dx, dy in passes)
    body = ihdr(width, height, bits, color, int(interlace)) + extra
    if palette is not None:
        body += chunk(b"PLTE", np.asarray(palette, np.uint8).tobytes())
    if trns is not None:
        body += chunk(b"tRNS", trns)
    packed = zlib.compress(raw, level)
    middle = len(packed) // 2
    body += chunk(b"IDAT", packed[:middle]) + chunk(b"IDAT", packed[middle:])
    return PNG_SIGNATURE + body + chunk(b"IEND", b"")


def _scanlines(samples, bits):
    if not samples.size:
        return b""
    height, _, channels = samples.shape
    if bits == 16:
        rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    elif bits == 8:
        rows = samples.astype(np.uint8).reshape(height, -1)
    else:
        flags = np.unpackbits(samples.astype(np.uint8)[..., None], axis=3)[..., -bits:]
        rows = np.packbits(flags.reshape(height, -1), axis=1)
    step = max(1, channels * bits // 8)
    lines = []
    above = np.zeros(rows.shape[1], np.uint8)
    for y, row in enumerate(rows):
        lines.append(_filtered(row, above, step, y % 5))
        above = row
    return b"".join(lines)


def _filtered(row, above, step, kind):
    left = np.concatenate([np.zeros(step, np.uint8), row])[: row.size]
    corner = np.concatenate([np.zeros(step, np.uint8), above])[: row.size]
    a, b, c = (x.astype(np.int16) for x in (left, above, corner))
    estimate = a + b - c
    distances = np.stack([abs(estimate - a), abs(estimate - b), abs(estimate - c)])
    paeth = np.choose(distances.argmin(0), [a, b, c])
    predicted = (np.zeros_like(a), a, b, (a + b) // 2, paeth)[kind]
    return bytes([kind]) + (row.astype(np.int16) - predicted).astype(np.uint8).tobytes()


def gif(indices, palette, *, canvas=None, at=(0, 0), transparent=None, codes=None):
    """A GIF of one frame of (h, w) indices below 128."""
    height, width = indices.shape
    canvas_width, canvas_height = canvas or (width, height)
    head = b"GIF89a" + struct.pack("<HHBBB", canvas_width, canvas_height, 0xF6, 0, 0)
    table = np.zeros((128, 3), np.uint8)
    table[: len(palette)] = palette
    control = b"" if transparent is None else b"\x21\xf9\4\1\0\0" + bytes([transparent]) + b"\0"
    frame = b"\x2c" + struct.pack("<HHHHB", at[0], at[1], width, height, 0)
    codes = lzw_codes(indices) if codes is None else codes
    value = sum(code << (8 * i) for i, code in enumerate(codes))
    packed = value.to_bytes(len(codes) + 1, "little")
    blocks = [packed[i : i + 255] for i in range(0, len(packed), 255)]
    data = b"".join(bytes([len(block)]) + block for block in blocks)
    return head + table.tobytes() + control + frame + b"\7" + data + b"\0;"


def lzw_codes(indices):
    """8-bit codes: a clear code before every 100 literals keeps them from growing to nine bits."""
    codes = []
    for number, index in enumerate(indices.reshape(-1).tolist()):
        if number % 100 == 0:
            codes.append(128)
        codes.append(index)
    return [*codes, 129]


def bmp(rows, width, bits, *, compression=0, masks=b"", palette=b"", header=40, height=None):
    """A BMP of packed rows (bottom up, padded to four bytes) under a header of 40 or more bytes."""
    data = b"".join(row + bytes(-len(row) % 4) for row in rows)
    count = len(rows) if height is None else height
    info = struct.pack(
        "<IiiHHIIiiII", header, width, count, 1, bits, compression, len(data), 0, 0, 0, 0
    )
    info += (masks + bytes(124))[: header - 40] if header > 40 else masks
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data


def ico(*pictures):
    """An icon of (directory width, directory height, bits, bytes of the picture)."""
    offset = 6 + 16 * len(pictures)
    directory, body = b"", b""
    for width, height, bits, data in pictures:
        directory += struct.pack(
            "<BBBBHHII", width & 255, height & 255, 0, 0, 1, bits, len(data), offset
        )
        body += data
        offset += len(data)
    return struct.pack("<HHH", 0, 1, len(pictures)) + directory + body


def dib(rgba):
    """The bitmap of an icon: BGRA rows bottom up under a header of twice the height, and a mask."""
    height, width, _ = rgba.shape
    info = struct.pack("<IiiHHIIiiII", 40, width, 2 * height, 1, 32, 0, 0, 0, 0, 0, 0)
    mask = bytes(-(-width // 32) * 4 * height)
    return info + rgba[::-1, :, [2, 1, 0, 3]].tobytes() + mask


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def lossless_jpeg(grey):
    """A lossless JPEG (process 14, predictor 1) of (h, w) grey samples: T.81 H.1."""
    height, width = grey.shape
    frame = segment(0xC3, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
    # nine codes of four bits, one for each number of difference bits
    table = segment(0xC4, b"\0" + bytes([0, 0, 0, 9]) + bytes(12) + bytes(range(9)))
    scan = segment(0xDA, bytes([1, 1, 0, 1, 0, 0]))
    text = "".join(_difference(grey, y, x) for y in range(height) for x in range(width))
    text += "1" * (-len(text) % 8)
    data = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)).replace(
        b"\xff", b"\xff\0"
    )
    return b"\xff\xd8" + frame + table + scan + data + b"\xff\xd9"


def _difference(grey, y, x):
    before = int(grey[y, x - 1]) if x else int(grey[y - 1, 0]) if y else 128
    value = int(grey[y, x]) - before
    size = abs(value).bit_length()
    bits = value if value > 0 else value + (1 << size) - 1
    return f"{size:04b}" + (f"{bits:0{size}b}" if size else "")


def scans(data):
    """Offsets just after each scan of a JPEG (before the next marker that is no restart)."""
    ends, at = [], 2
    while at < len(data) - 2:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        at += 2 + length
        if marker == 0xDA:
            while data[at] != 0xFF or data[at + 1] in {0, *range(0xD0, 0xD8)}:
                at += 1
            ends.append(at)
            if data[at + 1] == 0xD9:
                break
    return ends


def tall_jpeg(strip, times):
    """A baseline 4:4:4 JPEG of a strip of 8 rows (whole blocks) repeated many times."""
    height, width, _ = strip.shape
    data = encoded(strip, "JPEG", subsampling=0)
    frame = data.index(b"\xff\xc0")
    head = data[:frame] + data[frame : frame + 5] + struct.pack(">H", height * times)
    scan = data.index(b"\xff\xda")
    start = scan + 2 + struct.unpack(">H", data[scan + 2 : scan + 4])[0]
    interval = segment(0xDD, struct.pack(">H", width // 8))
    coded = data[start:-2]
    rows = (coded + bytes([0xFF, 0xD0 + i % 8]) for i in range(times - 1))
    body = data[frame + 7 : scan] + interval + data[scan:start] + b"".join(rows)
    return head + body + coded + b"\xff\xd9"


def tall_png(row, height):
    """An 8-bit PNG of one RGBA row (width, 4) repeated many times, made in little memory."""
    packer = zlib.compressobj(1)
    line = b"\0" + row.astype(np.uint8).tobytes()
    packed = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    head = PNG_SIGNATURE + ihdr(row.shape[0], height, 8, 6)
    return head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
