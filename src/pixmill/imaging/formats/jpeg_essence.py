"""A JPEG without all that bears on no pixel, for asking a decoder whether pixel data are missing.

libjpeg tells its first warning only, so what is harmless hides what is not. Here application
segments, comments, bytes between segments and markers that do not belong in a scan are left out,
and after each stretch of coded data any bytes may be put in. Asking is left to `decoders`.
"""

from __future__ import annotations

import re
import struct

from pixmill.imaging.formats.jpeg import DRI, EOI, FRAMES, SOS, segments

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_APPLICATION_AND_COMMENT = frozenset({*range(0xE0, 0xF0), 0xFE})
# with its fill bytes, lest what is left of them makes a marker of the byte after it
_MARKER_IN_SCAN = re.compile(rb"(?<!\xff)\xff+([^\x00\xff])")
_FIRST_ARITHMETIC = 0xC9


def essence(data: memoryview, filler: bytes = b"") -> memoryview:
    """Copy what bears on pixels, with `filler` after the coded data of each restart interval.

    `data` has an end marker. A decoder skips the filler where the data before it are whole, and
    takes it for pixels where they are not. Arithmetic coding gets none: its data may end early.
    """
    kept = bytearray(_SOI)
    restarts, most_restarts, coded_from = False, 0, 0
    for marker, start, end in segments(data, len(data)):
        head = start - (2 if marker == EOI else 4)
        if coded_from:
            kept += _coded(data[coded_from:head], filler, most_restarts if restarts else 0)
            coded_from = 0
        if marker == EOI or marker in _APPLICATION_AND_COMMENT:
            continue
        kept += data[head:end]
        if marker == SOS:
            coded_from = end
        elif marker == DRI:
            restarts = struct.unpack_from(">H", data, start) != (0,)
        elif marker in FRAMES:
            most_restarts = _blocks(data, start)
            filler = b"" if marker >= _FIRST_ARITHMETIC else filler
    kept += _EOI
    return memoryview(kept)


def _blocks(data: memoryview, start: int) -> int:
    """Most restart intervals that a scan of the frame at `start` can have: one for each block."""
    height: int
    width: int
    height, width = struct.unpack_from(">HH", data, start + 1)
    return -(-width // 8) * -(-(height or 65_535) // 8)


def _coded(scan: memoryview, filler: bytes, most_restarts: int) -> bytes:
    # Surplus markers would make the copy, which has the filler before each, many times the file.
    left = most_restarts

    def belonging(marker: re.Match[bytes]) -> bytes:
        nonlocal left
        if not (left and 0xD0 <= marker[1][0] <= 0xD7):
            return b""
        left -= 1
        return filler + marker[0]

    return _MARKER_IN_SCAN.sub(belonging, scan) + filler
