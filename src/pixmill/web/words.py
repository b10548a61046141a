"""What an image's failure is called over HTTP: the sentences that users of the API know.

The code of a failure is that of the error tree; only status and sentence are made here.
"""

from __future__ import annotations

from pixmill.errors import (
    BlockedAddress,
    BlockedSource,
    FetchError,
    HttpError,
    ImageError,
    InvalidUrl,
    ItemError,
    NotKept,
    TooManyBytes,
    TooManyPixels,
    TooManyRedirects,
    TruncatedBody,
)
from pixmill.web.errors import ApiError, internal_error

OPENING = (
    "It leads to an address that is not public; PIXMILL_ALLOW_NETWORKS opens a network, "
    "PIXMILL_ALLOW_PRIVATE all private ones"
)


def refusal_of(error: ItemError) -> ApiError:
    """Return what to answer for an image that could not be had or read."""
    if isinstance(error, NotKept):
        return ApiError(404, error.code, _capital(error.message))
    if not isinstance(error, FetchError | ImageError):
        return internal_error()
    return ApiError(400, error.code, *_sentences(error))


_ENDINGS: dict[type[ItemError], str] = {
    TooManyRedirects: "it redirects too often",
    TruncatedBody: "the answer broke off",
}


def _sentences(error: ItemError) -> list[str]:
    if isinstance(error, ImageError):
        first = "Could not parse image"
        return [first, _capital(error.message)] if isinstance(error, TooManyPixels) else [first]
    ending = _ENDINGS.get(type(error), "could not connect")
    if isinstance(error, HttpError):
        ending = f"status code was {error.http_status}"
    elif isinstance(error, InvalidUrl | TooManyBytes | BlockedSource):
        ending = error.message
    first = f"Could not fetch the URL given, {ending}"
    is_private = isinstance(error, BlockedAddress) and not isinstance(error, BlockedSource)
    return [first, OPENING] if is_private else [first]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
