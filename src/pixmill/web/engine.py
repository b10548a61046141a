"""Images to analyses for the service: fetched or uploaded, admitted, isolated, remembered.

Owns the fetcher, the pool and the kept answers of one serving process, and the way of one image
through them. What is asked of images, and how failures are worded, is the routes' matter.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self, overload

from pixmill.analysis import Task, unpack
from pixmill.analysis.rendering import Made, RenderTask
from pixmill.analysis.work import Answer, Order, taken, work
from pixmill.batch.once import Once
from pixmill.batch.options import PRELOAD_ALL, RunOptions, Shared
from pixmill.errors import ItemError, OutputError, RunError
from pixmill.fetch.client import Fetcher
from pixmill.imaging.operations import memory_bytes
from pixmill.imaging.probe import Limits, check, probe
from pixmill.pool import Pool
from pixmill.web.admission import Admission
from pixmill.web.answers import Answers
from pixmill.web.errors import no_room, overloaded, too_many_requests
from pixmill.web.plan import plan_service
from pixmill.web.presence import while_there
from pixmill.web.services import key_of
from pixmill.web.uploads import Upload, read_upload
from pixmill.web.urls import IN_PLACE_BYTES, Urls, digest_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.requests import Request

    from pixmill.analysis import Wanted
    from pixmill.analysis.timing import Timed
    from pixmill.fetch.body import Body, BodyWriter
    from pixmill.fetch.call import Download
    from pixmill.imaging.header import Header
    from pixmill.imaging.operations import Chain
    from pixmill.record import Analysis
    from pixmill.settings import Settings
    from pixmill.web.metrics import Metrics
    from pixmill.web.originals import Source
    from pixmill.web.plan import ServicePlan

_RETRY_AFTER_S = 5
_RENDERS_A_WORKER = 2  # one is being made while the next is made ready
_AHEAD = 2  # images of one list in the pool for each worker, so that none waits for the next


class Engine:
    """For the tasks of one event loop; `open` makes one."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        plan: ServicePlan,
        fetcher: Fetcher,
        pool: Pool[Order, Answer],
    ) -> None:
        self.plan = plan
        self._limits = Limits(settings.max_pixels, settings.max_side, plan.memory.decode)
        self.max_bytes = settings.max_bytes
        self._patience_s = settings.timeout
        self._metrics = metrics
        self._fetcher = fetcher
        self._pool = pool
        self.answers: Answers[Any] = Answers(settings.answers_bytes)
        self._running: Once[bytes] = Once(settings.fetchers, keep=lambda packed: packed)
        self._at_work = 0
        self._begun = False
        # Apart, so that sources that do not answer keep nobody from uploading.
        waiting = settings.waiting, settings.timeout, metrics
        self.downloads = Admission(settings.fetchers, *waiting)
        self.analyses = Admission(settings.fetchers, *waiting)
        self.urls = Urls(fetcher, self.answers, self.downloads, metrics)
        renders = pool.workers * _RENDERS_A_WORKER
        self.renders = Admission(renders, *waiting, refusal=too_many_requests)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, metrics: Metrics) -> AsyncIterator[Self]:
        """Start the pool and the fetcher; both end with the context."""
        plan = plan_service(settings)
        async with AsyncExitStack() as stack:
            pool: Pool[Order, Answer] = Pool(
                work,
                workers=plan.workers,
                item_timeout_s=settings.decode_timeout,
                decode_budget_bytes=plan.memory.decode,
                preload=PRELOAD_ALL,
            )
            stack.callback(pool.close, cancel=True)
            options = RunOptions.of(settings).fetching(plan.memory.bodies)
            fetcher = await stack.enter_async_context(Fetcher(options))
            engine = cls(settings, metrics, plan=plan, fetcher=fetcher, pool=pool)
            metrics.watch_pool(
                busy=lambda: min(engine._at_work, plan.workers),
                waiting=lambda: (
                    engine.downloads.waiting
                    + engine.analyses.waiting
                    + engine.renders.waiting
                    + max(0, engine._at_work - plan.workers)
                ),
            )
            yield engine

    @property
    def ready(self) -> bool:
        """Whether images can be analyzed: kernels are compiled, and not given up."""
        self._begun = self._begun or bool(self._pool.pids())
        return self._begun and self._pool.broken is None

    def shared(self, at_once: int) -> Shared:
        """Give a list, one of `at_once`, its part of the pool: it is never far ahead of others."""
        return Shared(self._pool, self.plan.memory.of_a_list(at_once), _AHEAD * self.plan.workers)

    async def at_url(self, request: Request, url: str, wanted: Wanted) -> Analysis:
        """Analyze the image at a URL, for as long as the request's client waits.

        Raises ItemError where there is none to be had, ApiError 503 where too much is going on, and
        ClientDisconnect.
        """

        def find(content: bytes) -> bytes | None:
            return self.answers.find(content, wanted)

        kept = self.urls.ready(url, find)
        if kept is not None:
            return unpack(kept)
        key = key_of(request)

        async def make(content: bytes, body: Body) -> bytes:
            return await self._from_body(key, body, wanted, content)

        with self.counted():
            return unpack(await while_there(request, self.urls.answer(key, url, find, make)))

    async def of_upload(self, request: Request, wanted: Wanted) -> Analysis:
        """Analyze the image that a request carries; raises as `at_url` and `read_upload` do."""
        key = key_of(request)
        self.analyses.check(key)
        upload = await read_upload(request, self._fetcher.new_writer())
        with upload.body as body, self.counted():
            work = self._from_body(key, body, wanted, await digest_of(body))
            return unpack(await while_there(request, work))

    @asynccontextmanager
    async def uploaded(self, request: Request) -> AsyncIterator[Upload]:
        """Give the image that a request carries, with the form's fields; raises as `of_upload`."""
        self.analyses.check(key_of(request))
        upload = await read_upload(request, self._fetcher.new_writer())
        with upload.body:
            yield upload

    @asynccontextmanager
    async def downloaded(self, request: Request, url: str) -> AsyncIterator[Body]:
        """Give what is at a URL, whatever was there before; raises as `at_url`."""
        with self._counted_if_failed():
            download = await while_there(request, self._download(key_of(request), url))
        with download.body as body:
            yield body

    async def _download(self, key: str, url: str) -> Download:
        async with self.downloads.turn(key):
            with self._metrics.timed("fetching"):
                return await self._fetcher.fetch(url)

    async def greyed(self, request: Request, body: Body, wanted: Wanted) -> tuple[bytes, Timed]:
        """Analyze an image with its grey version; give the SHA-256 of the file beside it."""
        with self.counted():
            digest = await digest_of(body)
            return digest, await while_there(request, self._greyed(key_of(request), body, wanted))

    async def _greyed(self, key: str, body: Body, wanted: Wanted) -> Timed:
        async with self.analyses.turn(key):
            return await self._timed(body, wanted)

    async def _from_body(self, key: str, body: Body, wanted: Wanted, content: bytes) -> bytes:
        kept: bytes | None = self.answers.find(content, wanted)
        self._metrics.answer_looked_up(hit=kept is not None)
        if kept is not None:
            return kept
        # Who asks for the same at the same time waits for the one answer.
        async with self.analyses.turn(key):
            packed = await self._running.get((content, wanted), lambda: self._compute(body, wanted))
        self.answers.keep(content, wanted, packed, len(packed))
        return packed

    async def _compute(self, body: Body, wanted: Wanted) -> bytes:
        return (await self._timed(body, wanted)).packed

    async def _timed(self, body: Body, wanted: Wanted) -> Timed:
        header = await self.checked(body)
        begun = asyncio.get_running_loop().time()
        timed = await self._in_pool(body, Task(header, wanted), header.decode_bytes)
        elapsed_s = asyncio.get_running_loop().time() - begun
        self._metrics.stage_took("waiting", max(0.0, elapsed_s - timed.decode_s - timed.compute_s))
        self._metrics.stage_took("decoding", timed.decode_s)
        self._metrics.stage_took("computing", timed.compute_s)
        return timed

    async def made(self, source: Source, header: Header, chain: Chain, folder: Path) -> Made:
        """Make another picture of an image; a large one is a file in the folder.

        `header` is what `checked` told. Raises ItemError where that can not be done, ApiError 503
        where too much is going on.
        """
        need_bytes = max(header.decode_bytes, memory_bytes(header, chain))
        order = RenderTask(header, chain, self._limits, str(folder))
        with self._metrics.timed("computing"):
            return await self._in_pool(source, order, need_bytes)

    async def checked(self, source: Source) -> Header:
        """Read a header, and hold it to the limits; raises as `probe` and `check` do."""
        header = await _probed(source)
        check(header, self._limits)
        return header

    @overload
    async def _in_pool(self, source: Source, order: Task, need_bytes: int) -> Timed: ...

    @overload
    async def _in_pool(self, source: Source, order: RenderTask, need_bytes: int) -> Made: ...

    async def _in_pool(self, source: Source, order: Order, need_bytes: int) -> Answer:
        """Have a process work on an image when its turn comes."""
        payload: bytes | Source = source if source.data is None else source.data
        self._at_work += 1
        try:
            future = self._pool.submit(payload, order, need_bytes=need_bytes)
            with taken(future):
                async with asyncio.timeout(self._patience_s):
                    return await asyncio.wrap_future(future)
        except TimeoutError as error:
            sentence = "The image had to wait too long for its turn"
            raise overloaded(sentence, retry_after_s=_RETRY_AFTER_S) from error
        except OutputError as error:  # for what it makes, or for the image on its way to it
            raise no_room(retry_after_s=_RETRY_AFTER_S) from error
        except RunError as error:  # the pool is broken, or is closed while the service ends
            sentence = "No image can be analyzed just now"
            raise overloaded(sentence, retry_after_s=_RETRY_AFTER_S) from error
        finally:
            self._at_work -= 1

    def new_writer(self) -> BodyWriter:
        """Begin a body that counts towards what all bodies may take."""
        return self._fetcher.new_writer()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count how one image ends."""
        with self._counted_if_failed():
            yield
        self._metrics.item("ok")

    @contextmanager
    def _counted_if_failed(self) -> Iterator[None]:
        try:
            yield
        except ItemError as error:
            self._metrics.item(error.code)
            raise


async def _probed(source: Source) -> Header:
    if source.size <= IN_PLACE_BYTES:
        return probe(source.view())
    return await asyncio.to_thread(probe, source.view())
