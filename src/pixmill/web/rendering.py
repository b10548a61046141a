"""Pictures made of other pictures, by the pool: of originals of the archive, and of bodies.

For requests and for jobs alike; who may ask, and how many at once, is said by those.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pixmill.errors import OutputError
from pixmill.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from pixmill.analysis.rendering import Made
    from pixmill.imaging.header import Header
    from pixmill.imaging.operations import Chain
    from pixmill.web.engine import Engine
    from pixmill.web.originals import Original, Originals, Source


class Rendering:
    """For the tasks of one event loop, that of `loop`; jobs call it from their threads.

    All raise ItemError where a picture can not be made, of NotKept where the archive has no
    original, and ApiError 503 where too much is going on.
    """

    def __init__(
        self, engine: Engine, originals: Originals, folder: Path, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._engine = engine
        self._originals = originals
        self._folder = folder
        self._loop = loop

    def begin(self, md5: str, chain: Chain) -> Future[Made]:
        """Begin to make a picture of an image of the archive, from any thread.

        The future raises OutputError in place of ApiError.
        """
        return asyncio.run_coroutine_threadsafe(self._of_job(md5, chain), self._loop)

    async def _of_job(self, md5: str, chain: Chain) -> Made:
        try:
            return await self.of_original(await self._originals.find(md5), lambda _: chain)
        except ApiError as error:
            raise OutputError("; ".join(error.errors)) from error

    async def of_original(self, original: Original, chain_for: Callable[[Header], Chain]) -> Made:
        """Make a picture of an original of the archive."""
        with await self._originals.open(original) as source:
            if original.header is None:
                original.header = await self._engine.checked(source)
            return await self._made(source, original.header, chain_for)

    async def of_source(self, source: Source, chain_for: Callable[[Header], Chain]) -> Made:
        """Make a picture of an image."""
        return await self._made(source, await self._engine.checked(source), chain_for)

    async def _made(
        self, source: Source, header: Header, chain_for: Callable[[Header], Chain]
    ) -> Made:
        return await self._engine.made(source, header, chain_for(header), self._folder)
