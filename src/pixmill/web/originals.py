"""Originals of the archive as sources of pictures, and what was read of their headers before.

Owns how long it is believed that an image stands: it may be dropped by another process.
"""

from __future__ import annotations

import mmap
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pixmill.errors import NotKept

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from pixmill.fetch.body import BodyWriter
    from pixmill.imaging.header import Header
    from pixmill.store import Archive
    from pixmill.store.blobs import Blob
    from pixmill.web.store_calls import StoreCalls

_BELIEVED_S = 2.0
_MOST_KNOWN = 4096
_PIECE_BYTES = 1 << 20


class Source(Protocol):
    """The bytes of an image: `data`, or a file. Close it, or use it as a context manager."""

    data: bytes | None
    size: int

    def fileno(self) -> int:
        """Give the descriptor of the file; ValueError where there is none."""

    def view(self) -> memoryview:
        """Give all bytes, without a copy."""

    def close(self) -> None:
        """Let go of them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(slots=True)
class Original:
    """A file of the archive: the SHA-256 of its bytes, its blob, and its header once it is read."""

    sha256: str
    blob: str
    believed_until: float
    header: Header | None = None


class Originals:
    """For the tasks of one event loop; raises OutputError where the archive can not be used."""

    def __init__(
        self,
        archive: Archive,
        ask: StoreCalls,
        new_writer: Callable[[], BodyWriter],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive = archive
        self._ask = ask
        self._new_writer = new_writer
        self._clock = clock
        self._known: OrderedDict[str, Original] = OrderedDict()

    async def find(self, md5: str) -> Original:
        """Find an image's original; what was found is believed for two seconds.

        Raises NotKept where there is none.
        """
        known = self._known.get(md5)
        if known is not None and self._clock() < known.believed_until:
            self._known.move_to_end(md5)
            return known
        stored = await self._ask(self._archive.find, md5)
        name = stored.image.blobs.original if stored and stored.image.blobs else None
        if stored is None or name is None:
            self.forget(md5)
            raise NotKept("the archive has no original of this image")
        header = known.header if known and known.sha256 == stored.image.sha256 else None
        original = Original(stored.image.sha256, name, self._clock() + _BELIEVED_S, header)
        self._known[md5] = original
        self._known.move_to_end(md5)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return original

    def forget(self, md5: str) -> None:
        """Know nothing of an image."""
        self._known.pop(md5, None)

    async def open(self, original: Original) -> Source:
        """Open the file of an original. Raises NotKept where it is gone."""
        blob = await self._ask(self._archive.blobs.open, original.blob)
        if blob is None:
            raise NotKept("the archive has no original of this image")
        if blob.fileno() is not None:
            return _BlobFile(blob)
        with blob:
            return await self._copied(blob)

    async def _copied(self, blob: Blob) -> Source:
        writer = self._new_writer()
        try:
            for offset in range(0, blob.size, _PIECE_BYTES):
                writer.write(await self._ask(blob.read, offset, _PIECE_BYTES))
                await writer.wait_for_room()
            return writer.finish()
        except BaseException:
            writer.discard()
            raise


class _BlobFile:
    """A blob that is a file, as it lies there."""

    def __init__(self, blob: Blob) -> None:
        self.data: bytes | None = None
        self.size = blob.size
        self._blob = blob
        self._map: mmap.mmap | None = None

    def fileno(self) -> int:
        """Give the descriptor; ValueError once it is closed."""
        descriptor = self._blob.fileno()
        if descriptor is None:
            raise ValueError("the file is closed")
        return descriptor

    def view(self) -> memoryview:
        """Map the file."""
        if not self.size:
            return memoryview(b"")
        if self._map is None:
            self._map = mmap.mmap(self.fileno(), self.size, access=mmap.ACCESS_READ)
        return memoryview(self._map)

    def close(self) -> None:
        """Close the file; a view still in use keeps its pages until it is gone itself."""
        self._map = None
        self._blob.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
