"""Operations that move pixels: cut, turned, mirrored, with a border, without one."""

from __future__ import annotations

import math
from typing import Any

from pixmill.imaging.operations import geometry
from pixmill.imaging.operations.bands import as_rgb, has_alpha, in_u8, named, with_alpha
from pixmill.imaging.operations.resizing import size_of
from pixmill.imaging.vips import locked_down

TRANSPARENT = "transparent"
_QUARTERS = {90: "d90", 180: "d180", 270: "d270"}


def crop(image: Any, x: int, y: int, width: int, height: int) -> Any:
    """Cut out what lies within the picture."""
    return image.crop(*geometry.window(size_of(image), x, y, width, height))


def flip(image: Any) -> Any:
    """Turn upside down."""
    return image.flip("vertical")


def flop(image: Any) -> Any:
    """Mirror left to right."""
    return image.flip("horizontal")


def rotate(image: Any, degrees: float) -> Any:
    """Rotate clockwise about the middle; corners that open up are transparent."""
    degrees %= 360
    if degrees == 0:
        return image
    if degrees in _QUARTERS:
        return image.copy_memory().rot(_QUARTERS[int(degrees)])
    return _rotated(with_alpha(image), degrees)


def _rotated(image: Any, degrees: float) -> Any:
    """By bicubic interpolation; the middle of the picture becomes that of its new box."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    size = geometry.rotated(size_of(image), degrees)[-1]
    x, y = ((side - 1) / 2 for side in size_of(image))
    new_x, new_y = ((side - 1) / 2 for side in size)
    moved = image.copy_memory().premultiply().affine(
        [cosine, -sine, sine, cosine],
        interpolate=locked_down().Interpolate.new("bicubic"),
        oarea=[0, 0, *size],
        odx=new_x - (cosine * x - sine * y),
        ody=new_y - (sine * x + cosine * y),
        premultiplied=True,
    )  # fmt: skip
    return in_u8(named(moved).unpremultiply())


def pad(image: Any, width: int, height: int, color: str, gravity: str) -> Any:
    """Add a border up to a width and a height; nothing is cut off."""
    size = geometry.padded(size_of(image), width, height)[-1]
    if size == size_of(image):
        return image
    left, top = geometry.placed(size, size_of(image), gravity)
    if color == TRANSPARENT:
        return with_alpha(image).embed(left, top, *size, extend="black")
    red, green, blue = rgb = rgb_of(color)
    if not red == green == blue:
        image = as_rgb(image)
    background = [*rgb[: image.bands - has_alpha(image)], *[255] * has_alpha(image)]
    return image.embed(left, top, *size, extend="background", background=background)


def trim(image: Any, threshold: float) -> Any:
    """Cut off a border of the color of the top left pixel; a picture of nothing else stays."""
    import numpy as np  # noqa: PLC0415 - importing the registry is cheap

    image = image.copy_memory()
    seen = in_u8(image.premultiply()) if has_alpha(image) else image
    differs = ((seen - seen(0, 0)).abs() > threshold).bandor()
    spans = []
    for sums in differs.project():
        found = np.flatnonzero(np.frombuffer(sums.write_to_memory(), np.uint32))
        if not found.size:
            return image
        spans.append((int(found[0]), int(found[-1] - found[0] + 1)))
    (left, width), (top, height) = spans
    return image.crop(left, top, width, height)


def rgb_of(color: str) -> list[int]:
    """Read `#RRGGBB`."""
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]
