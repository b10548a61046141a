"""Operations that mix neighbors: blur and sharpen. Beyond the edge its pixels go on."""

from __future__ import annotations

from typing import Any

from pixmill.imaging.operations.bands import has_alpha, named, weighed

# The mask ends where the Gaussian has fallen to this; libvips' own default of 0.2 shows as a box.
_LEAST_WEIGHT = 0.02
# Colors times alpha are blurred as whole numbers of this part of a level: four times as fast.
_PART = 128


def blur(image: Any, sigma: float) -> Any:
    """Blur by a Gaussian of this standard deviation in pixels."""
    if not has_alpha(image):
        return _blurred(image, sigma)
    return weighed(
        image, lambda pixels: _blurred((pixels * _PART).rint().cast("ushort"), sigma) / _PART
    )


def sharpen(image: Any, sigma: float) -> Any:
    """Add the difference from a blurred copy (unsharp masking) to the colors."""
    image = image.copy_memory()
    sharper = named((image * 2 - blur(image, sigma)).cast("uchar"))
    if not has_alpha(image):
        return sharper
    colors = sharper.extract_band(0, n=image.bands - 1)
    return named(colors.bandjoin(image[image.bands - 1]))


def _blurred(image: Any, sigma: float) -> Any:
    return image.gaussblur(sigma, min_ampl=_LEAST_WEIGHT)
