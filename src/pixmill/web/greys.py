"""Grey images in memory, as many as there is room for.

Owns when what is in memory may still be told: an image may be dropped by another process.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.store import Archive
    from pixmill.web.store_calls import StoreCalls

_BELIEVED_S = 2.0
_LOOKED_AT_ONCE = 500
_ENTRY_BYTES = 400
_LARGE_PART = 16  # of the room for all, past which an image is not held


class Grey(NamedTuple):
    """A grey image, and the digest of the file that it is of.

    `png` is the image, or None of one that is too large to be held: it is to be read from the blob.
    """

    png: bytes | None
    sha256: str
    blob: str


@dataclass(slots=True)
class _Known:
    """A grey image in memory, and whether anybody asked for it since it was looked at."""

    grey: Grey
    believed_until: float
    is_asked_for: bool = False


class Greys:
    """For the tasks of one event loop; raises OutputError where the archive can not be used."""

    def __init__(
        self,
        archive: Archive,
        ask: StoreCalls,
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive = archive
        self._ask = ask
        self._clock = clock
        self._greys: OrderedDict[str, _Known] = OrderedDict()  # by how long they are believed
        self._most_bytes, self._bytes = most_bytes, 0
        self._looking: asyncio.Future[None] | None = None

    async def get(self, md5: str) -> Grey | None:
        """Read a grey image; None where there is none.

        What is in memory is believed for two seconds, then it is looked whether the image stands.
        """
        while known := self._greys.get(md5):
            known.is_asked_for = True
            if self._clock() < known.believed_until:
                return known.grey
            await self._look(md5)
        grey = await self._ask(self._read_grey, md5)
        if grey is not None:
            self._remember(md5, grey)
        return grey

    async def _look(self, md5: str) -> None:
        """Look whether the image stands, and others that are asked for: one question for all."""
        if self._looking is None:
            now = self._clock()
            asked = {md5: self._greys[md5]}
            for other, known in islice(self._greys.items(), _LOOKED_AT_ONCE):
                if known.believed_until > now:
                    break  # those behind it are believed for longer
                if known.is_asked_for:
                    asked[other] = known
            self._looking = asyncio.ensure_future(self._look_at(asked))
        await asyncio.shield(self._looking)

    async def _look_at(self, asked: dict[str, _Known]) -> None:
        try:
            standing = await self._ask(self._archive.known, asked)
        finally:
            self._looking = None
        until = self._clock() + _BELIEVED_S
        for each, known in asked.items():
            if self._greys.get(each) is not known:
                continue  # dropped meanwhile
            if standing.get(each) == known.grey.sha256:
                known.believed_until, known.is_asked_for = until, False
                self._greys.move_to_end(each)
            else:
                self.forget(each)

    def _read_grey(self, md5: str) -> Grey | None:
        stored = self._archive.find(md5)
        names = stored.image.blobs if stored else None
        blob = self._archive.blobs.open(names.grey) if names else None
        if stored is None or names is None or blob is None:
            return None
        with blob:
            is_large = blob.size > self._most_bytes // _LARGE_PART
            png = None if is_large else blob.read(0, blob.size)
        return Grey(png, stored.image.sha256, names.grey)

    def _remember(self, md5: str, grey: Grey) -> None:
        self.forget(md5)
        self._greys[md5] = _Known(grey, self._clock() + _BELIEVED_S)
        self._bytes += _size(grey)
        while self._bytes > self._most_bytes:
            self.forget(next(iter(self._greys)))

    def forget(self, md5: str) -> None:
        """Drop what is in memory of an image."""
        known = self._greys.pop(md5, None)
        if known is not None:
            self._bytes -= _size(known.grey)


def _size(grey: Grey) -> int:
    return len(grey.png or b"") + _ENTRY_BYTES
