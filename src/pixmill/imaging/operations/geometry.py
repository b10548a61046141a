"""Sizes and places: how large what an operation makes is, known before any pixel is.

All in whole pixels of the upright picture, (width, height). Halves are rounded up. Pixels are left
to the modules of the operations themselves.
"""

from __future__ import annotations

import math

Size = tuple[int, int]

COMPASS = (
    "centre", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest",
)  # fmt: skip
CONTENT = ("attention", "entropy")
BLANK = "-"
_TINY = 1e-6  # what sines and cosines of whole degrees are off by, times the longest side


def same(size: Size, *_: object) -> tuple[Size, ...]:
    """Give the size of what keeps its size."""
    return (size,)


def turned(size: Size) -> Size:
    """Give the size on its side."""
    return size[1], size[0]


def scaled(size: Size, factor: float) -> tuple[Size, ...]:
    """Give both sides times the factor, each at least 1."""
    return (_times(size, factor),)


def resized(
    size: Size, width: int | str, height: int | str, mode: str, _gravity: str = ""
) -> tuple[Size, ...]:
    """Give what `resize` makes: the picture as resized and, for `fill`, what is cut out of it."""
    cover = resized_whole(size, width, height, mode)
    if mode == "fill" and isinstance(width, int) and isinstance(height, int):
        return cover, (width, height)
    return (cover,)


def resized_whole(size: Size, width: int | str, height: int | str, mode: str) -> Size:
    """Give the size to which the whole picture is brought, before `fill` cuts anything off."""
    if mode == "force" and isinstance(width, int) and isinstance(height, int):
        return width, height
    wanted = [
        (side / old, axis)
        for axis, (side, old) in enumerate(zip((width, height), size, strict=True))
        if isinstance(side, int)
    ]
    factor, axis = max(wanted) if mode == "fill" else min(wanted)
    if mode == "shrink" and factor >= 1:
        return size
    # the side that decides is had exactly, whatever the factor's last bit
    exact, other = (width, height)[axis], _times(size, factor)[1 - axis]
    return (int(exact), other) if axis == 0 else (other, int(exact))


def cropped(size: Size, x: int, y: int, width: int, height: int) -> tuple[Size, ...]:
    """Give the size of what `crop` leaves; see `window`."""
    return (window(size, x, y, width, height)[2:],)


def window(size: Size, x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Give left, top, width and height of what lies within, at least the nearest pixel."""
    left, top = min(x, size[0] - 1), min(y, size[1] - 1)
    return left, top, min(width, size[0] - left), min(height, size[1] - top)


def padded(
    size: Size, width: int, height: int, _color: str = "", _gravity: str = ""
) -> tuple[Size, ...]:
    """Give the size with a border, no side shorter than it was."""
    return ((max(width, size[0]), max(height, size[1])),)


def placed(outer: Size, inner: Size, gravity: str) -> tuple[int, int]:
    """Give left and top of `inner` in `outer`; a half pixel off the middle goes right and down."""
    across = 0 if "west" in gravity else 2 if "east" in gravity else 1
    down = 0 if "north" in gravity else 2 if "south" in gravity else 1
    left, top = ((outer[i] - inner[i]) * part // 2 for i, part in ((0, across), (1, down)))
    return left, top


def rotated(size: Size, degrees: float) -> tuple[Size, ...]:
    """Give the smallest box around the rotated picture."""
    if degrees % 90 == 0:
        return (turned(size) if degrees % 180 else size,)
    sine, cosine = (abs(f(math.radians(degrees))) for f in (math.sin, math.cos))
    width, height = size
    across, down = width * cosine + height * sine, width * sine + height * cosine
    return ((max(1, math.ceil(across - _TINY)), max(1, math.ceil(down - _TINY))),)


def _times(size: Size, factor: float) -> Size:
    width, height = (max(1, math.floor(side * factor + 0.5)) for side in size)
    return width, height
