"""What a request asks for, read from its query: every mistake in it is told at once.

Owns names, spellings and ranges of parameters, and the sentences about them. Parameters come as
text, so that what is no number is answered in the API's own words.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast, get_args

from fastapi import Depends, Query

from pixmill.color.difference import METRICS
from pixmill.record import Summarizer
from pixmill.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Container

    from pixmill.color.palette import Palette
    from pixmill.web.shelf import Shelf

DEFAULT_SPACE, DEFAULT_SUMMARIZER, DEFAULT_PALETTE = "srgb", "kmeans", "css"
MOST_COLORS = 256
_MOST_NUMBER_CHARS = 40


def _text(what: str) -> Any:
    return Query(description=what)


Url = Annotated[str | None, _text("http or https URL of an image")]
ColourSpace = Annotated[str | None, _text("metric that distances are measured by")]
ColorSpace = Annotated[str | None, _text("the same as `colour_space`")]
Summariser = Annotated[str | None, _text("how the image's own color is found")]
SummarizerToo = Annotated[str | None, _text("the same as `summariser`")]
MaxDistance = Annotated[
    str | None,
    _text("tolerance in the metric's units; by default srgb 0.2, lab 10, oklab 0.1, ciede2000 10"),
]
PaletteName = Annotated[str | None, _text("palette to choose a color from")]
Number = Annotated[str | None, _text(f"how many colors, 1 to {MOST_COLORS}")]


class MatchText(NamedTuple):
    """The parameters of a match but for the image, as text that is not checked yet."""

    space: str
    max_distance: str | None
    summarizer: str
    palette: str


async def match_text(  # noqa: PLR0913, PLR0917  FastAPI reads the request's parameters from these
    colour_space: ColourSpace = None,
    color_space: ColorSpace = None,
    max_distance: MaxDistance = None,
    summariser: Summariser = None,
    summarizer: SummarizerToo = None,
    palette: PaletteName = None,
) -> MatchText:
    """Take the parameters in either spelling; async, or each call would need a thread."""
    return MatchText(
        _either(colour_space, color_space, METRICS) or DEFAULT_SPACE,
        max_distance,
        _either(summariser, summarizer, get_args(Summarizer)) or DEFAULT_SUMMARIZER,
        palette or DEFAULT_PALETTE,
    )


def _either(first: str | None, second: str | None, known: Container[str]) -> str | None:
    """Choose what was given in one of two spellings, the first; one that is unknown comes out."""
    given = [text for text in (first, second) if text]
    return next((text for text in given if text not in known), given[0] if given else None)


MatchQuery = Annotated[MatchText, Depends(match_text)]


class MatchAsked(NamedTuple):
    """A match as it was asked for; `url` is empty for uploads."""

    url: str
    palette: Palette
    space: str
    max_distance: float | None
    summarizer: Summarizer


class Mistakes:
    """Gathers what is wrong with a request."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Take note of one."""
        self._sentences.append(sentence)

    def check(self) -> None:
        """Raise ApiError 400 if there is any."""
        if self._sentences:
            raise ApiError(400, "invalid_request", *self._sentences)


async def match_asked(
    shelf: Shelf, query: MatchText, url: str | None, *, upload: bool = False
) -> MatchAsked:
    """Read the parameters of a match. Raises ApiError 400 with all that is wrong."""
    mistakes = Mistakes()
    if not upload:
        check_url(url, mistakes)
    if query.space not in METRICS:
        mistakes.add("Invalid colour space")
    tolerance = tolerance_of(query.max_distance, mistakes)
    if query.summarizer not in get_args(Summarizer):
        mistakes.add("Invalid image summariser")
    chosen = await shelf.get(query.palette)
    if chosen is None:
        mistakes.add("Invalid palette")
    mistakes.check()
    return MatchAsked(
        url or "",
        cast("Palette", chosen),
        query.space,
        tolerance,
        cast("Summarizer", query.summarizer),
    )


def check_url(url: str | None, mistakes: Mistakes) -> None:
    """Note a URL that is missing or of another scheme."""
    if not url:
        mistakes.add("Please specify a 'url' query parameter")
    elif not url.strip().lower().startswith(("http://", "https://")):
        mistakes.add("Only http or https URLs are allowed")


def number_of_colors(text: str | None, default: int, mistakes: Mistakes) -> int:
    """Read how many colors are asked for."""
    if text is None or text == "":
        return default
    fits = len(text) <= _MOST_NUMBER_CHARS and text.isascii() and text.isdecimal()
    number = int(text) if fits else 0
    if not 1 <= number <= MOST_COLORS:
        mistakes.add(f"Invalid number of colours, it is 1 to {MOST_COLORS}")
    return number


def tolerance_of(text: str | None, mistakes: Mistakes) -> float | None:
    """Read how far a color may be."""
    if text is None or text == "":
        return None
    fits = len(text) <= _MOST_NUMBER_CHARS and text.isascii() and "_" not in text
    try:
        number = float(text) if fits else math.nan
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        mistakes.add("Invalid max distance")
    return abs(number)  # of -0 too
