"""What picture a request asks for: a chain of operations and a format, read from its query."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pixmill.imaging.operations import (
    ChainError,
    Step,
    canonical,
    may_have_alpha,
    output_format,
    parse_words,
)
from pixmill.imaging.operations.registry import FORMATS, USUAL
from pixmill.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import QueryParams

    from pixmill.imaging.header import Header
    from pixmill.imaging.operations import Chain

AUTO, SAME = "auto", "same"
_BY_ACCEPT = "avif", "webp"  # the best first; what is understood by all stands in for both
_LOSSLESS = frozenset({"png", "gif", "ico"})  # of drawings, which JPEG would smear
_CONVERT = "convert"
_QUALITY = re.compile(r"[1-9][0-9]?|100")
_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_KEPT_WISHES = 1024


class Wish(NamedTuple):
    """A picture of whatever image: `key` stands for it in caches.

    `auto` is the formats that the client accepts best, where JPEG and where PNG would stand in for
    what it does not name; `SAME` for that of the chain or the image; None where the chain tells
    all.
    """

    key: str
    chain: Chain
    quality: int
    auto: tuple[str, str] | str | None

    def chain_for(self, header: Header) -> Chain:
        """Tell the whole chain for an image."""
        if self.auto is None:
            return self.chain
        if isinstance(self.auto, str):
            return (*self.chain, Step(_CONVERT, (output_format(header, self.chain), self.quality)))
        is_plain = header.format not in _LOSSLESS and not may_have_alpha(header, self.chain)
        format_ = self.auto[0 if is_plain else 1]
        return (*self.chain, Step(_CONVERT, (format_, self.quality)))


def wish_of(query: QueryParams, accept: str) -> Wish:
    """Read a wish. Raises ApiError 400 with all that is wrong."""
    format_, quality = query.get("format") or "", query.get("quality") or ""
    auto = _best_of(accept) if format_ == AUTO else SAME if quality and not format_ else None
    return _read(tuple(query.getlist("op")), format_, quality, auto)


@lru_cache(maxsize=_KEPT_WISHES)
def _read(
    ops: Sequence[str], format_: str, quality: str, auto: tuple[str, str] | str | None
) -> Wish:
    mistakes: list[str] = []
    chain: Chain = ()
    try:
        chain = parse_words(ops)
    except ChainError as error:
        mistakes += error.mistakes
    if format_ and format_ != AUTO and format_ not in FORMATS:
        mistakes.append(f"Invalid format, it is auto or one of {', '.join(FORMATS)}")
    if quality and not _QUALITY.fullmatch(quality):
        mistakes.append("Invalid quality, it is 1 to 100")
    if mistakes:
        raise ApiError(400, "invalid_request", *mistakes)
    number = int(quality) if quality else USUAL
    if format_ and auto is None:
        chain = (*chain, Step(_CONVERT, (format_, number)))
    key = canonical(chain) if auto is None else f"{canonical(chain)}\n{AUTO} {auto} {number}"
    return Wish(key, chain, number, auto)


def _best_of(accept: str) -> tuple[str, str]:
    """Choose by the Accept header: what it names outright, since `*/*` is what all say.

    The one it likes best by weights (RFC 9110, section 12.4.2), the first of ours among equals: of
    AVIF, WebP and JPEG, and of AVIF, WebP and PNG.
    """
    weights = {}
    for part in accept.lower().split(","):
        kind, *parameters = (word.strip() for word in part.split(";"))
        told = [match[1] for word in parameters if (match := _WEIGHT.fullmatch(word))]
        weights[kind] = float(told[0]) if told else 1.0

    def best(otherwise: str) -> str:
        liked = {name: weights.get(f"image/{name}", 0.0) for name in (*_BY_ACCEPT, otherwise)}
        first = max(liked, key=liked.__getitem__)
        return first if liked[first] else otherwise

    return best("jpeg"), best("png")
