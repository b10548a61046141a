"""Pictures at once: admitted, made once for all who ask for the same, and kept.

Owns what is kept: pictures by the digest of the content and the wish, and by URL which content it
had. Making is left to `rendering`, fetching and turns to the engine.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixmill import __version__
from pixmill.batch.once import Once
from pixmill.errors import OutputError
from pixmill.store.local import LocalBlob
from pixmill.web.presence import while_there
from pixmill.web.services import who_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from pixmill.analysis.rendering import Made
    from pixmill.fetch.body import Body
    from pixmill.settings import Settings
    from pixmill.store.blobs import Blob
    from pixmill.web.answers import Answers
    from pixmill.web.engine import Engine
    from pixmill.web.metrics import Metrics
    from pixmill.web.originals import Originals
    from pixmill.web.rendering import Rendering
    from pixmill.web.wish import Wish

    HasTag = Callable[[str], bool]

_LARGE_PART = 32  # of the room for all, past which a picture is not held in memory


class Picture(NamedTuple):
    """A picture: its bytes, or an open file of one that is large."""

    content: bytes | Blob
    format: str


class Rendered(NamedTuple):
    """What is answered: `tag` stands for the picture, which is None for a client that has it.

    `fresh_s` is for how long it need not be asked for again, by what the source says.
    """

    tag: str
    picture: Picture | None
    fresh_s: float = math.inf


class Renders:
    """For the tasks of one event loop. All raise as `Rendering` does, and ApiError 429.

    `has` says whether the client has what a tag stands for.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        engine: Engine,
        originals: Originals,
        rendering: Rendering,
    ) -> None:
        self._metrics = metrics
        self._engine = engine
        self._originals = originals
        self._rendering = rendering
        self._kept: Answers[Picture] = engine.answers
        self._held_bytes = settings.answers_bytes // _LARGE_PART
        self._running: Once[Picture | None] = Once(0, keep=_shared)

    async def of_image(self, request: Request, md5: str, wish: Wish, has: HasTag) -> Rendered:
        """Make a picture of an image of the archive."""
        original = await self._originals.find(md5)
        content = bytes.fromhex(original.sha256)
        ready = self._ready(content, wish, has)
        self._metrics.answer_looked_up(hit=ready is not None)
        if ready is not None:
            return ready

        async def make() -> Made:
            return await self._rendering.of_original(original, wish.chain_for)

        with self._engine.counted():
            work = self._made(who_of(request), content, wish, make)
            return Rendered(_tag(content, wish), await while_there(request, work))

    async def at_url(self, request: Request, url: str, wish: Wish, has: HasTag) -> Rendered:
        """Make a picture of the image at a URL; raises as `Engine.at_url`, too."""
        who = who_of(request)

        def find(content: bytes) -> Rendered | None:
            return self._ready(content, wish, has)

        async def answer(content: bytes, body: Body) -> Rendered:
            ready = find(content)
            self._metrics.answer_looked_up(hit=ready is not None)
            if ready is not None:
                return ready

            async def make() -> Made:
                return await self._rendering.of_source(body, wish.chain_for)

            return Rendered(_tag(content, wish), await self._made(who, content, wish, make))

        rendered = self._engine.urls.ready(url, find)
        if rendered is None:
            with self._engine.counted():
                work = self._engine.urls.answer(who, url, find, answer)
                rendered = await while_there(request, work)
        return rendered._replace(fresh_s=self._kept.fresh_s(url))

    def _ready(self, content: bytes, wish: Wish, has: HasTag) -> Rendered | None:
        """Find what can be answered of a content at once."""
        tag = _tag(content, wish)
        if has(tag):
            return Rendered(tag, None)
        picture = self._kept.find(content, wish.key)
        return None if picture is None else Rendered(tag, picture)

    async def _made(
        self, who: str, content: bytes, wish: Wish, make: Callable[[], Awaitable[Made]]
    ) -> Picture:
        async def made() -> Picture:
            return await asyncio.shield(asyncio.ensure_future(self._held(await make())))

        async with self._engine.renders.turn(who):
            shared = await self._running.get((content, wish.key), made)
            picture = await made() if shared is None else shared
        if isinstance(picture.content, bytes):
            self._kept.keep(content, wish.key, picture, len(picture.content))
        return picture

    async def _held(self, made: Made) -> Picture:
        """Take over a picture; the file of a large one has no name any more."""
        if isinstance(made.content, bytes):
            return Picture(made.content, made.format)
        whole = made.size <= self._held_bytes
        content = await asyncio.to_thread(_taken, Path(made.content), whole=whole)
        return Picture(content, made.format)


def _shared(picture: Picture | None) -> Picture | None:
    """Tell what others get, too: an open file has one reader."""
    return picture if picture and isinstance(picture.content, bytes) else None


def _taken(path: Path, *, whole: bool) -> bytes | Blob:
    try:
        if whole:
            return path.read_bytes()
        return LocalBlob(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise OutputError(f"{path} can not be read: {error.strerror}") from error
    finally:
        path.unlink(missing_ok=True)


def _tag(content: bytes, wish: Wish) -> str:
    words = f"{__version__}\n{wish.key}".encode()
    return hashlib.blake2b(content + words, digest_size=16).hexdigest()
