"""Pictures of images of the archive, made by a pool, for jobs of operations."""

from __future__ import annotations

import mmap
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from pixmill.analysis.rendering import Made, RenderTask
from pixmill.errors import NotKept, OutputError, RunError
from pixmill.imaging.operations import memory_bytes
from pixmill.imaging.probe import check, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pixmill.imaging.operations import Chain
    from pixmill.imaging.probe import Limits
    from pixmill.pool import Pool
    from pixmill.store import Archive
    from pixmill.store.blobs import Blob

_PIECE_BYTES = 1 << 20


class PoolMaker:
    """Makes pictures as `jobs.operations.Maker`; a large one is a file in the folder.

    `archive` opens the archive, once it is asked for.
    """

    def __init__(
        self,
        archive: Callable[[], Archive],
        pool: Pool[Any, Any],
        limits: Limits,
        folder: Path,
        *,
        at_once: int,
    ) -> None:
        self._archive = archive
        self._pool = pool
        self._limits = limits
        self._folder = folder
        self._threads = ThreadPoolExecutor(at_once, "pixmill-making")

    def __call__(self, md5: str, chain: Chain) -> Future[Made]:
        """Begin."""
        return self._threads.submit(self._make, md5, chain)

    def close(self) -> None:
        """Begin nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _make(self, md5: str, chain: Chain) -> Made:
        archive = self._archive()
        stored = archive.find(md5)
        name = stored.image.blobs.original if stored and stored.image.blobs else None
        blob = archive.blobs.open(name) if name else None
        if blob is None:
            raise NotKept("the archive has no original of this image")
        try:
            with blob, _file_of(blob, self._folder) as file:
                return self._made(file, chain)
        except OSError as error:
            raise OutputError(f"{self._folder} can not be used: {error.strerror}") from error

    def _made(self, file: _File, chain: Chain) -> Made:
        header = probe(file.view)
        check(header, self._limits)
        task = RenderTask(header, chain, self._limits, str(self._folder))
        need_bytes = max(header.decode_bytes, memory_bytes(header, chain))
        try:
            made: Made = self._pool.submit(file, task, need_bytes=need_bytes).result()
        except RunError as error:  # the pool is closed, or broken
            raise OutputError(str(error)) from error
        return made


class _File:
    """A file as the pool takes it: by its descriptor; `view` are its bytes."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.size = size
        self._map = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b""
        self.view = memoryview(self._map)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._descriptor


@contextmanager
def _file_of(blob: Blob, folder: Path) -> Iterator[_File]:
    """Give the file that a blob is, or a copy of it without a name."""
    descriptor = blob.fileno()
    if descriptor is not None:
        yield _File(descriptor, blob.size)
        return
    with TemporaryFile(dir=folder) as copy:
        for offset in range(0, blob.size, _PIECE_BYTES):
            copy.write(blob.read(offset, _PIECE_BYTES))
        copy.flush()
        yield _File(copy.fileno(), blob.size)
