"""Images of requests into the archive, and greys out of it.

Owns what happens between the engine, which analyzes, and the archive, which is asked in threads.
An image that could not be had is a capture too, with its code.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from pixmill.analysis import Wanted, unpack
from pixmill.errors import ItemError, Md5Collision, TooManyBytes
from pixmill.ingest.keeper import ArchiveKeeper, image_of
from pixmill.store.archive import KEY_BYTES, Capture
from pixmill.web.errors import ApiError, overloaded
from pixmill.web.greys import Greys
from pixmill.web.originals import Originals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from pixmill.analysis.timing import Timed
    from pixmill.fetch.body import Body
    from pixmill.settings import Settings
    from pixmill.store import Archive
    from pixmill.store.archive import Image, Outcome
    from pixmill.web.engine import Engine
    from pixmill.web.greys import Grey
    from pixmill.web.store_calls import StoreCalls
    from pixmill.web.uploads import Upload

ARCHIVE_COLORS = 5
UPLOADED = "upload"  # the source of an image whose sender does not say
_RETRY_AFTER_S = 1


class Sender(NamedTuple):
    """Who an image is said to be from, and their own word for it."""

    source: str
    reference: str = ""


class Taken(NamedTuple):
    """What became of an image: its MD5, and whether it was new."""

    md5: str
    is_new: bool


class Depot:
    """For the tasks of one event loop; `ask` is how the archive and its blobs are asked.

    Raises OutputError where the archive can not be used, ApiError 503 where it does not answer.
    """

    def __init__(
        self,
        archive: Archive,
        ask: StoreCalls,
        engine: Engine,
        settings: Settings,
    ) -> None:
        self.archive = archive
        self.ask = ask
        self._engine = engine
        self._keeper = ArchiveKeeper(archive, originals=settings.originals)
        self._greys = Greys(archive, ask, settings.answers_bytes // 2)
        self.originals = Originals(archive, ask, engine.new_writer)

    async def take_upload(self, request: Request, sender_of: Callable[[Upload], Sender]) -> Taken:
        """Take the image that a request carries; `sender_of` may refuse what came with it.

        Raises as `Engine.uploaded` and `take` do.
        """
        async with self._oversizes_kept(), self._engine.uploaded(request) as upload:
            sender = sender_of(upload)
            async with self._failures_kept(sender):
                done = await self._engine.greyed(request, upload.body, self._wanted())
            return await self._store(upload.body, *done, sender)

    async def take_url(self, request: Request, url: str, sender: Sender) -> Taken:
        """Download and take an image. Raises ItemError where there is none to be had."""
        async with self._failures_kept(sender), self._engine.downloaded(request, url) as body:
            done = await self._engine.greyed(request, body, self._wanted())
            return await self._store(body, *done, sender)

    def _wanted(self) -> Wanted:
        spool = str(self.archive.blobs.spool)
        return Wanted(n=ARCHIVE_COLORS, summarizer="kmeans", grey=spool)

    @asynccontextmanager
    async def _failures_kept(self, sender: Sender) -> AsyncIterator[None]:
        """Keep an image that fails as a capture that failed."""
        try:
            yield
        except ItemError as error:
            await self.ask(self.archive.add, [_capture(sender, code=error.code)])
            raise

    @asynccontextmanager
    async def _oversizes_kept(self) -> AsyncIterator[None]:
        """Keep an upload that is too large as a capture that failed, whoever sends it."""
        try:
            yield
        except ApiError as error:
            if error.code == TooManyBytes.code:
                failed = _capture(Sender(UPLOADED), code=error.code)
                await self.ask(self.archive.add, [failed])
            raise

    async def _store(self, body: Body, digest: bytes, timed: Timed, sender: Sender) -> Taken:
        # One call for all of it, so that a client that leaves now leaves nothing half done.
        return await self.ask(self._keep_and_add, body.view(), digest.hex(), timed, sender)

    def _keep_and_add(self, file: memoryview, sha256: str, timed: Timed, sender: Sender) -> Taken:
        analysis = unpack(timed.packed)
        kept = self._keeper.keep(file, sha256, analysis, timed.grey or b"")
        self._keeper.hand_over(kept)
        image = image_of(analysis, kept)
        (outcome,) = self.archive.add([_capture(sender, image=image)])
        return _taken(image.md5, outcome)

    async def grey(self, md5: str) -> Grey | None:
        """Read a grey image; None where there is none."""
        return await self._greys.get(md5)

    async def delete(self, md5: str) -> bool:
        """Drop an image and its files; False where there is none."""
        self._greys.forget(md5)
        self.originals.forget(md5)
        return await self.ask(self.archive.delete, md5)


def _taken(md5: str, outcome: Outcome) -> Taken:
    if outcome.result == "absent":
        sentence = "The image was deleted while it came; send it again"
        raise overloaded(sentence, retry_after_s=_RETRY_AFTER_S)
    if outcome.code == Md5Collision.code:
        raise ApiError(409, Md5Collision.code, "The archive has another file with this MD5")
    return Taken(md5, outcome.result == "success")


def _capture(sender: Sender, *, image: Image | None = None, code: str | None = None) -> Capture:
    return Capture(
        key=secrets.token_bytes(KEY_BYTES),
        source=sender.source,
        reference=sender.reference,
        image=image,
        code=code,
    )
