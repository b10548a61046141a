"""Palettes of GIMP (.gpl): a head, then a line `R G B name` for each color.

Owns that grammar, as GIMP's gimppalette-load.c reads it. Text and names are left to `swatch`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pixmill.color.palette_formats.swatch import make_entry, numbered_lines
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.color.palette import Entry, Palette

MARK = "GIMP Palette"
_COLOR = re.compile(r"\s*([0-9]{1,3})\s+([0-9]{1,3})\s+([0-9]{1,3})(?:\s(.*))?")
_PASSED_OVER = re.compile(r"\s*$|#|Name:|Columns:")


def read(data: bytes) -> Iterator[Entry]:
    """Yield the entries; UsageError names the line that is none."""
    for number, line in numbered_lines(data):
        if number == 1:
            if line.rstrip() != MARK:
                raise UsageError(f"line 1: a GIMP palette starts with the line {MARK!r}")
            continue
        if _PASSED_OVER.match(line):
            continue
        color = _COLOR.fullmatch(line)
        if not color:
            raise UsageError(f"line {number}: {line[:40]!r} is not red, green, blue and a name")
        red, green, blue = (int(value) for value in color.group(1, 2, 3))
        yield make_entry(f"line {number}", color[4] or "", (red, green, blue))


def write(palette: Palette) -> bytes:
    """Write head and colors; ids and synonyms are not kept."""
    head = f"{MARK}\nName: {palette.name}\nColumns: 0\n#\n"
    rows = ("{:3} {:3} {:3}\t{}\n".format(*entry.rgb, entry.name) for entry in palette.entries)
    return (head + "".join(rows)).encode()
