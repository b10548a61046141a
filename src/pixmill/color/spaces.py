"""Color spaces: sRGB, linear sRGB, XYZ, CIE Lab and OKLab, and the ways between them.

Owns the conversions and their constants; how far apart two colors are is left to `difference`. A
function is named `target_from_source`. It takes one color or an array of them, (..., 3) of any real
type, and gives a new float64 array of the same shape. Nothing is clipped on the way: values beyond
sRGB's gamut are carried through, so that every conversion can be undone.

    srgb      R, G, B from 0 to 1, gamma encoded          IEC 61966-2-1
    linear    the same primaries, proportional to light   IEC 61966-2-1
    xyz_d65   X, Y, Z with Y = 1 for the white D65        CIE 15
    xyz_d50   the same, adapted to the white D50          CIE 15, Bradford
    lab_d65   L* from 0 to 100, a* and b*, white D65      CIE 15
    lab_d50   the same, white D50, as in ICC and CSS      CIE 15
    oklab     L from 0 to 1, a and b, white D65           Ottosson 2020
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def _xyz_of(x: float, y: float) -> Floats:
    """Give the XYZ of a chromaticity (x, y) at Y = 1: Lindbloom, "xyY to XYZ"."""
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _from_primaries(red: Floats, green: Floats, blue: Floats, white: Floats) -> Floats:
    """Make the matrix from linear RGB to XYZ: Lindbloom, "RGB/XYZ Matrices"."""
    primaries = np.stack([red, green, blue], axis=1)
    return primaries * np.linalg.solve(primaries, white)


# D65 and the primaries are those of IEC 61966-2-1, table 1; D50, also to four decimals, is that of
# CSS Color 4.
WHITE_D65 = _xyz_of(0.3127, 0.3290)
WHITE_D50 = _xyz_of(0.3457, 0.3585)
_XYZ_FROM_LINEAR = _from_primaries(
    _xyz_of(0.64, 0.33), _xyz_of(0.30, 0.60), _xyz_of(0.15, 0.06), WHITE_D65
)
_LINEAR_FROM_XYZ = np.linalg.inv(_XYZ_FROM_LINEAR)

# Cone responses by Bradford: Lindbloom, "Chromatic Adaptation". Each is scaled by the ratio of its
# values for the two whites (von Kries).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SCALES = (_BRADFORD @ WHITE_D50) / (_BRADFORD @ WHITE_D65)
_D50_FROM_D65 = np.linalg.inv(_BRADFORD) @ np.diag(_SCALES) @ _BRADFORD
_D65_FROM_D50 = np.linalg.inv(_D50_FROM_D65)

# Where and how steeply CIE Lab is linear, as exact fractions in place of the rounded 0.008856 and
# 903.3 of old: Lindbloom, "A Continuity Study of the CIE L* Function"; CIE 15:2004, 8.2.1.
_EPSILON = 216 / 24389
_KAPPA = 24389 / 27

# M1 and M2 of Ottosson, "A perceptual color space for image processing", 2020, in the digits of
# CSS Color 4, "Sample code for color conversions", where they were computed anew for the D65 above,
# so that grays have no chroma.
_LMS_FROM_XYZ = np.array(
    [
        [0.8190224379967030, 0.3619062600528904, -0.1288737815209879],
        [0.0329836539323885, 0.9292868615863434, 0.0361446663506424],
        [0.0481771893596242, 0.2642395317527308, 0.6335478284694309],
    ]
)
_XYZ_FROM_LMS = np.linalg.inv(_LMS_FROM_XYZ)
_OKLAB_FROM_ROOTS = np.array(
    [
        [0.2104542683093140, 0.7936177747023054, -0.0040720430116193],
        [1.9779985324311684, -2.4285922420485799, 0.4505937096174110],
        [0.0259040424655478, 0.7827717124575296, -0.8086757549230774],
    ]
)
_ROOTS_FROM_OKLAB = np.linalg.inv(_OKLAB_FROM_ROOTS)


def as_triples(values: ArrayLike) -> Floats:
    """View colors as float64, (..., 3); ValueError for other shapes."""
    triples = np.asarray(values, dtype=np.float64)
    if triples.ndim == 0 or triples.shape[-1] != 3:
        raise ValueError(f"colors have the shape (..., 3), not {triples.shape}")
    return triples


def srgb_from_u8(srgb_u8: ArrayLike) -> Floats:
    """Scale sRGB from 0 to 255 to sRGB from 0 to 1."""
    return as_triples(srgb_u8) / 255


def srgb_to_u8(srgb: ArrayLike) -> NDArray[np.uint8]:
    """Clip sRGB to 0 to 1 and round it, halves up, to 0 to 255; ValueError for NaN."""
    clipped = np.clip(as_triples(srgb), 0, 1)
    if np.isnan(clipped).any():
        raise ValueError("a color with NaN has no 8-bit value")
    return np.floor(clipped * 255 + 0.5).astype(np.uint8)


def linear_from_srgb(srgb: ArrayLike) -> Floats:
    """Undo sRGB's gamma: IEC 61966-2-1, 5.2; mirrored below 0 as in CSS Color 4."""
    encoded = as_triples(srgb)
    size = np.abs(encoded)
    power = np.copysign(((size + 0.055) / 1.055) ** 2.4, encoded)
    return np.where(size > 0.04045, power, encoded / 12.92)


def srgb_from_linear(linear: ArrayLike) -> Floats:
    """Apply sRGB's gamma: IEC 61966-2-1, 5.3; mirrored below 0 as in CSS Color 4."""
    light = as_triples(linear)
    size = np.abs(light)
    power = np.copysign(1.055 * size ** (1 / 2.4) - 0.055, light)
    return np.where(size > 0.0031308, power, 12.92 * light)


def xyz_d65_from_linear(linear: ArrayLike) -> Floats:
    """Mix linear sRGB into XYZ; white is D65."""
    return _mix(_XYZ_FROM_LINEAR, as_triples(linear))


def linear_from_xyz_d65(xyz_d65: ArrayLike) -> Floats:
    """Split XYZ (D65) into linear sRGB, beyond 0 to 1 where sRGB does not reach."""
    return _mix(_LINEAR_FROM_XYZ, as_triples(xyz_d65))


def xyz_d50_from_xyz_d65(xyz_d65: ArrayLike) -> Floats:
    """Adapt XYZ from D65 to D50 (Bradford)."""
    return _mix(_D50_FROM_D65, as_triples(xyz_d65))


def xyz_d65_from_xyz_d50(xyz_d50: ArrayLike) -> Floats:
    """Adapt XYZ from D50 to D65 (Bradford)."""
    return _mix(_D65_FROM_D50, as_triples(xyz_d50))


def lab_d65_from_xyz_d65(xyz_d65: ArrayLike) -> Floats:
    """Turn XYZ (D65) into CIE Lab with that white."""
    return _lab_from_xyz(xyz_d65, WHITE_D65)


def xyz_d65_from_lab_d65(lab_d65: ArrayLike) -> Floats:
    """Turn CIE Lab (D65) into XYZ with that white."""
    return _xyz_from_lab(lab_d65, WHITE_D65)


def lab_d50_from_xyz_d50(xyz_d50: ArrayLike) -> Floats:
    """Turn XYZ (D50) into CIE Lab with that white."""
    return _lab_from_xyz(xyz_d50, WHITE_D50)


def xyz_d50_from_lab_d50(lab_d50: ArrayLike) -> Floats:
    """Turn CIE Lab (D50) into XYZ with that white."""
    return _xyz_from_lab(lab_d50, WHITE_D50)


def oklab_from_xyz_d65(xyz_d65: ArrayLike) -> Floats:
    """Turn XYZ (D65) into OKLab: cone responses, their cube roots, opponent axes."""
    return _mix(_OKLAB_FROM_ROOTS, np.cbrt(_mix(_LMS_FROM_XYZ, as_triples(xyz_d65))))


def xyz_d65_from_oklab(oklab: ArrayLike) -> Floats:
    """Turn OKLab into XYZ (D65)."""
    return _mix(_XYZ_FROM_LMS, _mix(_ROOTS_FROM_OKLAB, as_triples(oklab)) ** 3)


def lab_d65_from_srgb(srgb: ArrayLike) -> Floats:
    """Turn sRGB into CIE Lab with sRGB's own white, D65: nothing is adapted."""
    return lab_d65_from_xyz_d65(xyz_d65_from_linear(linear_from_srgb(srgb)))


def srgb_from_lab_d65(lab_d65: ArrayLike) -> Floats:
    """Turn CIE Lab (D65) into sRGB, beyond 0 to 1 where sRGB does not reach."""
    return srgb_from_linear(linear_from_xyz_d65(xyz_d65_from_lab_d65(lab_d65)))


def oklab_from_srgb(srgb: ArrayLike) -> Floats:
    """Turn sRGB into OKLab."""
    return oklab_from_xyz_d65(xyz_d65_from_linear(linear_from_srgb(srgb)))


def srgb_from_oklab(oklab: ArrayLike) -> Floats:
    """Turn OKLab into sRGB, beyond 0 to 1 where sRGB does not reach."""
    return srgb_from_linear(linear_from_xyz_d65(xyz_d65_from_oklab(oklab)))


def _mix(matrix: NDArray[np.floating], triples: Floats) -> Floats:
    # Not `@`: BLAS may sum in another order for another number of rows, and a color has to come out
    # the same, to the last bit, alone and among others.
    x, y, z = np.moveaxis(triples, -1, 0)
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in matrix], axis=-1)


def _lab_from_xyz(xyz: ArrayLike, white: Floats) -> Floats:
    """CIE 15:2004, section 8.2.1, equations 8.3 to 8.11."""
    ratio = as_triples(xyz) / white
    root = np.where(ratio > _EPSILON, np.cbrt(ratio), (_KAPPA * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _xyz_from_lab(lab: ArrayLike, white: Floats) -> Floats:
    """CIE 15:2004, annex D."""
    lightness, a, b = np.moveaxis(as_triples(lab), -1, 0)
    y = (lightness + 16) / 116
    root = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    return np.where(root > 6 / 29, root**3, (116 * root - 16) / _KAPPA) * white
