"""Has a keeper keep what a pipeline analyzed: in threads, since it waits for disks and servers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from pixmill.analysis import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.analysis import Greyed
    from pixmill.batch.cache import Result
    from pixmill.batch.options import Keeper
    from pixmill.fetch.body import Body
    from pixmill.record import Kept

_THREADS = 16


class Analyzed(NamedTuple):
    """A packed analysis, where its bytes were kept if they were to be, or the picture's name."""

    packed: bytes
    kept: Kept | None = None
    file: str | None = None


class Keeping:
    """For the tasks of one event loop; all methods raise what the keeper raises."""

    def __init__(self, keeper: Keeper, threads: ThreadPoolExecutor) -> None:
        self._keeper = keeper
        self._threads = threads

    @classmethod
    @contextmanager
    def open(cls, keeper: Keeper) -> Iterator[Self]:
        """Start the threads; at the end of the context they have ended."""
        with ThreadPoolExecutor(_THREADS, "pixmill-keeper") as threads:
            yield cls(keeper, threads)

    async def keep(self, body: Body, digest: bytes, answer: Greyed) -> Analyzed:
        """Keep the bytes of an image whose SHA-256 is `digest`, and its grey version."""
        image, loop = unpack(answer.packed), asyncio.get_running_loop()
        if answer.grey is None:
            raise ValueError("a keeper needs grey versions: `Wanted.grey` names a folder for them")
        kept = await loop.run_in_executor(
            self._threads, self._keeper.keep, body.view(), digest.hex(), image, answer.grey
        )
        return Analyzed(answer.packed, kept)

    async def still_has(self, result: Result) -> Kept | None:
        """Tell whether what a URL had the last time is still kept."""
        md5 = unpack(result.packed).md5
        if md5 is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._keeper.known, md5
        )
