"""Images at URLs, asked for again as HTTP allows: not at all while fresh, else on condition.

What is asked of an image, and how it is answered, is said by whoever asks: `find` gives the answer
that is at hand for a content, by its digest, or None; `make` makes one of a content and its body.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from pixmill.imaging.digest import sha256_digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pixmill.fetch.body import Body
    from pixmill.fetch.call import Download
    from pixmill.fetch.client import Fetcher
    from pixmill.web.admission import Admission
    from pixmill.web.answers import Answers, Known
    from pixmill.web.metrics import Metrics

T = TypeVar("T")

IN_PLACE_BYTES = 2**18  # up to here hashing takes less than a thread's hand-over


class Urls:
    """For the tasks of one event loop; what is known of URLs stands in `answers`."""

    def __init__(
        self, fetcher: Fetcher, answers: Answers[Any], downloads: Admission, metrics: Metrics
    ) -> None:
        self._fetcher = fetcher
        self._answers = answers
        self._downloads = downloads
        self._metrics = metrics

    def ready(self, url: str, find: Callable[[bytes], T | None]) -> T | None:
        """Give the answer about a URL that need not be asked, if it is at hand."""
        known = self._answers.known(url)
        if known is None or not self._answers.is_fresh(known):
            return None
        return self._counted(find(known.content))

    async def answer(
        self,
        who: str,
        url: str,
        find: Callable[[bytes], T | None],
        make: Callable[[bytes, Body], Awaitable[T]],
    ) -> T:
        """Ask a URL, and answer about what it has. Raises ItemError, ApiError, and as `make`."""
        known = self._answers.known(url)
        found = find(known.content) if known else None
        async with self._downloads.turn(who):
            with self._metrics.timed("fetching"):
                download = await self._fetch(url, None if found is None else known)
        with download.body as body:
            if known and found is not None and download.http_status == 304:
                self._answers.confirm(url, known, download.headers)
                self._counted(found)
                return found
            content = await digest_of(body)
            made = await make(content, body)
        if download.is_redirected_from(url):
            self._answers.forget(url)
        else:
            self._answers.remember(url, content, download.headers)
        return made

    async def _fetch(self, url: str, known: Known | None) -> Download:
        """Download, or have it confirmed that what is known still holds: its status is 304 then."""
        download = await self._fetcher.fetch(url, headers=known.validators if known else {})
        if download.http_status == 304 and download.is_redirected_from(url):
            # Another resource than the one that was kept has confirmed its own validators.
            download.body.close()
            download = await self._fetcher.fetch(url)
        return download

    def _counted(self, found: T | None) -> T | None:
        if found is not None:
            self._metrics.answer_looked_up(hit=True)
        return found


async def digest_of(body: Body) -> bytes:
    """Compute the SHA-256 of a body."""
    if body.size <= IN_PLACE_BYTES:
        return sha256_digest(body.view())
    return await asyncio.to_thread(sha256_digest, body.view())
