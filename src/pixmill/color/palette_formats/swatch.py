"""What the formats share: a color as it stands in a file becomes an entry, or one clear sentence.

Owns hexadecimal colors, lines of text and the place named in a sentence. What an entry may hold is
left to `palette`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pixmill.color.palette import MAX_ENTRIES, Entry
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINES = 2 * MAX_ENTRIES  # with comments and empty ones
_HEX = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def parse_hex(text: str) -> tuple[int, int, int]:
    """Read `#rgb` or `#rrggbb`, with or without `#`, in either case; else UsageError."""
    found = _HEX.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text[:40]!r} is no color such as #1E90FF")
    digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
    return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))


def make_entry(
    where: str,
    name: str,
    color: str | tuple[int, int, int],
    *,
    id: str | None = None,  # noqa: A002  as the entry calls it
    synonyms: tuple[str, ...] = (),
) -> Entry:
    """Make the entry that stands at `where` ("line 3"), which a UsageError then names.

    Space around name and id is dropped, an empty id is none, and a color without a name is named
    by its value.
    """
    try:
        rgb = parse_hex(color) if isinstance(color, str) else color
        name = name.strip() or "#{:02X}{:02X}{:02X}".format(*rgb)
        return Entry(name, rgb, (id or "").strip() or None, synonyms)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def numbered_lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of UTF-8 text, numbered from 1, whatever ends them; UsageError names one."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if lines.count(b"\n") > MAX_LINES:
        raise UsageError(f"it has more than {MAX_LINES:,} lines")
    for number, line in enumerate(lines.split(b"\n"), 1):
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"line {number}: the text is not UTF-8") from error
