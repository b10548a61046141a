"""The operations there are: the one table that texts, JSON, help and reference are made from.

Owns names, parameters, summaries and examples. What words look like is left to `parameters`, sizes
to `geometry`, pixels to the modules of the operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pixmill.imaging.operations import (
    coloring,
    filters,
    geometry,
    placing,
    resizing,
    tones,
)
from pixmill.imaging.operations.parameters import Color, Number, Whole, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixmill.imaging.operations.geometry import Size
    from pixmill.imaging.operations.parameters import Parameter

MAX_SIDE = 65_535
FORMATS = ("jpeg", "png", "webp", "avif", "tiff")
"""The formats that results can be written in."""

QUALITIES: Mapping[str, int] = MappingProxyType({"jpeg": 85, "webp": 80, "avif": 65})
"""The quality that is taken where none is asked for; the other formats lose nothing."""

USUAL = 0
"""The quality of a `convert` that asks for none."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    `summary` is a sentence, `example` a line that uses it. `run` takes an image of libvips (grey or
    RGB of 8 bits, with alpha or not) and the arguments, one for each parameter, and gives such an
    image. `sizes` takes the size before and the arguments, and gives every size that is made, that
    of the result last; that of `trim` is one it does not pass. `objection` takes the arguments and
    gives what is wrong with them together, or nothing. `alpha` takes whether there was alpha, and
    the arguments, and gives whether there may be then. `held_bytes` is the memory a pixel that it
    takes at once, beyond rows that go by.
    """

    name: str
    summary: str
    example: str
    run: Callable[..., Any]
    parameters: tuple[Parameter, ...] = ()
    sizes: Callable[..., tuple[Size, ...]] = geometry.same
    objection: Callable[..., str] = lambda *_: ""
    alpha: Callable[..., bool] = lambda before, *_: before
    held_bytes: int = 0

    @property
    def usage(self) -> str:
        """The line with names for words, those in brackets that may be left out."""
        words = (
            part.name.upper() if part.default is None else f"[{part.name.upper()}]"
            for part in self.parameters
        )
        return " ".join((self.name, *words))


def _resize_objection(width: object, height: object, mode: str, gravity: str) -> str:
    blanks = (width, height).count(geometry.BLANK)
    if blanks == 2:
        return "a width or a height is needed"
    if blanks and mode in {"fill", "force"}:
        return f"{mode} needs a width and a height"
    if gravity != "centre" and mode != "fill":
        return f"{gravity} is for fill only"
    return ""


def _convert_objection(format: str, quality: int) -> str:  # noqa: A002
    if quality != USUAL and format not in QUALITIES:
        return f"{format} has no quality"
    return ""


def _written_as_asked(image: Any, *_: object) -> Any:
    """Leave pixels alone: the format is that of the chain's result."""
    return image


_SPELLINGS = (("center", "centre"),)
_SIGMA = "standard deviation of the Gaussian, in pixels"


def _side(name: str, default: str | None = None) -> Whole:
    return Whole(
        name, "in pixels, or - to keep the aspect", default,
        least=1, most=MAX_SIDE, blank=geometry.BLANK,
    )  # fmt: skip


def _pixels(name: str, meaning: str, least: int = 1) -> Whole:
    return Whole(name, f"{meaning}, in pixels", least=least, most=MAX_SIDE)


_ALL = (
    Operation(
        "grayscale", "Grey, exactly `(R + G + B) // 3`, or luma by Rec. 709.", "grayscale luma",
        tones.grayscale,
        (Word("formula", "how grey is computed", "mean", words=("mean", "luma")),),
    ),
    Operation(
        "resize", "Resize to a width, a height or both.", "resize 640 480 fill north",
        resizing.resize,
        (
            _side("width"),
            _side("height", geometry.BLANK),
            Word(
                "mode",
                "fit keeps the aspect within both sides, shrink does so but never enlarges, fill "
                "covers both and cuts the rest off, force ignores the aspect",
                "fit", words=("fit", "shrink", "fill", "force"),
            ),
            Word(
                "gravity", "what fill keeps: a side or corner, or what draws the eye",
                "centre", words=geometry.COMPASS + geometry.CONTENT, aliases=_SPELLINGS,
            ),
        ),
        geometry.resized, _resize_objection, held_bytes=4,
    ),
    Operation(
        "scale", "Scale both sides.", "scale 0.5", resizing.scale,
        (Number("factor", "new side by old side", least=0.0001, most=100),), geometry.scaled,
    ),
    Operation(
        "crop", "Cut out a rectangle, as far as it lies within; at least the nearest pixel stays.",
        "crop 10 20 300 200", placing.crop,
        (
            _pixels("x", "from the left", 0), _pixels("y", "from the top", 0),
            _pixels("width", "width"), _pixels("height", "height"),
        ),
        geometry.cropped,
    ),
    Operation(
        "rotate", "Rotate clockwise, exactly by multiples of 90; else into a box that holds all.",
        "rotate 90", placing.rotate,
        (Number("degrees", "clockwise", least=-360, most=360),), geometry.rotated,
        alpha=lambda before, degrees: before or degrees % 90 != 0, held_bytes=8,
    ),
    Operation("flip", "Turn upside down.", "flip", placing.flip),
    Operation("flop", "Mirror left to right.", "flop", placing.flop),
    Operation(
        "blur", "Blur by a Gaussian.", "blur 2.5", filters.blur,
        (Number("sigma", _SIGMA, least=0.1, most=100),),
    ),
    Operation(
        "sharpen", "Sharpen by adding the difference from a blurred copy.", "sharpen",
        filters.sharpen, (Number("sigma", _SIGMA, 1.0, least=0.1, most=10),), held_bytes=4,
    ),
    Operation(
        "normalize", "Stretch contrast: all but 1 % of the samples at each end fill 0 to 255.",
        "normalize", tones.normalize, held_bytes=4,
    ),
    Operation(
        "equalize", "Equalize the histogram of all colors together.", "equalize", tones.equalize,
        held_bytes=4,
    ),
    Operation(
        "gamma", "Brighten (above 1) or darken middle tones: `255 (v / 255) ** (1 / G)`.",
        "gamma 1.8", tones.gamma, (Number("exponent", "G", least=0.01, most=100),),
    ),
    Operation(
        "brightness", "Multiply samples.", "brightness 1.2", tones.brightness,
        (Number("factor", "1 leaves them as they are", least=0, most=100),),
    ),
    Operation(
        "contrast", "Spread samples about the middle: `(v - 127.5) F + 127.5`.", "contrast 1.5",
        tones.contrast, (Number("factor", "F: 1 leaves them as they are", least=0, most=100),),
    ),
    Operation(
        "threshold", "White where `(R + G + B) // 3` is at least the level, else black.",
        "threshold 128", tones.threshold,
        (Whole("level", "of grey", least=0, most=255),),
    ),
    Operation("invert", "Turn colors into their negatives.", "invert", tones.invert),
    Operation(
        "pad", "Add a border up to a width and a height; nothing is cut off.",
        "pad 800 600 #FFFFFF", placing.pad,
        (
            _pixels("width", "least width"), _pixels("height", "least height"),
            Color("color", "of the border", placing.TRANSPARENT, words=(placing.TRANSPARENT,)),
            Word(
                "gravity", "where the picture is put", "centre",
                words=geometry.COMPASS, aliases=_SPELLINGS,
            ),
        ),
        geometry.padded,
        alpha=lambda before, _width, _height, color, _gravity: (
            before or color == placing.TRANSPARENT
        ),
    ),
    Operation(
        "trim", "Cut off a border of the color of the top left pixel.", "trim 20", placing.trim,
        (Number("threshold", "what no sample of the border differs by more than", 10.0,
                least=0, most=255),),
        held_bytes=4,
    ),
    Operation(
        "flatten", "Lay a picture with transparency on a color.", "flatten #FFFFFF",
        coloring.flatten, (Color("color", "of the ground"),), alpha=lambda *_: False,
    ),
    Operation(
        "convert", "Write the result in this format, wherever it stands; the last one counts.",
        "convert webp 75", _written_as_asked,
        (
            Word("format", "of the result", words=FORMATS, aliases=(("jpg", "jpeg"),)),
            Whole("quality", "of jpeg, webp and avif", USUAL, least=1, most=100),
        ),
        objection=_convert_objection,
    ),
    Operation(
        "strip", "Convert to sRGB and drop the color profile, which is kept otherwise.", "strip",
        coloring.strip, held_bytes=20,
    ),
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType({each.name: each for each in _ALL})
"""Every operation by its name."""
