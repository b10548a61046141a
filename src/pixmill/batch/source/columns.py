"""Which columns of a table hold the URL and what is kept.

Knows names and numbers; the formats of files are left to their readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.batch.source.entry import is_web_url
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.batch.source.entry import SourceOptions

_URL = "url"


@dataclass(frozen=True, slots=True)
class Columns:
    """0-based places of the URL and the kept columns; `header`: the first row names them."""

    url: int
    kept: tuple[int, ...]
    header: bool

    @property
    def width(self) -> int:
        """How many fields a row must have."""
        return max(self.url, *self.kept) + 1 if self.kept else self.url + 1


def asked_number(options: SourceOptions) -> int | None:
    """Give the number of the URL column, None for a name or nothing; raises UsageError."""
    asked = options.url_column
    if asked is None or not (asked.isascii() and asked.isdigit()):
        return None
    if int(asked) < 1:
        raise UsageError("--url-column: columns are numbered from 1")
    return int(asked)


def from_names(names: Sequence[str], name: str, options: SourceOptions) -> Columns:
    """Find the columns by a header's `names`; `name` is that of the input, for messages.

    Names are compared without regard to case and surrounding white space, the first of equal ones
    counts. Raises UsageError for a name or number that is not there.
    """
    plain = [_plain(each) for each in names]

    def find(asked: str) -> int:
        if _plain(asked) not in plain:
            there = ", ".join(names[:20]) or "none"
            raise UsageError(f"{name} has no column named {asked!r}; its columns are: {there}")
        return plain.index(_plain(asked))

    kept = tuple(find(asked) for asked in options.keep_columns)
    number = asked_number(options)
    if number is not None:
        return Columns(_checked(number, len(names), name), kept, header=True)
    if options.url_column is not None:
        return Columns(find(options.url_column), kept, header=True)
    return Columns(plain.index(_URL) if _URL in plain else 0, kept, header=True)


def from_first_row(fields: Sequence[str], name: str, options: SourceOptions) -> Columns:
    """Find the columns by the first row; raises UsageError.

    It is a header if one of its fields is `url` or a name asked for, or if the URL column was given
    by number and this row has no URL there.
    """
    number = asked_number(options)
    named = {_plain(each) for each in (_URL, *options.keep_columns)}
    if options.url_column is not None and number is None:
        named.add(_plain(options.url_column))
    needed = bool(options.keep_columns) or (options.url_column is not None and number is None)
    if needed or not named.isdisjoint(map(_plain, fields)):
        return from_names(fields, name, options)
    place = 0 if number is None else _checked(number, len(fields), name)
    header = (
        number is not None and not options.allow_files and not is_web_url(fields[place].strip())
    )
    return Columns(place, (), header=header)


def _plain(name: str) -> str:
    return name.strip().casefold()


def _checked(number: int, width: int, name: str) -> int:
    if number > width:
        raise UsageError(
            f"--url-column is {number}, but the first row of {name} has {width} fields"
        )
    return number - 1
