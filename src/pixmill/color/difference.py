"""Distances between colors, and the metrics that users choose from by name.

Owns Euclidean distance, CIE76, CIEDE2000 and `METRICS`. The spaces are left to `spaces`, the search
for the nearest color of many to `palette`. A distance takes two arrays, (..., 3) of any real type,
whose shapes broadcast, and gives the distances as float64, one number for two single colors.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pixmill.color.spaces import as_triples, lab_d65_from_srgb, oklab_from_srgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


# Opposite hues are 180 degrees apart only up to rounding. CIEDE2000 jumps there, and exactly half a
# turn belongs to the side below it.
_HALF_TURN = 180 + 1e-9


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to tell how far apart two colors are.

    `coordinates` turns sRGB from 0 to 1, (..., 3), into the metric's own space in a new array;
    `distance` takes two such. Where `is_euclidean`, that is the straight line between them, so
    trees may search for the nearest. `default_tolerance` is the distance, in the metric's own
    units, up to which two colors count as alike unless the user says otherwise.
    """

    name: str
    coordinates: Callable[[ArrayLike], Floats]
    distance: Callable[[ArrayLike, ArrayLike], Floats]
    is_euclidean: bool
    default_tolerance: float


def euclidean(a: ArrayLike, b: ArrayLike) -> Floats:
    """Measure the straight line between colors of one space, in the units of that space."""
    x, y, z = np.moveaxis(as_triples(a) - as_triples(b), -1, 0)
    distance: Floats = np.sqrt(x * x + y * y + z * z)
    return distance


def cie76(lab_a: ArrayLike, lab_b: ArrayLike) -> Floats:
    """Measure the difference CIE 1976 L*a*b* between colors in CIE Lab: CIE 15:2004, 8.2.1.3."""
    return euclidean(lab_a, lab_b)


def ciede2000(lab_a: ArrayLike, lab_b: ArrayLike) -> Floats:
    """Measure the CIEDE2000 difference between colors in CIE Lab, with kL = kC = kH = 1.

    Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula: implementation notes,
    supplementary test data, and mathematical observations", Color Research and Application 30(1),
    2005. Numbers in the code are those of its equations. It is no metric in the strict sense: the
    triangle inequality does not hold, and it jumps where hues are opposite.
    """
    l_a, a_a, b_a = np.moveaxis(as_triples(lab_a), -1, 0)
    l_b, a_b, b_b = np.moveaxis(as_triples(lab_b), -1, 0)
    stretch = 1.5 - 0.5 * _saturation((np.hypot(a_a, b_a) + np.hypot(a_b, b_b)) / 2)  # 2 to 5
    chroma_a, hue_a = _polar(stretch * a_a, b_a)
    chroma_b, hue_b = _polar(stretch * a_b, b_b)
    turn, hue = _hues(hue_a, hue_b)
    chroma = (chroma_a + chroma_b) / 2  # 13
    # Here and below not `**`: it may round a single number otherwise than the same one in an array.
    off_middle = np.square((l_a + l_b) / 2 - 50)  # 12
    d_l = (l_a - l_b) / (1 + 0.015 * off_middle / np.sqrt(20 + off_middle))  # 8, 18
    d_c = (chroma_a - chroma_b) / (1 + 0.045 * chroma)  # 9, 19
    d_h = 2 * np.sqrt(chroma_a * chroma_b) * np.sin(np.radians(turn / 2))  # 11
    d_h = d_h / (1 + 0.015 * chroma * _hue_weight(hue))  # 20
    blue = 30 * np.exp(-np.square((hue - 275) / 25))  # 16
    rotation = -2 * _saturation(chroma) * np.sin(np.radians(2 * blue))  # 17, 21
    squared = d_l * d_l + d_c * d_c + d_h * d_h + rotation * d_c * d_h
    distance: Floats = np.sqrt(squared)  # 22
    return distance


def _saturation(chroma: Floats) -> Floats:
    """Rise from 0 for gray to 1 for vivid colors: the root shared by equations 4 and 17."""
    seventh = np.power(chroma, 7)
    root: Floats = np.sqrt(seventh / (seventh + 25.0**7))
    return root


def _polar(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Give chroma and hue in degrees from 0 to 360: equations 6 and 7."""
    hue = np.degrees(np.arctan2(b, a))
    return np.hypot(a, b), np.where(hue < 0, hue + 360, hue)


def _hues(hue_a: Floats, hue_b: Floats) -> tuple[Floats, Floats]:
    """Give the turn from one hue to the other and the hue midway, both in degrees.

    The shorter way round counts: equations 10 and 14. Their cases for grays, which have no hue, are
    left out: hues bear only on terms that the product of both chromas, 0, takes away.
    """
    turn, total = hue_a - hue_b, hue_a + hue_b
    wraps = np.abs(turn) > _HALF_TURN
    midway = (total + np.where(wraps, np.where(total < 360, 360, -360), 0)) / 2
    return turn - np.where(wraps, np.copysign(360, turn), 0), midway


def _hue_weight(hue: Floats) -> Floats:
    """Weigh differences of hue by where on the circle they lie: T of equation 15."""
    angle = np.radians(hue)
    weight: Floats = (
        1
        - 0.17 * np.cos(angle - np.radians(30))
        + 0.24 * np.cos(2 * angle)
        + 0.32 * np.cos(3 * angle + np.radians(6))
        - 0.20 * np.cos(4 * angle - np.radians(63))
    )
    return weight


def _srgb(srgb: ArrayLike) -> Floats:
    return as_triples(srgb).copy()


METRICS = MappingProxyType(
    {
        "srgb": Metric("srgb", _srgb, euclidean, is_euclidean=True, default_tolerance=0.2),
        "lab": Metric("lab", lab_d65_from_srgb, cie76, is_euclidean=True, default_tolerance=10),
        "oklab": Metric(
            "oklab", oklab_from_srgb, euclidean, is_euclidean=True, default_tolerance=0.1
        ),
        "ciede2000": Metric(
            "ciede2000", lab_d65_from_srgb, ciede2000, is_euclidean=False, default_tolerance=10
        ),
    }
)
