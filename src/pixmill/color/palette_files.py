"""Palettes from bytes and to bytes.

Owns which formats there are, the guess of one by its content, and the limit on a file's size. The
formats themselves are left to `palette_formats`; files are opened elsewhere.
"""

from __future__ import annotations

from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from pixmill.color.palette import MAX_ENTRIES, Palette
from pixmill.color.palette_formats import adobe, comma, gimp, tree
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixmill.color.palette import Entry


class Format(Protocol):
    """What a module of `palette_formats` offers."""

    def read(self, data: bytes) -> Iterator[Entry]:
        """Yield the entries of a file, or raise UsageError."""

    def write(self, palette: Palette) -> bytes:
        """Write a file."""


MAX_BYTES = 64 << 20
_BOM = b"\xef\xbb\xbf"
FORMATS: Mapping[str, Format] = MappingProxyType(
    {"json": tree, "csv": comma, "gpl": gimp, "ase": adobe}
)


def read_palette(data: bytes, name: str, format: str | None = None) -> Palette:  # noqa: A002
    """Read the palette `name` from the bytes of a file.

    `format` is one of `FORMATS`, by default guessed from the content. UsageError, a sentence with
    the line or the offset in bytes, for anything that is no palette, for more than 64 MiB and for
    more than 1,000,000 colors.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(f"the palette {name[:40]!r} has {len(data):,} bytes, over {MAX_BYTES:,}")
    data = data.removeprefix(_BOM)
    module = FORMATS[_known(format) if format is not None else _guess(data)]
    try:
        # One more than allowed is enough for the palette to refuse them.
        return Palette(name, tuple(islice(module.read(data), MAX_ENTRIES + 1)))
    except UsageError as error:
        raise UsageError(f"the palette {name[:40]!r} can not be read: {error}") from error


def write_palette(palette: Palette, format: str) -> bytes:  # noqa: A002
    """Write a palette in one of `FORMATS`: JSON keeps everything, CSV all but synonyms.

    UsageError for an unknown format.
    """
    return FORMATS[_known(format)].write(palette)


def _known(format: str) -> str:  # noqa: A002
    if format not in FORMATS:
        raise UsageError(f"the format is one of {', '.join(FORMATS)}, not {format[:40]!r}")
    return format


def _guess(data: bytes) -> str:
    if data.startswith(adobe.MARK):
        return "ase"
    if data[:64].partition(b"\n")[0].rstrip() == gimp.MARK.encode():
        return "gpl"
    return "json" if data.lstrip()[:1] in {b"[", b"{"} else "csv"
