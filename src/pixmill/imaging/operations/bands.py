"""Bands of libvips images: grey or RGB, 8 bits each, and alpha as the last of two or four.

What libvips does to alpha depends on what an image says it is, which some operations forget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILE = "icc-profile-data"
"""The name under which an image of libvips carries its color profile."""


def has_alpha(image: Any) -> bool:
    """Whether the last band is alpha."""
    return image.bands in {2, 4}


def named(image: Any) -> Any:
    """Let the image say what it is."""
    return image.copy(interpretation="b-w" if image.bands < 3 else "srgb")


def as_rgb(image: Any) -> Any:
    """Give grey as R = G = B."""
    if image.bands > 2:
        return image
    grey = image[0]
    return named(grey.bandjoin([grey, grey, *(image[band] for band in range(1, image.bands))]))


def with_alpha(image: Any) -> Any:
    """Add an opaque alpha where there is none."""
    return image if has_alpha(image) else named(image.bandjoin(255))


def without_profile(image: Any) -> Any:
    """Give the image without its color profile."""
    image = image.copy()
    image.remove(PROFILE)
    return image


def in_u8(image: Any) -> Any:
    """Round to 8 bits."""
    return named(image.rint().cast("uchar"))


def weighed(image: Any, work: Callable[[Any], Any]) -> Any:
    """Do `work`, which mixes pixels, so that each counts by its alpha; to 8 bits.

    With alpha `work` gets float samples, the colors times alpha / 255.
    """
    if not has_alpha(image):
        return work(image)
    return in_u8(named(work(image.premultiply())).unpremultiply())
