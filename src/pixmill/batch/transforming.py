"""Has a chain of operations carried out on the images of a pipeline, and the pictures put.

Putting is done in threads, since it waits for disks; pictures themselves are made in the pool.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from pixmill.analysis import pack
from pixmill.analysis.rendering import RenderTask
from pixmill.batch.keeping import Analyzed
from pixmill.imaging.operations import memory_bytes
from pixmill.record import Analysis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.analysis.rendering import Made
    from pixmill.batch.options import Gallery
    from pixmill.imaging.header import Header
    from pixmill.imaging.probe import Limits
    from pixmill.record import Item

_THREADS = 16


class Transforming:
    """For the tasks of one event loop; raises what the gallery raises."""

    def __init__(self, gallery: Gallery, spool: str, threads: ThreadPoolExecutor) -> None:
        self._gallery = gallery
        self._spool = spool
        self._threads = threads

    @classmethod
    @contextmanager
    def open(cls, gallery: Gallery) -> Iterator[Self]:
        """Start the threads; at the end of the context they have ended."""
        with gallery.open() as spool, ThreadPoolExecutor(_THREADS, "pixmill-gallery") as threads:
            yield cls(gallery, spool, threads)

    def task(self, header: Header, limits: Limits) -> tuple[RenderTask, int]:
        """Make the order of an image, and tell how many bytes carrying it out takes."""
        chain = self._gallery.chain
        need_bytes = max(header.decode_bytes, memory_bytes(header, chain))
        return RenderTask(header, chain, limits, self._spool), need_bytes

    async def put(self, item: Item, made: Made) -> Analyzed:
        """Put the picture of an item, and tell of it as of an image that was analyzed."""
        loop = asyncio.get_running_loop()
        name = await loop.run_in_executor(self._threads, self._gallery.put, item, made)
        facts = Analysis((), 0, made.width, made.height, made.format, made.size)
        return Analyzed(pack(facts), file=name)
