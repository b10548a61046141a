"""JPEG headers (ITU-T T.81), and the walk over a file's segments."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.imaging.header import MIB, Header, strip_decode_bytes, strip_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

EOI, SOS, DRI = 0xD9, 0xDA, 0xDD
# SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC): table B.1
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# markers that a length follows, of those that belong in a file
SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE} - {0xC8})
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_DIFFERENTIAL = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF})
_MAX_SEGMENTS = 20_000
# of bytes that belong nowhere; fill bytes take the search for a marker some 80 ns each
_MAX_STRAY_BYTES = MIB
# past this many bytes of RGB simplejpeg, which only decodes whole, gives way to strips
_WHOLE_BYTES = 64 * MIB
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff]")
_NEXT_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def read_header(data: memoryview) -> Header:
    """Read the frame header and the first scan header, past application segments of any size."""
    frame = None
    for marker, start, _ in segments(data, _MAX_STRAY_BYTES):
        if marker in FRAMES and frame is None:
            frame = _Frame.read(data, marker, start)
        elif marker == SOS:
            if frame is None:
                break
            return _header(frame, scan_components=data[start])
    raise CorruptImage("the JPEG has no scan")


def segments(data: memoryview, stray_bytes: int) -> Iterator[tuple[int, int, int]]:
    """Walk marker, start of the parameters and end of each segment.

    Entropy-coded data are skipped over, as are `stray_bytes` before markers, all taken together.
    Ends at EOI (given as a segment of no length), where the data end, or past so many stray bytes.
    """
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _NEXT_MARKER.search(data, at, at + stray_bytes + 2)
        if found is None:
            return
        stray_bytes -= found.start() - at
        marker, start = data[found.end() - 1], found.end()
        if marker == EOI:
            yield marker, start, start
            return
        if marker not in SEGMENTS:
            at = start
            continue
        (length,) = struct.unpack_from(">H", data, start)
        if length < 2:
            raise CorruptImage("a JPEG segment of no length")
        end = start + length
        yield marker, start + 2, end
        at = scan_end(data, end) if marker == SOS else end


def scan_end(data: memoryview, start: int) -> int:
    """Find where the entropy-coded data from `start` on end: at a marker, or with the data."""
    found = _NEXT_IN_SCAN.search(data, start)
    return found.start() if found else len(data)


@dataclass(frozen=True, slots=True)
class _Frame:
    marker: int
    width: int
    height: int
    samplings: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, data: memoryview, marker: int, start: int) -> _Frame:
        precision, height, width, components = struct.unpack_from(">BHHB", data, start)
        if precision != 8:
            raise UnsupportedFormat(f"a JPEG of {precision} bits a sample")
        if marker in _DIFFERENTIAL:
            raise UnsupportedFormat("a hierarchical JPEG")
        if components not in (1, 3, 4):
            raise UnsupportedFormat(f"a JPEG of {components} components")
        if not height:
            raise UnsupportedFormat("a JPEG that tells its height only after its pixels")
        if not width:
            raise CorruptImage("the JPEG promises no pixels")
        factors = [data[start + 7 + 3 * i] for i in range(components)]
        samplings = tuple((factor >> 4, factor & 15) for factor in factors)
        if not all(1 <= h <= 4 and 1 <= v <= 4 for h, v in samplings):
            raise CorruptImage("the JPEG's sampling factors make no sense")
        return cls(marker, width, height, samplings)

    def coefficient_bytes(self) -> int:
        """Size of all coefficients (16 bits each), in whole MCUs: A.2.4."""
        h_max = max(h for h, _ in self.samplings)
        v_max = max(v for _, v in self.samplings)
        mcus = -(-self.width // (8 * h_max)) * -(-self.height // (8 * v_max))
        blocks = mcus * sum(h * v for h, v in self.samplings)
        return blocks * 64 * 2


def _header(frame: _Frame, *, scan_components: int) -> Header:
    components = len(frame.samplings)
    pixels = frame.width * frame.height
    whole = frame.marker in PROGRESSIVE or scan_components < components
    lossless = frame.marker in _LOSSLESS
    strips = 3 * pixels > _WHOLE_BYTES
    if strips and components < 4 and not lossless:
        decode_bytes = strip_decode_bytes(frame.width, 3)
    else:
        # Pillow, the second opinion and the only one on CMYK, holds four bytes a pixel
        decode_bytes = 4 * pixels + 4 * MIB
        if strips or components == 4:
            rows = min(strip_rows(frame.width), frame.height)
            decode_bytes += 16 * rows * frame.width
    if whole:
        decode_bytes += frame.coefficient_bytes()
    return Header(
        "jpeg", frame.width, frame.height, decode_bytes, channels=components, whole=whole,
        strips=strips, variant="lossless" if lossless else "",
    )  # fmt: skip
