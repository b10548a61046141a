"""How a JPEG ends, which tells a file that was cut off from one that lacks no pixel data.

Decoders make up what is missing and merely warn; whether a progressive file has all of its scans
they do not tell at all.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pixmill.errors import CorruptImage
from pixmill.imaging.formats.jpeg import EOI, FRAMES, PROGRESSIVE, SOS, segments


@dataclass(frozen=True, slots=True)
class Ending:
    """How the scans of a file end.

    `has_eoi`: an end marker follows the last scan. `complete`: the scan headers have announced
    every component's coefficients to their last bit.
    """

    has_eoi: bool
    complete: bool


def read_ending(data: memoryview) -> Ending:
    """Walk all segments and scans. Cost: one pass over the bytes by a regular expression."""
    walk = _Walk()
    try:
        for marker, start, _ in segments(data, len(data)):
            walk.note(data, marker, start)
    except (struct.error, IndexError, CorruptImage):  # the file is cut within a segment
        return Ending(has_eoi=False, complete=False)
    complete = bool(walk.to_come) and not any(any(bits) for bits in walk.to_come.values())
    return Ending(walk.has_eoi, complete)


class _Walk:
    """What was seen so far; `to_come` are each component's coefficient bits not yet sent."""

    def __init__(self) -> None:
        self.has_eoi = self._progressive = False
        self.to_come: dict[int, list[int]] = {}

    def note(self, data: memoryview, marker: int, start: int) -> None:
        if marker in FRAMES:
            self._progressive = marker in PROGRESSIVE
            components = (data[start + 6 + 3 * i] for i in range(data[start + 5]))
            self.to_come = {component: [1] * 64 for component in components}
        elif marker == SOS:
            self._note_scan(data, start)
        elif marker == EOI:
            self.has_eoi = True

    def _note_scan(self, data: memoryview, start: int) -> None:
        """Note which coefficients a scan sends, and how many bits are to come (T.81 G.1.1.1)."""
        count = data[start]
        first, last, approximation = struct.unpack_from("BBB", data, start + 1 + 2 * count)
        if not self._progressive:
            first, last, approximation = 0, 63, 0
        last = min(last, 63)
        for i in range(count):
            bits = self.to_come.get(data[start + 1 + 2 * i])
            if bits is not None and first <= last:
                bits[first : last + 1] = [approximation & 15] * (last + 1 - first)
