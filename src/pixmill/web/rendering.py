"""Pictures made of images of the archive: their originals into bodies, and these into the pool.

For requests and for jobs alike; who may ask, and how many at once, is said by those.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pixmill.errors import NotKept, OutputError
from pixmill.web.errors import ApiError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from pixmill.analysis.rendering import Made
    from pixmill.fetch.body import Body
    from pixmill.imaging.operations import Chain
    from pixmill.store.blobs import Blob
    from pixmill.web.depot import Depot
    from pixmill.web.engine import Engine

_PIECE_BYTES = 1 << 20


class Rendering:
    """For the tasks of one event loop, that of `loop`; jobs call it from their threads."""

    def __init__(
        self,
        engine: Engine,
        depot: Depot,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._engine = engine
        self._archive, self._ask = depot.archive, depot.ask
        self._folder = folder
        self._loop = loop

    def begin(self, md5: str, chain: Chain) -> Future[Made]:
        """Begin to make a picture of an image of the archive, from any thread.

        The future raises as `of_image` does, but OutputError in place of ApiError.
        """
        return asyncio.run_coroutine_threadsafe(self._of_job(md5, chain), self._loop)

    async def _of_job(self, md5: str, chain: Chain) -> Made:
        try:
            return await self.of_image(md5, chain)
        except ApiError as error:
            raise OutputError("; ".join(error.errors)) from error

    async def of_image(self, md5: str, chain: Chain) -> Made:
        """Make a picture of an image of the archive.

        Raises as `Engine.made` does; ItemError also where the archive has no original of it.
        """
        with await self._original(md5) as body:
            return await self.of_body(body, chain)

    async def of_body(self, body: Body, chain: Chain) -> Made:
        """Make a picture of an image; raises as `Engine.made` does."""
        return await self._engine.made(body, chain, self._folder)

    async def _original(self, md5: str) -> Body:
        stored = await self._ask(self._archive.find, md5)
        name = stored.image.blobs.original if stored and stored.image.blobs else None
        blob = await self._ask(self._archive.blobs.open, name) if name else None
        if blob is None:
            raise NotKept("the archive has no original of this image")
        with blob:
            return await self._read(blob)

    async def _read(self, blob: Blob) -> Body:
        writer = self._engine.new_writer()
        try:
            for offset in range(0, blob.size, _PIECE_BYTES):
                writer.write(await self._ask(blob.read, offset, _PIECE_BYTES))
                await writer.wait_for_room()
            return writer.finish()
        except BaseException:
            writer.discard()
            raise
