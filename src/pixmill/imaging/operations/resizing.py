"""Resizing by Lanczos' filter, and cutting out what `fill` leaves."""

from __future__ import annotations

from typing import Any

from pixmill.imaging.operations import geometry
from pixmill.imaging.operations.bands import weighed


def scale(image: Any, factor: float) -> Any:
    """Scale both sides."""
    return to_size(image, geometry.scaled(size_of(image), factor)[-1])


def resize(image: Any, width: int | str, height: int | str, mode: str, gravity: str) -> Any:
    """Resize to a width, a height or both; `geometry.resized` tells the size."""
    image = to_size(image, geometry.resized_whole(size_of(image), width, height, mode))
    if mode != "fill" or size_of(image) == (width, height):
        return image
    if gravity in geometry.CONTENT:
        # looked at first, and then cut: no pixel shall be made twice
        return image.copy_memory().smartcrop(width, height, interesting=gravity)
    left, top = geometry.placed(size_of(image), (int(width), int(height)), gravity)
    return image.crop(left, top, width, height)


def to_size(image: Any, size: geometry.Size) -> Any:
    """Resize to exactly this size; what has it already is given as it is."""
    if size_of(image) == size:
        return image
    across, down = (new / old for new, old in zip(size, size_of(image), strict=True))
    return weighed(image, lambda pixels: pixels.resize(across, vscale=down))


def size_of(image: Any) -> geometry.Size:
    """Width and height."""
    return image.width, image.height
