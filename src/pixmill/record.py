"""The types that flow through pixmill. No behaviour, no imports beyond the standard library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Color:
    """An exact color of an image.

    `rgb` are three 8-bit sRGB samples as stored, `hex` the same as upper case `#RRGGBB`, `count`
    the number of pixels that have it, `share` that count divided by all pixels counted (0 to 1).
    """

    rgb: tuple[int, int, int]
    hex: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no result.

    `code` is one of the documented error codes, `message` a sentence, `traceback` where it arose
    (only where tracebacks were asked for).
    """

    code: str
    message: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that was computed from the bytes of one image.

    `colors` are the most common colors, most common first, padded to the number asked for as the
    pixel contract says; `pixels` how many pixels were counted; `width` and `height` in pixels of
    the stored orientation; `format` the lower-case name (`jpeg`); `bytes` the size of the file;
    `md5` its lower-case hex digest, None where it was not asked for.
    """

    colors: tuple[Color, ...]
    pixels: int
    width: int
    height: int
    format: str
    bytes: int
    md5: str | None = None


class Item(NamedTuple):
    """One entry of a list, before anything was done with it.

    `line` is the 1-based number of the line (of the row in Parquet) it begins on, counted through
    all inputs, `url` the text as given, `extra` the kept columns in the order asked for, `position`
    where it begins: the index of the input and, within it, a byte offset (lists of lines; unpacked
    bytes) or the number of rows or files before it. `error` is set where the line itself is
    unusable. `path` is set for a local file that stands in place of a URL. A tuple, since a million
    of them are made a second.
    """

    line: int
    url: str
    extra: tuple[tuple[str, str], ...] = ()
    position: tuple[int, int] = (0, 0)
    error: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one item: either `analysis` or `failure` is set.

    `http_status` is that of the last answer (None for files or without an answer), `attempts` the
    number of requests made for it.
    """

    line: int
    url: str
    analysis: Analysis | None = None
    failure: Failure | None = None
    http_status: int | None = None
    attempts: int = 0
    extra: tuple[tuple[str, str], ...] = ()
