"""Which palette a user means: the built-in one, a file, or one that the catalog keeps.

Owns that choice, the reading of files and the listing of what there is. What formats hold is left
to `color.palette_files`, where palettes are kept to `store`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.terminal import printable
from pixmill.errors import InputError, UsageError

if TYPE_CHECKING:
    from pixmill.color.palette import Palette
    from pixmill.settings import Settings
    from pixmill.store import PaletteInfo

STANDARD_INPUT = "-"
BUILT_IN = "css"
_ENDINGS = (".json", ".csv", ".gpl", ".ase")
_MOST_NAMES = 20


def choose_palette(text: str, settings: Settings) -> Palette:
    """Find the palette that `text` means: `css`, a file's path, or a name in the catalog.

    A text with a path separator or the ending of a palette's file means a file, as does the name of
    a file that is there. UsageError for a palette that does not exist, with what there is, and for
    a file that holds none; InputError for a file that can not be read; MissingExtra and OutputError
    as `open_catalog`.
    """
    from pixmill.color.palette import Palette  # noqa: PLC0415  scipy is slow to start

    if text == BUILT_IN:
        return Palette.css()
    if not text:
        raise UsageError("the name of the palette is empty")
    if _means_file(text):
        return read_palette_file(text, printable(Path(text).stem) or "palette")
    return _kept_palette(text, settings)


def read_palette_file(path: str, name: str, format: str | None = None) -> Palette:  # noqa: A002
    """Read the palette `name` from a file, or from standard input where `path` is `-`.

    `format` is by default guessed from the content. UsageError for anything that is no palette,
    InputError for what can not be read.
    """
    from pixmill.color.palette_files import MAX_BYTES, read_palette  # noqa: PLC0415

    try:
        if path == STANDARD_INPUT:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise InputError(f"the palette {printable(path)} can not be read: {cause}") from error
    return read_palette(data, name, format)


def kept_palettes(settings: Settings) -> list[PaletteInfo]:
    """List what the catalog keeps; where there is none yet, it is not made. Raises as it does."""
    from pixmill.store import catalog_stands, open_catalog  # noqa: PLC0415

    if not catalog_stands(settings.catalog, settings.data):
        return []
    with open_catalog(settings.catalog, settings.data) as catalog:
        return catalog.palettes.all()


def _means_file(text: str) -> bool:
    if "/" in text or text.lower().endswith(_ENDINGS):
        return True
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False


def _kept_palette(name: str, settings: Settings) -> Palette:
    from pixmill.color.palette_files import read_palette  # noqa: PLC0415
    from pixmill.store import catalog_stands, open_catalog  # noqa: PLC0415

    names = [BUILT_IN]
    if catalog_stands(settings.catalog, settings.data):
        with open_catalog(settings.catalog, settings.data) as catalog:
            found = catalog.palettes.get(name)
            if found is not None:
                return read_palette(found[0], name, "json")
            names += [info.name for info in catalog.palettes.all()]
    there = ", ".join(names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    raise UsageError(
        f"there is no palette {printable(name, 100)!r}; there are {printable(there, 3000)}{more}, "
        f"and files: {' '.join(_ENDINGS)}"
    )
