"""What the readers of all kinds of input share: options, their port, how a text becomes an `Item`.

Reading is left to the readers, the order of inputs to `source`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pixmill.errors import InputError
from pixmill.record import Item

if TYPE_CHECKING:
    from collections.abc import Generator

_WHITE_SPACE = " \t\n\r\v\f"
_SHOWN_CHARACTERS = 200
NOT_UTF8 = "the line is not valid UTF-8"
NO_URL = "no URL"

_new = tuple.__new__
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How lists are read.

    `url_column` is a column's name or its 1-based number, `keep_columns` the names of the columns
    copied to the output, `allow_files` whether an entry may be a path, `max_line_bytes` the longest
    line (or quoted row) that is held in memory; what is longer is an entry in error.
    """

    url_column: str | None = None
    keep_columns: tuple[str, ...] = ()
    allow_files: bool = False
    max_line_bytes: int = 1 << 20


class Input(Protocol):
    """The port of the readers: one input.

    `name` is for messages, `size_bytes` what it weighs in the progress of all inputs, `resumable`
    whether it can be read again from any entry.
    """

    name: str
    size_bytes: int
    resumable: bool

    def items(self, before: int, start: int) -> Generator[Item, None, int]:
        """Yield the entries from place `start` on, given that `before` lines stand ahead of it.

        `start` is 0 or the place of an entry yielded earlier, which then comes first. Returns the
        number of the last line.
        """

    def share(self, place: int) -> float:
        """Tell how much of the input lies before `place`, from 0 to 1."""

    def identity(self) -> dict[str, object]:
        """Describe the content in JSON types such that a changed input gives another answer."""


def display(path: str) -> str:
    """Give a path as text that UTF-8 can carry: bytes that are no UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def unreadable(name: str, cause: Exception) -> InputError:
    """Put a failure to open or read `name` into a sentence."""
    return InputError(f"can not read {name}: {reason(cause)}")


def reason(cause: Exception) -> str:
    """Give the cause of a failed system call or of a damaged file in a few words."""
    return getattr(cause, "strerror", None) or str(cause)


def shorten(text: str) -> str:
    """Keep the beginning of a text that is too long to be held, marked with an ellipsis."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def too_long(options: SourceOptions) -> str:
    """Word the error of an entry that is longer than the limit."""
    return f"the line is longer than {options.max_line_bytes:,} bytes"


def decode(raw: bytes, *, cut: bool, options: SourceOptions) -> tuple[str, str | None]:
    """Give the text of a line, `cut` off or whole, and what is wrong with it."""
    if cut:
        return shorten(raw.decode("utf-8", "replace") + "…"), too_long(options)
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace"), NOT_UTF8


def is_web_url(text: str) -> bool:
    """Tell whether a text begins like an http or https URL."""
    return text[:8].lower().startswith(_SCHEMES)


def value_text(value: object) -> str:
    """Give a value of a table as text: nothing for null, JSON for all but text and bytes."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json.dumps(value, ensure_ascii=False, default=str)


def make_item(  # noqa: PLR0913 - one argument a field of the item
    line: int,
    url: str,
    position: tuple[int, int],
    options: SourceOptions,
    *,
    extra: tuple[tuple[str, str], ...] = (),
    error: str | None = None,
) -> Item:
    """Make the item of an entry; white space around the URL goes, an empty one is an error."""
    url = url.strip(_WHITE_SPACE)
    path = None
    if len(url) > options.max_line_bytes:
        url, error = shorten(url), too_long(options)
    elif error is None:
        if not url:
            error = NO_URL
        elif options.allow_files and not is_web_url(url):
            if "\0" in url:
                error = "no path holds a NUL character"
            else:
                path = url
    # A tuple made directly costs half of what the constructor does.
    return _new(Item, (line, url, extra, position, error, path))
