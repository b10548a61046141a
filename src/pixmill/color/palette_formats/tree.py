"""Palettes as JSON: a list of colors, such a list as `colors` of an object, or names to colors.

Owns these three shapes. A list's colors are objects with `name`, `hex` and, where wanted, `id`
(text or an integer) and `synonyms`; what else they hold is not read. Colors and names are left to
`swatch`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixmill.color.palette import MAX_ENTRIES
from pixmill.color.palette_formats.swatch import make_entry
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.color.palette import Entry, Palette

# A parsed value takes up to fifty times the room of its text. What a value costs in marks bounds
# how many there can be; an entry with id and synonyms has seven.
MAX_MARKS = 8 * MAX_ENTRIES
_MARKS = b",[{"


def read(data: bytes) -> Iterator[Entry]:
    """Yield the entries; UsageError names the line of bad JSON, or the number of a color."""
    tree = _parsed(data)
    if isinstance(tree, tuple) and isinstance(dict(tree).get("colors"), list):
        tree = dict(tree)["colors"]
    if not isinstance(tree, list | tuple):
        raise UsageError("it is neither a list of colors nor an object of names and colors")
    for number, item in enumerate(tree, 1):
        where = f"color {number}"
        yield _named(where, *item) if isinstance(tree, tuple) else _described(where, item)


def _parsed(data: bytes) -> Any:
    """Parse objects to tuples of pairs: a dict would lose a name that comes twice."""
    if sum(data.count(mark) for mark in _MARKS) > MAX_MARKS:
        raise UsageError(f"it has more than {MAX_MARKS:,} values")
    try:
        return json.loads(data.decode(), object_pairs_hook=tuple)
    except UnicodeDecodeError as error:
        raise UsageError(f"offset {error.start}: the text is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"line {error.lineno}: it is no JSON: {error.msg}") from error
    except RecursionError as error:
        raise UsageError("it is nested too deeply") from error
    except ValueError as error:
        raise UsageError("it holds a number with too many digits") from error


def _named(where: str, name: str, color: object) -> Entry:
    return make_entry(where, name, _text(where, "the color", color))


def _described(where: str, item: object) -> Entry:
    if not isinstance(item, tuple):
        raise UsageError(f'{where}: it is no object with "name" and "hex"')
    known = dict(item)
    id_ = known.get("id")
    if isinstance(id_, int) and not isinstance(id_, bool):
        id_ = str(id_)
    synonyms = known.get("synonyms", [])
    if not isinstance(synonyms, list):
        raise UsageError(f"{where}: synonyms are a list of text")
    return make_entry(
        where,
        _text(where, "name", known.get("name")),
        _text(where, "hex", known.get("hex")),
        id=None if id_ is None else _text(where, "id", id_),
        synonyms=tuple(_text(where, "a synonym", synonym) for synonym in synonyms),
    )


def _text(where: str, what: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: {what} is missing or no text")
    return value


def write(palette: Palette) -> bytes:
    """Write an object with `name` and `colors`: everything is kept."""
    colors = [_plain(entry) for entry in palette.entries]
    tree = {"name": palette.name, "colors": colors}
    return (json.dumps(tree, ensure_ascii=False, indent=1) + "\n").encode()


def _plain(entry: Entry) -> dict[str, object]:
    known: dict[str, object] = {"name": entry.name, "hex": entry.hex}
    if entry.id is not None:
        known["id"] = entry.id
    if entry.synonyms:
        known["synonyms"] = list(entry.synonyms)
    return known
