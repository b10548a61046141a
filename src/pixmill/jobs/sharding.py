"""A job whose rows other processes make: cut into shards, waited for, and merged as they are done.

Owns the way from shards to the one table, in order, as `batch.job` carries it out: what was merged
stands in its checkpoint, and goes on from there. Rows are the bytes that workers made; no part is
held in memory.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from pixmill.color.palette_files import write_palette
from pixmill.errors import JobStalled, OutputError
from pixmill.jobs.merging import Merging
from pixmill.jobs.patience import Sparingly, patient
from pixmill.jobs.planning import Cut, Planner
from pixmill.jobs.shard_files import drop_files, find_document, is_lost, put_document
from pixmill.jobs.shard_orders import ShardOrder
from pixmill.matching import Matcher
from pixmill.telemetry.traces import span

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.batch.checkpoint import Checkpoint
    from pixmill.batch.job import Job as Table
    from pixmill.batch.job import Watcher, Write
    from pixmill.batch.progress import Progress
    from pixmill.batch.sink.table import TableSink
    from pixmill.batch.source import Place, Source
    from pixmill.store.blobs import BlobStore
    from pixmill.store.catalog import Catalog
    from pixmill.store.shards import Counts, Shard, Standing

_LOOK_EVERY_S = 0.25
# Numbers that take long to tell are followed by a rest of so many times that, but of no more
# seconds than so many: they may have waited for a catalog that was away.
_REST, _LONGEST_REST_S = 10, 5.0
_LONELY_S = 5.0  # without a worker, until that is told
_MERGED_TOGETHER = 50
_MOST_NAMED = 5


class Holder(Protocol):
    """Whoever has the job: it is cut and merged for as long as it is his."""

    @property
    def owner(self) -> str:
        """By what he is known to the catalog."""

    def check(self) -> None:
        """Raise whatever tells that the job is to be left."""


class _Stopped(Exception):
    """`stop` was called."""


class Sharded:
    """Carries the job with an id to its table by way of workers, as `batch.job.Carrier`.

    `most` is the number of lines that a shard has at most; `told` is given trouble that is waited
    out; `on_cut` is called when there are shards for workers. Raises JobStalled once all is done
    but shards that are dead.
    """

    def __init__(  # noqa: PLR0913  where it is, whose it is, and how it goes
        self,
        catalog: Catalog,
        blobs: BlobStore,
        job_id: str,
        holder: Holder,
        *,
        most: int,
        told: Callable[[str, BaseException], None],
        on_cut: Callable[[], None] = lambda: None,
    ) -> None:
        self._told = Sparingly(told)
        self._on_cut = on_cut
        self._shards = patient(catalog.shards, self._check, self._told)
        self._workers = patient(catalog.workers, self._check, self._told)
        self._worker_seen_at = time.monotonic()  # when a worker was, or it was begun
        self._blobs = patient(blobs, self._check, self._told)
        self._job_id = job_id
        self._holder = holder
        self._most = most
        self._wake = threading.Event()
        self._stopped = False
        self._asked_s = 0.0  # of the last look, for its numbers
        self._done: int | None = None  # items, at the last look

    def __call__(self, job: Table, checkpoint: Checkpoint) -> Write:
        """Make ready: workers are given the order, and the palette of matches."""
        after = (checkpoint.line, checkpoint.position) if checkpoint.line else None
        if not self._goes_on(job.source, after):
            self._shards.drop(self._job_id)
            drop_files(self._blobs, self._job_id)
        if isinstance(job.run.matcher, Matcher):
            palette = write_palette(job.run.matcher.palette, "json")
            put_document(self._blobs, self._job_id, "palette", palette)
        order = ShardOrder.of(job, self._run_name(checkpoint)).written()
        put_document(self._blobs, self._job_id, "order", order)

        def write(sink: TableSink, progress: Progress, watcher: Watcher) -> bool:
            merging = Merging(self._blobs, job, checkpoint, sink, watcher)
            watcher.started(self, progress, checkpoint.line)
            cut = Cut(self._job_id, self._holder.owner, self._most, self._on_cut)
            planner = Planner(self._shards, self._blobs, job.source, cut, after)
            merged = span("merge", self._job_id, from_line=checkpoint.line)
            with merged as told, suppress(_Stopped), planner:
                while True:
                    self._check()
                    planner.check()
                    if self._advance(merging, planner, progress):
                        told.add(last_line=merging.line)
                        return True
                    self._look_for_workers()
                    watcher.tick()
                    self._wake.wait(_rest_after(self._asked_s))
            return False

        return write

    def _run_name(self, checkpoint: Checkpoint) -> str:
        """Name the run: as shards that may be half done know it, wherever the checkpoint was."""
        kept = find_document(self._blobs, self._job_id, "order")
        return checkpoint.run if kept is None else ShardOrder.read(kept).run

    def _goes_on(self, source: Source, after: Place | None) -> bool:
        """Tell whether the next shard begins behind the table's last line.

        It does not where others went on with the table, or it was taken away.
        """
        last = self._shards.planned(self._job_id).last
        line = after[0] if after else 0
        if last is None or last.last_line == line:
            return True
        shards = self._shards.following(self._job_id, line, 1)
        item = next(iter(source.items(after)), None)
        if not shards or item is None:
            return False
        return shards[0].lines.first_line == item.line

    def stop(self) -> None:
        """End early."""
        self._stopped = True
        self._wake.set()

    def _check(self) -> None:
        self._holder.check()
        if self._stopped:
            raise _Stopped

    def _advance(self, merging: Merging, planner: Planner, progress: Progress) -> bool:
        """Merge what is done by now, and tell whether that was all."""
        was_over = planner.over
        began = time.monotonic()
        plan = self._shards.planned(self._job_id)  # before the shards: what is cut later is no end
        standing = self._shards.standing(self._job_id, merging.line)
        self._asked_s = time.monotonic() - began
        self._tell(progress, merging.counts + standing.counts)
        if was_over and not plan.complete:
            self._holder.check()
            planner.begin()
            return False
        if plan.last is not None:
            done = standing.states.get("done", 0) / plan.shards
            cut = 1.0 if plan.complete else merging.share_of(plan.last.last_line, plan.last.place)
            progress.share = done * cut
        while True:
            some = self._shards.following(self._job_id, merging.line, _MERGED_TOGETHER)
            for shard in some:
                if shard.state != "done":
                    merging.commit()
                    self._tell_cause(shard)
                    return self._is_over(plan.complete, standing)
                self._check()
                if is_lost(self._blobs, shard):
                    merging.commit()
                    self._shards.redo(shard)
                    return False
                merging.merge(shard)
            if len(some) < _MERGED_TOGETHER:
                break
        merging.commit()
        # By what was merged, since a stop may have come at any moment.
        return plan.complete and (plan.last is None or merging.line == plan.last.last_line)

    def _tell(self, progress: Progress, counts: Counts) -> None:
        """Let a progress tell of what is done, merged or not; of `images`, since the first look."""
        progress.ok, progress.missed = counts.ok, counts.missed
        progress.failed = Counter(counts.failed)
        done = counts.ok + sum(counts.failed.values())
        if self._done is not None:
            progress.images += max(0, done - self._done)
        self._done = done

    def _look_for_workers(self) -> None:
        """Say so while there are none, which may be what all wait for."""
        now = time.monotonic()
        if now - self._worker_seen_at < _LONELY_S:
            return
        if self._workers.alive():
            self._worker_seen_at = now
        else:
            how = "`pixmill worker` starts one, over the same broker, catalog and blobs"
            self._told("no worker is there", OutputError(how))

    def _tell_cause(self, shard: Shard) -> None:
        """Tell, while all wait for a shard that is tried again, what went wrong with it."""
        if shard.state == "waiting" and shard.failed_attempts:
            last = shard.failed_attempts[-1]
            cause = f"shard {shard.id.number}, at {last.worker}: {last.cause}"
            self._told("a shard is done again", OutputError(cause))

    def _is_over(self, complete: bool, standing: Standing) -> bool:  # noqa: FBT001  of the plan
        """Tell that all is not done; raise JobStalled where it can not be."""
        states = standing.states
        if complete and states.get("dead") and not (states.get("waiting") or states.get("running")):
            raise JobStalled(self._sentence(states["dead"]))
        return False

    def _sentence(self, number: int) -> str:
        named = [
            f"shard {shard.id.number} (lines {shard.lines.first_line:,} to "
            f"{shard.lines.last_line:,}): {shard.failed_attempts[-1].cause}"
            for shard in self._shards.dead(_MOST_NAMED, self._job_id)
        ]
        more = f"; and {number - len(named)} more" if number > len(named) else ""
        return (
            f"all is done but {'; '.join(named)}{more}. Once the cause is gone: "
            f"pixmill jobs redrive {self._job_id}"
        )


def _rest_after(taken_s: float) -> float:
    return min(max(_LOOK_EVERY_S, _REST * taken_s), _LONGEST_REST_S)


def drop_shards(catalog: Catalog, blobs: BlobStore, job_id: str) -> None:
    """Forget a job's shards, and delete all that they were and became. Raises OutputError."""
    catalog.shards.drop(job_id)
    drop_files(blobs, job_id)
