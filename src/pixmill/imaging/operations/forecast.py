"""What a chain will make of an image, told beforehand: format, quality, alpha and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import TooManyPixels
from pixmill.imaging.operations.registry import FORMATS, OPERATIONS, QUALITIES

if TYPE_CHECKING:
    from pixmill.imaging.header import Header
    from pixmill.imaging.operations.geometry import Size
    from pixmill.imaging.operations.text import Chain, Step
    from pixmill.imaging.probe import Limits

CONVERT = "convert"
# libjpeg's JPEG_MAX_DIMENSION, libwebp's WEBP_MAX_DIMENSION, and what libaom takes at once
_ENCODER_MAX_SIDE = {"jpeg": 65_500, "webp": 16_383, "avif": 16_384}


def output_format(header: Header, chain: Chain) -> str:
    """Tell the format of the result: the last that is asked for, else the source's.

    Sources of a format that is not written become PNG.
    """
    asked = [step.arguments[0] for step in chain if step.name == CONVERT]
    return str(asked[-1]) if asked else header.format if header.format in FORMATS else "png"


def output_quality(chain: Chain, format: str) -> int:  # noqa: A002
    """Tell the quality of the result, 1 to 100; 0 for formats that lose nothing."""
    asked = [step.arguments[1] for step in chain if step.name == CONVERT]
    return (int(asked[-1]) if asked else 0) or QUALITIES.get(format, 0)


def may_have_alpha(header: Header, chain: Chain) -> bool:
    """Tell whether pixels of the result may be transparent, in a format that can say so."""
    alpha = header.alpha
    for step in chain:
        alpha = OPERATIONS[step.name].alpha(alpha, *step.arguments)
    return alpha


def check_step(step: Step, number: int, size: Size, limits: Limits) -> None:
    """Refuse a step that would make more than `limits` allow: raises `TooManyPixels`."""
    for width, height in sizes_of(step, size):
        if max(width, height) > limits.max_side or width * height > limits.max_pixels:
            raise TooManyPixels(
                f"operation {number}, {step.name}: {width} x {height} pixels are more than the "
                f"limits of {limits.max_pixels} and of {limits.max_side} a side"
            )


def check_output(format: str, size: Size) -> None:  # noqa: A002
    """Refuse a result that the format can not hold: raises `TooManyPixels`."""
    most = _ENCODER_MAX_SIDE.get(format)
    if most is not None and max(size) > most:
        raise TooManyPixels(f"{size[0]} x {size[1]} pixels: {format} has at most {most} a side")


def sizes_of(step: Step, size: Size) -> tuple[Size, ...]:
    """Tell every size that a step makes of a picture of this size, that of its result last."""
    return OPERATIONS[step.name].sizes(size, *step.arguments)
