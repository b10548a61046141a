"""Operations on each pixel alone: grey, tables of 256 values, and tables made from a histogram.

All of them leave alpha as it is. Their formulas are those of 8-bit samples; results are rounded,
halves up, and held to 0 to 255, unless said otherwise.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import TYPE_CHECKING, Any

from pixmill.imaging.operations.bands import has_alpha, in_u8, named
from pixmill.imaging.vips import locked_down

if TYPE_CHECKING:
    from collections.abc import Callable

# Rec. ITU-R BT.709-6, item 3.2: luma from gamma-corrected primaries
_LUMA = (0.2126, 0.7152, 0.0722)
_UNSEEN = 256  # the bin of samples that nobody sees
_CLIPPED_SHARE = 0.01


def grayscale(image: Any, formula: str) -> Any:
    """Give one band of grey: `(R + G + B) // 3`, or luma by Rec. 709."""
    if image.bands < 3:
        return image
    if formula == "luma":
        return in_u8(_mixed(image, _LUMA))
    sums = _mixed(image, (1, 1, 1)).cast("ushort")
    return named(_looked_up(sums, bytes(value // 3 for value in range(766))))


def invert(image: Any) -> Any:
    """Give 255 minus each sample."""
    return _by_formula(image, lambda value: 255 - value)


def gamma(image: Any, exponent: float) -> Any:
    """Give `255 (v / 255) ** (1 / exponent)`: above 1 brightens the middle tones."""
    return _by_formula(image, lambda value: 255 * (value / 255) ** (1 / exponent))


def brightness(image: Any, factor: float) -> Any:
    """Give each sample times the factor."""
    return _by_formula(image, lambda value: value * factor)


def contrast(image: Any, factor: float) -> Any:
    """Give `(v - 127.5) factor + 127.5`."""
    return _by_formula(image, lambda value: (value - 127.5) * factor + 127.5)


def threshold(image: Any, level: int) -> Any:
    """Give one band: 255 where `(R + G + B) // 3` is at least the level, else 0."""
    return _by_formula(grayscale(image, "mean"), lambda value: 255 if value >= level else 0)


def normalize(image: Any) -> Any:
    """Stretch all colors together: but for a hundredth at each end they fill 0 to 255."""
    image = image.copy_memory()
    counts = _histogram(image)
    clipped = _CLIPPED_SHARE * sum(counts)
    low = _first_past(counts, clipped)
    high = 255 - _first_past(counts[::-1], clipped)
    if low >= high:
        return image
    return _by_formula(image, lambda value: (value - low) * 255 / (high - low))


def equalize(image: Any) -> Any:
    """Make all values about as frequent, by one table for all colors.

    Gonzalez and Woods, "Digital Image Processing", section 3.3.1, with the lowest value kept at 0.
    """
    image = image.copy_memory()
    up_to = list(itertools.accumulate(_histogram(image)))
    lowest = next((count for count in up_to if count), 0)
    if lowest == up_to[-1]:
        return image
    return _by_formula(image, lambda value: 255 * (up_to[value] - lowest) / (up_to[-1] - lowest))


def scaled_samples(image: Any, factor: float) -> Any:
    """Give every sample, alpha included, times the factor, rounded."""
    if factor == 1:
        return image
    values = bytes(min(math.floor(value * factor + 0.5), 255) for value in range(256))
    return image.maplut(_one_line(values, 1))


def _mixed(image: Any, weights: tuple[float, ...]) -> Any:
    """Mix R, G and B to one band, and keep alpha."""
    if not has_alpha(image):
        return image.recomb([[*weights]])
    return image.recomb([[*weights, 0], [0, 0, 0, 1]])


def _by_formula(image: Any, formula: Callable[[int], float]) -> Any:
    rounded = (math.floor(formula(value) + 0.5) for value in range(256))
    return _looked_up(image, bytes(min(max(value, 0), 255) for value in rounded))


def _looked_up(image: Any, values: bytes) -> Any:
    """Put each color sample's value in its place, and leave alpha as it is."""
    columns = [values] * (image.bands - has_alpha(image))
    if has_alpha(image):
        columns.append(bytes(min(value, 255) for value in range(len(values))))
    table = bytes(itertools.chain.from_iterable(zip(*columns, strict=True)))
    return image.maplut(_one_line(table, image.bands))


def _one_line(table: bytes, bands: int) -> Any:
    return locked_down().Image.new_from_memory(table, len(table) // bands, 1, bands, "uchar")


def _histogram(image: Any) -> list[int]:
    """Count the samples of all colors together by their values; unseen pixels do not count."""
    colors = image
    if has_alpha(image):
        colors, alpha = image.extract_band(0, n=image.bands - 1), image[image.bands - 1]
        colors = (alpha == 0).ifthenelse(_UNSEEN, colors.cast("ushort"))
    found = colors.hist_find()
    counts = memoryview(found.write_to_memory()).cast("B").cast("I").tolist()
    of_bands = (counts[band :: found.bands] for band in range(found.bands))
    total = [sum(values) for values in zip(*of_bands, strict=True)]
    return (total + [0] * _UNSEEN)[:_UNSEEN]


def _first_past(counts: list[int], share: float) -> int:
    """Find the first value up to which more than `share` samples lie; 0 where there are none."""
    sums = enumerate(itertools.accumulate(counts, operator.add))
    return next((value for value, count in sums if count > share), 0)
