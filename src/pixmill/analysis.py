"""Bytes of one image to everything that is computed from them.

The only place where the products of an image come together, so that one decode serves all of them.
Runs in a worker process for batches and services, and in the caller's process for the library. What
crosses between processes, waits in the reorder window and is kept across runs is `pack`ed: some
hundred bytes instead of objects, of a form that can hold nothing but numbers and a word, since kept
bytes may come back altered.

Importing this module is cheap: decoders and kernels are imported by the first analysis, since the
parent of the worker processes needs only the types and `unpack`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, NamedTuple

from pixmill.imaging.digest import md5_hex
from pixmill.record import Analysis, Color

if TYPE_CHECKING:
    from pixmill.color.counting import TopCounts
    from pixmill.imaging.probe import Header

Alpha = Literal["visible", "ignore"]

PACKED_FORM = 1
"""The first byte of what `pack` gives; raised whenever the meaning of the others changes."""

# form, whether there is an MD5, colors, width, height, pixels, bytes, MD5; then come the colors'
# counts, their RGB values, and the name of the format
_HEAD = struct.Struct("<B?HIIQQ16s")
_NO_MD5 = bytes(16)


class Wanted(NamedTuple):
    """What is asked of an image.

    `n` is how many of its most common colors (1 to 256), `alpha` whether fully transparent pixels
    are left out ("visible") or counted too ("ignore"), `md5` whether the MD5 of the file.
    """

    n: int = 3
    alpha: Alpha = "visible"
    md5: bool = True


class Task(NamedTuple):
    """One order to a worker: the header that was probed and what is wanted."""

    header: Header
    wanted: Wanted


def analyze(data: bytes | memoryview, task: Task) -> Analysis:
    """Decode once and compute all that is wanted.

    Raises ImageError where the bytes give no picture, MemoryError where memory does not suffice.
    """
    header, wanted = task
    top = _count(data, task)
    return Analysis(
        colors=colors_of(top, wanted.n),
        pixels=top.total,
        width=header.width,
        height=header.height,
        format=header.format,
        bytes=len(data),
        md5=md5_hex(data) if wanted.md5 else None,
    )


def _count(data: bytes | memoryview, task: Task) -> TopCounts:
    from pixmill.color.counting import (  # noqa: PLC0415  see the module's docstring
        StripCounter,
        count_top,
    )
    from pixmill.imaging.decode import decode  # noqa: PLC0415

    header, wanted = task
    strips = decode(data, header)
    first = next(strips)
    visible = None if wanted.alpha == "ignore" else first.visible
    if first.rgb.shape[0] >= header.height:
        top = count_top(first.rgb, wanted.n, visible=visible)
        next(strips, None)  # lets the decoder finish and say that the file is corrupt
        return top
    counter = StripCounter()
    counter.add(first.rgb, visible=visible)
    for strip in strips:
        counter.add(strip.rgb, visible=None if wanted.alpha == "ignore" else strip.visible)
    return counter.top(wanted.n)


def colors_of(top: TopCounts, n: int) -> tuple[Color, ...]:
    """Give exactly n colors, padded as the pixel contract says; shares are of counted pixels."""
    from pixmill.color.counting import padded_values  # noqa: PLC0415  as above

    return tuple(_color(value, count, top.total) for value, count in padded_values(top, n))


def _color(value: int, count: int, total: int) -> Color:
    rgb = (value >> 16, value >> 8 & 255, value & 255)
    return Color(rgb, f"#{value:06X}", count, count / total if total else 0.0)


def analyze_packed(data: memoryview, task: Task) -> bytes:
    """Do as `analyze`, and return it packed."""
    return pack(analyze(data, task))


def pack(analysis: Analysis) -> bytes:
    """Put an analysis into few bytes: 44, 11 more for each color, and the format's name."""
    colors, md5 = analysis.colors, analysis.md5
    head = _HEAD.pack(
        PACKED_FORM,
        md5 is not None,
        len(colors),
        analysis.width,
        analysis.height,
        analysis.pixels,
        analysis.bytes,
        _NO_MD5 if md5 is None else bytes.fromhex(md5),
    )
    counts = struct.pack(f"<{len(colors)}Q", *[color.count for color in colors])
    rgb = bytes.fromhex("".join([color.hex for color in colors]).replace("#", ""))
    return b"".join((head, counts, rgb, analysis.format.encode("ascii")))


def unpack(packed: bytes) -> Analysis:
    """Undo `pack`. Raises ValueError for bytes that are not of its making."""
    try:
        form, has_md5, n, width, height, pixels, size, md5 = _HEAD.unpack_from(packed)
        counts = struct.unpack_from(f"<{n}Q", packed, _HEAD.size)
    except struct.error as error:
        raise ValueError("a packed analysis is cut off") from error
    begin = _HEAD.size + 8 * n
    rgb, name = packed[begin : begin + 3 * n], packed[begin + 3 * n :]
    if form != PACKED_FORM or not n or max(counts) > pixels or not name.isalnum():
        raise ValueError("a packed analysis is damaged, or of another version")
    return Analysis(
        colors=_colors(rgb, counts, pixels),
        pixels=pixels,
        width=width,
        height=height,
        format=name.decode("ascii"),
        bytes=size,
        md5=md5.hex() if has_md5 else None,
    )


def _colors(rgb: bytes, counts: tuple[int, ...], pixels: int) -> tuple[Color, ...]:
    # One pass of C code a step: this runs once an image in the process that all rows go through.
    triples = iter(rgb)
    hexes = f"#{rgb.hex('#', 3).upper()}".replace("#", " #").split()
    total = pixels or 1  # without pixels every count is 0
    return tuple(
        [
            Color(triple, hex_, count, count / total)
            for triple, hex_, count in zip(
                zip(triples, triples, triples, strict=True), hexes, counts, strict=True
            )
        ]
    )
