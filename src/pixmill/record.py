"""The types that flow through pixmill: hardly any behavior, only the standard library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Summarizer = Literal["kmeans", "mean", "background"]
"""The ways to find the color that stands for an image."""

File = bytes  # under a name that no field of `Analysis` has


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


class Cluster(NamedTuple):
    """Colors of an image that belong together.

    `centroid` is their weighted mean in sRGB, from 0 to 255 a channel, and `share` their part of
    the weight of all pixels, above 0 and at most 1.
    """

    centroid: tuple[float, float, float]
    share: float

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The centroid as three 8-bit samples."""
        red, green, blue = self.centroid
        return round(red), round(green), round(blue)

    @property
    def hex(self) -> str:
        """The same as upper case `#RRGGBB`."""
        return "#{:02X}{:02X}{:02X}".format(*self.rgb)


@dataclass(frozen=True, slots=True)
class Neighbor:
    """An entry of a palette, and how far it is from a color, in units of the metric."""

    name: str
    rgb: tuple[int, int, int]
    hex: str
    id: str | None
    synonyms: tuple[str, ...]
    distance: float


@dataclass(frozen=True, slots=True)
class Match:
    """The palette color nearest to an image's representative color.

    `color` is the representative color, found by `summarizer` ("kmeans", "mean", "background");
    None where no pixel is visible, and then there is no `nearest` either. `nearest` is told also
    where it is farther than `max_distance`, the tolerance in units of `metric`; `runner_up` is the
    second nearest entry, None in a palette of one, and `margin` how much farther that one is.
    """

    color: Cluster | None
    clusters: tuple[Cluster, ...]
    summarizer: str
    palette: str
    metric: str
    max_distance: float
    nearest: Neighbor | None
    runner_up: Neighbor | None
    margin: float | None

    @property
    def found(self) -> bool:
        """Whether the nearest color is within the tolerance."""
        return self.nearest is not None and self.nearest.distance <= self.max_distance


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
    `md5` its lower-case hex digest. `clusters` stand most populous first, the representative color
    at their head, and are none where no pixel is visible. `preview` is a small PNG. What was not
    asked for is None, but for `colors`, which are none then, and `pixels`, which is 0.
    """

    colors: tuple[Color, ...]
    pixels: int
    width: int
    height: int
    format: str
    bytes: int
    md5: str | None = None
    clusters: tuple[Cluster, ...] | None = None
    preview: File | None = None


class Kept(NamedTuple):
    """Where the bytes of an image were put for the archive.

    `sha256` of the file in lower-case hex, and the names of its blobs: none where the archive was
    seen to have the image, and no original where only greys are kept.
    """

    sha256: str
    original: str | None = None
    grey: str | None = None


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
    number of requests made for it. `match` stands beside an analysis where a palette was asked for,
    `kept` where the bytes of the image are; `arrival` tells what became of it in the archive. Of an
    image that was transformed `analysis` tells of the picture made, and `file` its name.
    """

    line: int
    url: str
    analysis: Analysis | None = None
    failure: Failure | None = None
    http_status: int | None = None
    attempts: int = 0
    extra: tuple[tuple[str, str], ...] = ()
    match: Match | None = None
    kept: Kept | None = None
    arrival: Literal["success", "duplicate"] | None = None
    file: str | None = None
