"""Pictures whose answer anybody can tell, drawn for the tests of matching over HTTP."""

from __future__ import annotations

import numpy as np

from tests.drawn import encoded
from tests.pictures import Pixel, plain

PAPERS: dict[str, Pixel] = {
    "salmon": (250, 128, 114),
    "khaki": (240, 230, 140),
    "lightsteelblue": (176, 196, 222),
    "darkseagreen": (143, 188, 143),
}


def paper(color: Pixel, side: int = 300) -> bytes:
    """A JPEG of flat paper: one color, with the fine grain that a scanner sees in it."""
    grain = np.random.default_rng(11).normal(0, 4, (side, side, 1))
    return encoded(np.clip(np.array(color) + grain, 0, 255).astype(np.uint8), "JPEG", quality=90)


def square(side: int = 500, margin: int = 10) -> bytes:
    """A PNG of a black square that almost fills its white ground."""
    rgb = np.full((side, side, 3), 255, np.uint8)
    rgb[margin:-margin, margin:-margin] = 0
    return encoded(rgb, "PNG")


def hsv_noise(side: int = 200) -> bytes:
    """A PNG of a gray ground under noise in all of hue, saturation and value."""
    rng = np.random.default_rng(7)
    hue = rng.random((side, side, 1))
    saturation, value = rng.uniform(0, 0.25, hue.shape), rng.uniform(0.35, 0.65, hue.shape)
    # f(n) of "HSL and HSV", the alternative formula, for n = 5, 3, 1
    k = (np.array([5, 3, 1]) + 6 * hue) % 6
    rgb = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    return encoded(np.rint(255 * rgb).astype(np.uint8), "PNG")


def invisible(side: int = 4) -> bytes:
    """A PNG without a visible pixel."""
    return encoded(np.zeros((side, side, 4), np.uint8), "PNG")


# name: the picture, and the name of its color by each summarizer
PICTURES: dict[str, tuple[bytes, dict[str, str]]] = {
    "black": (
        plain((0, 0, 0), 1, 1),
        {"kmeans": "black", "mean": "black", "background": "black"},
    ),
    "white": (
        plain((255, 255, 255), 1, 1),
        {"kmeans": "white", "mean": "white", "background": "white"},
    ),
    "square": (square(), {"kmeans": "black", "mean": "black", "background": "white"}),
    "noise": (hsv_noise(), {"kmeans": "gray", "mean": "gray", "background": "gray"}),
} | {
    name: (paper(color), {"kmeans": name, "mean": name, "background": name})
    for name, color in PAPERS.items()
}
