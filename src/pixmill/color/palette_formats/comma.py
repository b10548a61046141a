"""Palettes as CSV: a line `name,#hex` or `name,#hex,id` for each color.

Owns the rows; a first row `name,hex` or `name,hex,id` is a header. Text, colors and names are left
to `swatch`.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from pixmill.color.palette_formats.swatch import make_entry, numbered_lines
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.color.palette import Entry, Palette

_MAX_LINE_CHARS = 10_000  # names and ids are shorter, and csv's own limit is the whole process's
_HEADERS = (["name", "hex"], ["name", "hex", "id"])


def read(data: bytes) -> Iterator[Entry]:
    """Yield the entries; UsageError names the line of a row that is none."""
    for number, line in numbered_lines(data):
        row = _fields(number, line)
        if not row or (number == 1 and [field.strip().lower() for field in row] in _HEADERS):
            continue
        if len(row) not in (2, 3):
            raise UsageError(f"line {number}: a row is name,#hex or name,#hex,id")
        yield make_entry(f"line {number}", *row[:2], id=row[2] if len(row) == 3 else None)


def _fields(number: int, line: str) -> list[str]:
    if len(line) > _MAX_LINE_CHARS:
        raise UsageError(f"line {number}: it has more than {_MAX_LINE_CHARS:,} characters")
    # A name has no line end, so each line is a row of its own: an open quote ends with its line.
    try:
        return next(csv.reader([line], strict=True)) if line.strip() else []
    except csv.Error as error:
        raise UsageError(f"line {number}: it is no CSV: {error}") from error


def write(palette: Palette) -> bytes:
    """Write a row for each color; synonyms are not kept."""
    rows = (
        f"{_quoted(entry.name)},{entry.hex}" + (f",{_quoted(entry.id)}" if entry.id else "")
        for entry in palette.entries
    )
    return "".join(f"{row}\n" for row in rows).encode()


def _quoted(text: str) -> str:
    # Always, so that no name at the start of a file looks like the mark of another format.
    return '"' + text.replace('"', '""') + '"'
