"""Bytes and a chain of operations to the bytes of another picture.

One pipeline of libvips from the decoded picture to the encoder: nothing is encoded in between.
Every size is held to the limits before a pixel of it is made. Where pictures come from is left to
`opening`, how they are written to `writing`, what steps do to `operations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixmill.errors import OutOfMemory
from pixmill.imaging.opening import opened
from pixmill.imaging.operations import OPERATIONS, Step, output_format, output_quality
from pixmill.imaging.operations.forecast import CONVERT, check_output, check_step, sizes_of
from pixmill.imaging.operations.geometry import turned
from pixmill.imaging.operations.resizing import size_of
from pixmill.imaging.orientation import on_its_side, orientation
from pixmill.imaging.vips import complaints, locked_down
from pixmill.imaging.writing import written

if TYPE_CHECKING:
    from pixmill.imaging.header import Header
    from pixmill.imaging.operations import Chain
    from pixmill.imaging.operations.geometry import Size
    from pixmill.imaging.probe import Limits


class Rendered(NamedTuple):
    """A file: its bytes, one of the formats that are written, and the picture's size in pixels."""

    data: bytes
    format: str
    width: int
    height: int


def render(data: bytes | memoryview, header: Header, chain: Chain, limits: Limits) -> Rendered:
    """Run a chain on the upright first frame; a chain without steps encodes it anew.

    `header` is what `probe` read from the same bytes. Colors are as stored, by the pixel contract;
    `max_pixels` and `max_side` of the limits hold for what every step makes. Raises what `decode`
    raises, and `TooManyPixels` where a step or the format would not hold the result.
    """
    try:
        return _rendered(memoryview(data), header, chain, limits)
    except locked_down().Error as error:
        if "memory" in f"{error}{complaints()}":
            raise OutOfMemory("an operation ran out of memory") from error
        raise


def _rendered(data: memoryview, header: Header, chain: Chain, limits: Limits) -> Rendered:
    turn = orientation(data, header)
    size = header.width, header.height
    if on_its_side(turn):
        size = turned(size)
    target, steps = _size_first(chain, size, limits)
    image = opened(data, header, turn, target)
    for number, step in steps:
        check_step(step, number, size_of(image), limits)
        image = OPERATIONS[step.name].run(image, *step.arguments)
    format = output_format(header, chain)  # noqa: A001
    check_output(format, size_of(image))
    encoded = written(image, format, output_quality(chain, format))
    return Rendered(encoded, format, image.width, image.height)


def _size_first(
    chain: Chain, size: Size, limits: Limits
) -> tuple[Size | None, list[tuple[int, Step]]]:
    """Tell the size to which the whole picture is brought first, if so, and the numbered steps.

    A factor that comes first is said as the size it leads to: of a picture that has that size
    already, nothing is left to do.
    """
    steps = [(number, step) for number, step in enumerate(chain, 1) if step.name != CONVERT]
    if not steps:
        return None, steps
    number, step = steps[0]
    check_step(step, number, size, limits)
    whole = sizes_of(step, size)[0]
    if step.name == "scale":
        steps[0] = number, Step("resize", (*whole, "force", "centre"))
        return whole, steps
    return whole if step.name == "resize" else None, steps
