"""Runs a list through the pipeline: an iterator of URLs in, an iterator of records out, in order.

Owns the event loop's thread, the bounds (images in the pipeline, rows that wait for their turn) and
the orderly end. What happens to one item is the pipeline's; files, checkpoints and resuming are the
job's.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any, Self, get_args

from pixmill.analysis import packed_bytes, unpack
from pixmill.analysis.rendering import make
from pixmill.batch.memory import plan_memory
from pixmill.batch.options import RunOptions
from pixmill.batch.reader import Reader, weight
from pixmill.batch.window import Window
from pixmill.errors import InternalError, UsageError
from pixmill.pool import Pool
from pixmill.record import Failure, Item, Record, Summarizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pixmill.batch.pipeline import Outcome, Pipeline

IDLE_S = 0.5
_MOST_COLORS = 256
_KEPT_BYTES = 500  # a digest and the names of two blobs
_PRELOAD = ("pixmill.batch.warm",)
_PRELOAD_RENDERING = ("pixmill.imaging.rendering",)
_PRELOAD_CLUSTERS = ("pixmill.analysis.warm",)


def run(urls: Iterable[str | Item], options: RunOptions | None = None) -> Iterator[Record]:
    """Analyse every URL and yield one record for each, in order; a failed one carries its failure.

    `urls` is drawn in another thread, a bounded way ahead. Memory is bounded whatever its length.
    Closing the iterator stops everything. Raises RunError where the run can not go on, and, after
    the records before it, what `urls` raises, or TypeError for an item that is no text.
    """
    with Run(urls, options or RunOptions()) as records:
        for pair in records:
            if pair is not None:
                yield pair[1]


def _as_items(urls: Iterable[str | Item]) -> Iterator[Item]:
    for line, url in enumerate(urls, start=1):
        if not isinstance(url, str | Item):
            raise TypeError(f"item {line} is {url!r:.60}, and neither a URL nor an Item")
        yield url if isinstance(url, Item) else Item(line=line, url=url)


def _refuse_unlike(options: RunOptions) -> None:
    """Refuse what would fail or mislead with every image."""
    wanted, matcher = options.wanted, options.matcher
    if not (0 <= wanted.n <= _MOST_COLORS and 1 <= wanted.k <= _MOST_COLORS):
        raise UsageError(f"0 to 256 colors and 1 to 256 clusters can be wanted, not {wanted}")
    if wanted.summarizer not in {None, *get_args(Summarizer)}:
        raise UsageError(
            f"the summarizer is one of {', '.join(get_args(Summarizer))}, "
            f"not {wanted.summarizer!r:.40}"
        )
    if matcher is not None and wanted.summarizer is None:
        raise UsageError("a matcher needs clusters: name a summarizer in `wanted`")
    told = getattr(matcher, "summarizer", wanted.summarizer)
    if matcher is not None and told != wanted.summarizer:
        raise UsageError(f"the matcher tells of {told}, and wanted is {wanted.summarizer}")


def _work(options: RunOptions) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Tell what worker processes do, and what they load before."""
    if options.gallery is not None:
        return make, _PRELOAD + _PRELOAD_RENDERING
    return options.analyze, _PRELOAD + (_PRELOAD_CLUSTERS if options.wanted.summarizer else ())


class Run:
    """A run under way: a context manager to iterate over.

    Gives pairs of item and record, and None
    whenever nothing was finished for a while, so that what is due by the clock can be done.

    `stop` may be called from a signal handler or another thread: iteration then ends at the next
    record.
    """

    def __init__(self, urls: Iterable[str | Item], options: RunOptions) -> None:
        _refuse_unlike(options)
        self._urls = urls
        self._options = options
        self._plan = (
            options.shared.plan
            if options.shared
            else plan_memory(options.memory_bytes, options.workers, options.reserved_bytes)
        )
        self._finished: queue.SimpleQueue[list[tuple[Item, Outcome]] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self.stopped = False
        self._all_begun = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="pixmill-loop", daemon=True)

    def __enter__(self) -> Self:
        # The pool first: its fork server imports the kernels while this process imports the HTTP
        # client.
        shared = self._options.shared
        self._pool: Pool[Any, Any] = shared.pool if shared else self._own_pool()
        self._thread.start()
        return self

    def _own_pool(self) -> Pool[Any, Any]:
        function, preload = _work(self._options)
        return Pool(
            function,
            workers=self._options.workers,
            item_timeout_s=self._options.decode_timeout_s,
            decode_budget_bytes=self._plan.decode,
            preload=preload,
        )

    def __exit__(self, *exception: object) -> None:
        self._started.wait()
        if self._loop is not None and self._main is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join()
        if self._options.shared is None:
            self._pool.close(cancel=True)

    def stop(self) -> None:
        """End the iteration early. Safe in a signal handler: SimpleQueue.put is reentrant."""
        self.stopped = True
        self._finished.put(None)

    @property
    def left(self) -> int | None:
        """How many items are not finished, once all have begun; None before. For any thread."""
        return self._window.unfinished if self._all_begun else None

    def __iter__(self) -> Iterator[tuple[Item, Record] | None]:
        while True:
            try:
                rows = self._finished.get(timeout=IDLE_S)
            except queue.Empty:
                yield None
                continue
            if rows is None:
                break
            for item, outcome in rows:
                if self.stopped:
                    return
                yield item, self._record(item, outcome)
            self._give_back(rows)
        if self._error is not None:
            raise self._error

    def _give_back(self, rows: list[tuple[Item, Outcome]]) -> None:
        n_bytes = sum(self._weight(item) for item, _ in rows)
        with contextlib.suppress(
            RuntimeError
        ):  # the loop has ended: nobody waits for room any more
            self._loop.call_soon_threadsafe(self._window.leave, len(rows), n_bytes)  # type: ignore[union-attr]

    def _weight(self, item: Item) -> int:
        named = self._options.keeper is not None or self._options.gallery is not None
        kept = _KEPT_BYTES if named else 0
        return weight(item) + 400 + packed_bytes(self._options.wanted) + kept

    def _record(self, item: Item, outcome: Outcome) -> Record:
        analysis, failure = None, outcome.failure
        if outcome.packed is not None:
            try:
                analysis = unpack(outcome.packed)
            except ValueError as error:  # a defect of ours, which costs this item only
                failure = Failure(InternalError.code, f"ValueError: {error}")
        matcher = self._options.matcher
        return Record(
            line=item.line,
            url=item.url,
            analysis=analysis,
            failure=failure,
            http_status=outcome.http_status,
            attempts=outcome.attempts,
            extra=item.extra,
            match=matcher(analysis.clusters or ()) if matcher and analysis else None,
            kept=outcome.kept,
            file=outcome.file,
        )

    def _serve(self) -> None:
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            pass  # `__exit__` asked for it
        except BaseException as error:  # noqa: BLE001  raised again where the records are taken
            self._error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
        finally:
            self._started.set()
            self._finished.put(None)

    async def _run(self) -> None:
        from pixmill.batch.pipeline import Pipeline  # noqa: PLC0415  imports the HTTP client, see __enter__

        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._window: Window[tuple[Item, Outcome]] = Window(
            self._finished.put, max_bytes=self._plan.rows
        )
        self._started.set()
        reader = Reader(_as_items(self._urls), self._loop)
        try:
            async with Pipeline.open(self._options, self._plan, self._pool) as pipeline:
                await self._feed(reader, pipeline)
        finally:
            reader.stop()

    async def _feed(self, reader: Reader, pipeline: Pipeline) -> None:
        room = asyncio.Semaphore(self._options.queue)
        unread: BaseException | None = None
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    item = await reader.next()
                except Exception as error:  # noqa: BLE001  what was read before it comes first
                    unread = error
                    break
                if item is None:
                    break
                number = await self._window.enter(self._weight(item))
                await room.acquire()
                tasks.create_task(self._process(pipeline, room, number, item))
            self._all_begun = True
        self._window.flush()
        if unread is not None:
            raise unread

    async def _process(
        self, pipeline: Pipeline, room: asyncio.Semaphore, number: int, item: Item
    ) -> None:
        try:
            self._window.finish(number, (item, await pipeline.outcome(item)))
        finally:
            room.release()
