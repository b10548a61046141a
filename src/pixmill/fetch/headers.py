"""What of an answer's headers is passed on: what caching needs, and the content type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from aiohttp import hdrs

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_KEPT = {
    name.lower(): name
    for name in (
        hdrs.ETAG,
        hdrs.LAST_MODIFIED,
        hdrs.CACHE_CONTROL,
        hdrs.DATE,
        hdrs.EXPIRES,
        hdrs.AGE,
        hdrs.CONTENT_TYPE,
        hdrs.VARY,
    )
}


class KeptHeaders(Mapping[str, str]):
    """The kept headers under their lower-case names, read only when asked for.

    A header that was sent more than once is one value, joined by commas (RFC 9110, section 5.3).
    """

    __slots__ = ("_headers",)

    def __init__(self, response: ClientResponse) -> None:
        self._headers = response.headers

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._headers.getall(_KEPT[name]))

    def __iter__(self) -> Iterator[str]:
        return (name for name, sent in _KEPT.items() if sent in self._headers)

    def __len__(self) -> int:
        return sum(1 for _ in self)
