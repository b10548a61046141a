"""How much memory rendering takes, told from the header alone, so that it can be reserved.

Figures of bytes a pixel are measured on noise, which nothing compresses, and rounded up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.imaging.header import MIB
from pixmill.imaging.operations.forecast import CONVERT, output_format, sizes_of
from pixmill.imaging.operations.registry import OPERATIONS

if TYPE_CHECKING:
    from pixmill.imaging.header import Header
    from pixmill.imaging.operations.geometry import Size
    from pixmill.imaging.operations.text import Chain, Step

_ENCODER_PIXEL_BYTES = {"jpeg": 8, "png": 12, "webp": 40, "avif": 48, "tiff": 14}
_REGION_ROW_BYTES = 16 * 512  # a pixel of a row in the buffers of a pipeline, floats included
_FIXED_BYTES = 16 * MIB
_BOX = 3  # what `shrinking` leaves to the filter, times the size wanted
_SHRINKS = frozenset({"resize", "scale"})


def memory_bytes(header: Header, chain: Chain) -> int:
    """Estimate the memory that rendering takes at its peak beyond the file's own bytes, at most.

    That is the most of what decoding takes, with the picture that it gives, and of what the steps
    hold at a time, with the encoder. Both orientations are thought of, since the header does not
    tell the picture's.
    """
    steps = [step for step in chain if step.name != CONVERT]
    encoder = _ENCODER_PIXEL_BYTES[output_format(header, chain)]
    ways = (header.width, header.height), (header.height, header.width)
    return _FIXED_BYTES + max(_bytes_from(size, header, steps, encoder) for size in ways)


def _bytes_from(size: Size, header: Header, steps: list[Step], encoder: int) -> int:
    whole = (4 if header.alpha else 3) * _area(size)
    opening = header.decode_bytes + whole
    small = _shrunk_size(size, steps)
    if small is not None and header.strips and not header.alpha:
        # strips are shrunk as they come, or a quarter of the picture is decoded at once
        opening = header.decode_bytes + _shrinking_bytes(size, small) + whole // 4
        whole = 3 * _area(small)
    return max(opening, whole + _running_bytes(size, steps, encoder))


def _shrunk_size(size: Size, steps: list[Step]) -> Size | None:
    """Tell the size to which the whole picture is shrunk first, if so."""
    if not steps or steps[0].name not in _SHRINKS:
        return None
    small = sizes_of(steps[0], size)[0]
    return small if small[0] <= size[0] and small[1] <= size[1] else None


def _shrinking_bytes(size: Size, small: Size) -> int:
    """Tell what `shrinking` holds: means of boxes, as floats and joined, or all there is, twice."""
    across, down = (max(1, int(size[i] / small[i] / _BOX)) for i in (0, 1))
    return _area(size) * (6 if across * down == 1 else 27) // (across * down) + 6 * _area(small)


def _running_bytes(size: Size, steps: list[Step], encoder: int) -> int:
    """Tell what steps and encoder hold: pictures of two steps at most, and rows that go by."""
    most, before, widest = 0, 0, size[0]
    for step in steps:
        made = sizes_of(step, size)
        held = OPERATIONS[step.name].held_bytes * max(map(_area, made))
        most, before = max(most, before + held), held or before
        widest = max(widest, *(width for width, _ in made))
        size = made[-1]
    return most + encoder * _area(size) + _REGION_ROW_BYTES * widest


def _area(size: Size) -> int:
    return size[0] * size[1]
