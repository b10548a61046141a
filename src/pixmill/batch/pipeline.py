"""What happens to one item: fetch or read, probe, analyse, keep, or fail with a code.

Owns the path of a single item through the house; order, bounds and threads are the runner's.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import traceback
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pixmill.analysis import Task, packed_bytes, unpack
from pixmill.analysis.work import taken
from pixmill.batch.cache import Result, ResultCache
from pixmill.batch.keeping import Analyzed, Keeping
from pixmill.batch.landing import Landing
from pixmill.batch.local import read_file
from pixmill.batch.once import Once
from pixmill.batch.transforming import Transforming
from pixmill.errors import InternalError, InvalidUrl, ItemError, RunError, TooManyPixels
from pixmill.fetch.client import Fetcher
from pixmill.imaging.digest import sha256_digest
from pixmill.imaging.probe import Header, check, probe
from pixmill.record import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pixmill.analysis import Wanted
    from pixmill.analysis.rendering import RenderTask
    from pixmill.batch.cache import Known
    from pixmill.batch.memory import MemoryPlan
    from pixmill.batch.options import RunOptions
    from pixmill.fetch.body import Body
    from pixmill.pool import Pool
    from pixmill.record import Item, Kept

_MOST_REMEMBERED = 16_384  # answers kept to spare repeats
_REMEMBERED_PART = 4  # of what rows may take


class Outcome(NamedTuple):
    """The compact end of an item: a packed analysis or a failure."""

    packed: bytes | None
    failure: Failure | None
    http_status: int | None = None
    attempts: int = 0
    kept: Kept | None = None
    file: str | None = None


class Pipeline:
    """Takes items to outcomes, any number at a time; for the tasks of one event loop."""

    def __init__(  # noqa: PLR0913, PLR0917  what `open` has opened
        self,
        options: RunOptions,
        plan: MemoryPlan,
        fetcher: Fetcher,
        pool: Pool[Any, Any],
        cache: ResultCache | None,
        keeping: Keeping | None,
        transforming: Transforming | None,
    ) -> None:
        self._options = options
        self._limits = replace(options.limits, max_decode_bytes=plan.decode)
        self._fetcher = fetcher
        self._pool = pool
        self._cache = cache
        self._keeping = keeping
        self._transforming = transforming
        self._landing: Landing[Any] = Landing()
        at_once = options.shared.at_once if options.shared else options.queue
        self._places = asyncio.Semaphore(at_once)
        remembered = _remembered(plan, options.wanted)
        self._urls: Once[Outcome] = Once(remembered, keep=_without_traceback)
        self._images: Once[Analyzed | ItemError] = Once(remembered, keep=_bare)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, options: RunOptions, plan: MemoryPlan, pool: Pool[Any, Any]
    ) -> AsyncIterator[Self]:
        """Connect a pipeline to a fetcher and a cache of its own, closed at the end."""
        async with AsyncExitStack() as stack:
            keeping = transforming = None
            if options.keeper is not None:
                keeping = stack.enter_context(Keeping.open(options.keeper))
            if options.gallery is not None:
                transforming = stack.enter_context(Transforming.open(options.gallery))
            budget = options.shared.bodies if options.shared else None
            fetching = options.fetching(plan.bodies)
            fetcher = await stack.enter_async_context(Fetcher(fetching, budget=budget))
            cache = None
            if options.cache is not None and transforming is None:
                cache = stack.enter_context(
                    ResultCache.open(options.cache, options.wanted, options.cache_max_bytes)
                )
            yield cls(options, plan, fetcher, pool, cache, keeping, transforming)

    async def outcome(self, item: Item) -> Outcome:
        """Do all that is to be done for an item. Raises RunError only."""
        if item.error is not None:
            return self._failed(InvalidUrl(item.error))
        if item.path is not None:
            return await self._from_file(item, item.path)
        if self._options.dedupe:
            return await self._urls.get(_url_key(item.url), lambda: self._from_url(item))
        return await self._from_url(item)

    async def _from_url(self, item: Item) -> Outcome:
        url, cache = item.url, self._cache
        known, kept = self._known(url), None
        if known is not None and self._keeping is not None:
            kept = await self._keeping.still_has(known.result)
            known = known if kept else None  # what was dropped meanwhile is fetched again
        if known is not None and known.fresh:
            return _again(known.result, kept)
        try:
            download = await self._fetcher.fetch(url, headers=known.validators if known else {})
            if download.http_status == 304 and download.is_redirected_from(url):
                # Another resource than the one that was kept has confirmed its own validators.
                download.body.close()
                download = await self._fetcher.fetch(url)
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001  every failure of an item is data
            return self._failed(error)
        status, attempts = download.http_status, download.attempts
        with download.body as body:
            if cache is not None and known is not None and status == 304:
                cache.refresh(url, download.headers)
                return _again(known.result, kept)
            outcome = await self._from_body(item, body, status, attempts)
        if cache is not None and download.is_redirected_from(url):
            cache.forget(url)
        elif cache is not None and outcome.packed is not None:
            cache.store(url, Result(outcome.packed, status, attempts), download.headers)
        return outcome

    def _known(self, url: str) -> Known | None:
        """Return what is kept for a URL, unless the present limits would refuse it."""
        known = self._cache.find(url) if self._cache is not None else None
        if known is None:
            return None
        image = unpack(known.result.packed)
        try:
            check(Header(image.format, image.width, image.height, decode_bytes=0), self._limits)
        except TooManyPixels:
            return None
        return known if image.bytes <= self._options.max_bytes else None

    async def _from_file(self, item: Item, path: str) -> Outcome:
        try:
            body = await read_file(path, self._fetcher.new_writer())
        except ItemError as error:
            return self._failed(error)
        with body:
            return await self._from_body(item, body, None, 0)

    async def _from_body(
        self, item: Item, body: Body, status: int | None, attempts: int
    ) -> Outcome:
        try:
            analyzed = await self._analyze(item, body)
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001  every failure of an item is data
            return self._failed(error, status, attempts)
        return Outcome(analyzed.packed, None, status, attempts, analyzed.kept, analyzed.file)

    async def _analyze(self, item: Item, body: Body) -> Analyzed:
        if self._transforming is not None:
            return await self._transform(self._transforming, item, body)
        if not self._options.dedupe and self._keeping is None:
            return await self._in_pool(body, b"")
        if body.data is not None:
            digest = sha256_digest(body.data)
        else:
            digest = await asyncio.to_thread(sha256_digest, body.view())
        if not self._options.dedupe:
            return await self._in_pool(body, digest)
        answer = await self._images.get(digest, lambda: self._tried(body, digest))
        if isinstance(answer, ItemError):
            # A remembered one itself would keep the frames of everyone it is raised to.
            raise answer if answer.__traceback__ else copy.copy(answer)
        return answer

    async def _tried(self, body: Body, digest: bytes) -> Analyzed | ItemError:
        try:
            return await self._in_pool(body, digest)
        except ItemError as error:
            return error

    async def _in_pool(self, body: Body, digest: bytes) -> Analyzed:
        header = self._checked(body)
        task = Task(header, self._options.wanted)
        answer = await self._worked(body, task, header.decode_bytes)
        if isinstance(answer, bytes):
            return Analyzed(answer)
        if self._keeping is None:
            return Analyzed(answer.packed)
        return await self._keeping.keep(body, digest, answer)

    async def _transform(self, transforming: Transforming, item: Item, body: Body) -> Analyzed:
        """Unlike analyses these are not shared by equal images: each item has its own file."""
        task, need_bytes = transforming.task(self._checked(body), self._limits)
        return await transforming.put(item, await self._worked(body, task, need_bytes))

    def _checked(self, body: Body) -> Header:
        header = probe(body.view())
        check(header, self._limits)
        return header

    async def _worked(self, body: Body, task: Task | RenderTask, need_bytes: int) -> Any:
        payload: bytes | Body = body if body.data is None else body.data
        async with self._places:
            future = self._pool.submit(payload, task, need_bytes=need_bytes)
            with taken(future):
                return await self._landing.wait(future)

    def _failed(self, error: Exception, status: int | None = None, attempts: int = 0) -> Outcome:
        if not isinstance(error, ItemError):
            error = _as_item_error(error)
        trace = "".join(traceback.format_exception(error)) if self._options.tracebacks else None
        failure = Failure(error.code, error.message, trace)
        return Outcome(None, failure, status or error.http_status, attempts or error.attempts)


def _again(result: Result, kept: Kept | None) -> Outcome:
    return Outcome(result.packed, None, result.http_status, result.attempts, kept)


def _remembered(plan: MemoryPlan, wanted: Wanted) -> int:
    """Give how many answers to remember, of which each takes some hundred bytes and its colors."""
    return min(_MOST_REMEMBERED, plan.rows // _REMEMBERED_PART // (400 + packed_bytes(wanted)))


def _url_key(url: str) -> bytes:
    """Stand for a URL, which may be as long as a line, in 16 bytes."""
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _without_traceback(outcome: Outcome) -> Outcome:
    if outcome.failure is None or outcome.failure.traceback is None:
        return outcome
    return outcome._replace(failure=replace(outcome.failure, traceback=None))


def _bare(answer: Analyzed | ItemError) -> Analyzed | ItemError:
    """Copy an error without where it arose, which would hold all that was at hand there."""
    if isinstance(answer, Analyzed):
        return answer
    error = copy.copy(answer)
    error.__dict__.pop("__notes__", None)
    return error


def _as_item_error(error: Exception) -> ItemError:
    wrapped = InternalError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
