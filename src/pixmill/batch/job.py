"""One list to one table, surviving anything: ties source, run, sink and checkpoint together.

Owns what happens at the start (begin, resume, refuse, or nothing left to do), when rows are
committed, and the end. Rows are made here, in a run of this process, or brought by another carrier.
The order that makes a kill harmless: rows durable, then the checkpoint that
speaks of them; the last rows, then a checkpoint `publishing`, then the renames, then a checkpoint
`finished`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from pixmill.batch.checkpoint import Checkpoint, difference
from pixmill.batch.durable import OutputLock
from pixmill.batch.progress import Progress
from pixmill.batch.runner import Run
from pixmill.batch.sink import StreamSink, check_output, open_table
from pixmill.batch.sink.partial import claimed_paths
from pixmill.errors import ResumeRefused
from pixmill.record import Item, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixmill.batch.options import RunOptions
    from pixmill.batch.sink import Sink, TableOptions
    from pixmill.batch.sink.table import TableSink
    from pixmill.batch.source import Source

Row = tuple[Item, Record]

COMMIT_EVERY_S = 1.0


class Stage(Protocol):
    """A step that rows go through, in order, on their way from a run to a table.

    Rows may wait in it for each other, but no longer than until None comes. What it has passed on
    is done, and stays done also where a kill keeps it from being written down and it comes again.
    """

    def through(self, rows: Iterable[Row | None], run: str) -> Iterator[Row | None]:
        """Pass rows on, changed or not; `run` names the run, also where it is resumed."""


class Stoppable(Protocol):
    """What is at work on rows."""

    def stop(self) -> None:
        """End early. Safe in a signal handler."""


class Watcher(Protocol):
    """Sees a run go by. `run` is given at its start, so that a signal handler can stop it."""

    def started(self, run: Stoppable, progress: Progress, resumed_line: int) -> None:
        """Take note that the run begins, after line `resumed_line`."""

    def seen(self, record: Record) -> None:
        """Take note of a record."""

    def tick(self) -> None:
        """Take note that time passes; called about once a second, records or not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An order: this source to this output.

    `bearing` are the options that bear on the output's bytes; a run resumes only under the same
    ones. `overwrite` starts anew, whatever stands there. Rows go through the `stage`, if any.
    """

    source: Source
    output: Path
    table: TableOptions
    run: RunOptions
    bearing: dict[str, Any]
    overwrite: bool = False
    stage: Stage | None = None


Write = Callable[["TableSink", Progress, Watcher], bool]
"""Writes rows from a checkpoint on, and keeps it up to date; False where it was stopped before."""
Carrier = Callable[[Job, Checkpoint], Write]
"""Makes ready to write a job's rows. Raises UsageError for options that make no sense."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a job ended.

    `complete`, or else stopped and ready to be resumed; rows of the whole output by outcome, and
    those of `ok` without a match; whether nothing was left to do; and the progress of this process.
    """

    complete: bool
    ok: int
    failed: dict[str, int]
    missed: int = 0
    did_nothing: bool = False
    progress: Progress | None = None


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of an output stands: `o.csv` has `o.csv.checkpoint`."""
    return output.with_name(output.name + ".checkpoint")


def is_finished(output: Path) -> bool:
    """Whether a run to this output came to its end. Raises ResumeRefused as `Checkpoint.load`."""
    checkpoint = Checkpoint.load(checkpoint_path(output))
    return checkpoint is not None and checkpoint.state == "finished"


def run_here(job: Job, checkpoint: Checkpoint) -> Write:
    """Carry out a job in this process."""
    rest = _Rest(job.source, checkpoint)
    run = Run(rest, job.run)

    def write(sink: TableSink, progress: Progress, watcher: Watcher) -> bool:
        _write_rows(job, checkpoint, sink, run=run, progress=progress, watcher=watcher)
        return rest.ended and not run.stopped

    return write


def run_job(job: Job, watcher: Watcher, carrier: Carrier = run_here) -> Report:
    """Run to the end, or resume and run to the end, or find that nothing is left to do.

    Raises RunError; whatever was committed before stays and is resumed from by the same call.
    """
    path = checkpoint_path(job.output)
    check_output(job.output)
    with OutputLock(job.output):
        begun = None if job.overwrite else resumable(job, Checkpoint.load(path))
        if begun is not None and begun.state == "finished":
            return _report(begun, did_nothing=True)
        checkpoint = begun or _begun(job)
        write = carrier(job, checkpoint)  # refuses bad options before a checkpoint holds on to them
        if begun is None:
            checkpoint.save(path)  # before the partial files are cut to nothing
        with closing(open_table(job.output, job.table, checkpoint.sink)) as sink:
            progress = _progress_at(job.source, checkpoint)
            if checkpoint.state == "running":
                if not write(sink, progress, watcher):
                    return _so_far(progress, complete=False)
                checkpoint.sink, checkpoint.state = sink.finish(), "publishing"
                checkpoint.save(path)
            publish(job, checkpoint, sink)
            return _report(checkpoint, progress=progress)


def _begun(job: Job) -> Checkpoint:
    """Begin, under a name that no other run has if there is a stage that asks for it."""
    name = secrets.token_hex(8) if job.stage else ""
    return Checkpoint(job.source.identity(), job.bearing, run=name)


def _report(
    checkpoint: Checkpoint, *, did_nothing: bool = False, progress: Progress | None = None
) -> Report:
    """Report a finished output."""
    return Report(
        complete=True,
        ok=checkpoint.ok,
        missed=checkpoint.missed,
        failed=checkpoint.failed,
        did_nothing=did_nothing,
        progress=progress,
    )


def _so_far(progress: Progress, *, complete: bool) -> Report:
    return Report(
        complete=complete,
        ok=progress.ok,
        missed=progress.missed,
        failed=dict(progress.failed),
        progress=progress,
    )


class _Rest:
    """The items that a checkpoint has not seen yet; `ended` once all were given."""

    def __init__(self, source: Source, checkpoint: Checkpoint) -> None:
        self.ended = False
        self._source = source
        self._after = (checkpoint.line, checkpoint.position) if checkpoint.line else None

    def __iter__(self) -> Iterator[Item]:
        yield from self._source.items(self._after)
        self.ended = True


def publish(job: Job, checkpoint: Checkpoint, sink: Sink) -> None:
    """Rename finished files into place and say so; called again, it ends alike."""
    sink.publish()
    checkpoint.state = "finished"
    checkpoint.save(checkpoint_path(job.output))


def resumable(job: Job, checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Return the checkpoint to go on from, None to begin; ResumeRefused where neither is right."""
    output = job.output
    if checkpoint is None:
        for path in claimed_paths(output):
            if path.exists():
                raise ResumeRefused(_unclaimed(path, output))
        return None
    if checkpoint.state == "finished" and not output.exists():
        return None  # its owner took it away: begin anew
    advice = "--overwrite starts anew"
    if not job.source.resumable:
        raise ResumeRefused(f"{output} was begun before, and a stream can not be resumed; {advice}")
    if checkpoint.source != job.source.identity():
        raise ResumeRefused(f"the input has changed since {output} was begun; {advice}")
    changed = difference(checkpoint.options, job.bearing)
    if changed is not None:
        raise ResumeRefused(f"{output} was begun with other options: {changed}; {advice}")
    return checkpoint


def _unclaimed(path: Path, output: Path) -> str:
    """Word the refusal of a file that stands in the way of an output without a checkpoint."""
    for ending in (".csv", ".jsonl", ".parquet"):
        owner = output.with_suffix(ending)
        if path in claimed_paths(owner) and checkpoint_path(owner).exists():
            return (
                f"{path} belongs to {owner}: outputs that differ in their endings alone share it; "
                "choose another name, or --overwrite replaces it"
            )
    return f"{path} exists and has no checkpoint beside it; --overwrite replaces it"


def _progress_at(source: Source, checkpoint: Checkpoint) -> Progress:
    progress = Progress(ok=checkpoint.ok, missed=checkpoint.missed)
    progress.failed.update(checkpoint.failed)
    if checkpoint.line:
        last = Item(line=checkpoint.line, url="", position=checkpoint.position)
        progress.first_share = source.progress(last) or 0.0
    return progress


def run_stream(job: Job, stream: BinaryIO, watcher: Watcher, *, json: bool = False) -> Report:
    """Write the table to a stream, as CSV or as JSON lines; nothing resumes. Raises RunError."""
    progress = Progress()
    with (
        closing(StreamSink(stream, job.table, json=json)) as sink,
        Run(job.source.items(), job.run) as run,
    ):
        watcher.started(run, progress, 0)
        rows = job.stage.through(run, secrets.token_hex(8)) if job.stage else run
        for _ in _written(job, rows, sink, progress, watcher):
            sink.commit()
        sink.finish()
        return _so_far(progress, complete=not run.stopped)


def _written(
    job: Job, rows: Iterable[Row | None], sink: Sink, progress: Progress, watcher: Watcher
) -> Iterator[Item]:
    """Write the records of a run; yield the last item written whenever a commit is due."""
    last: Item | None = None
    due = time.monotonic() + COMMIT_EVERY_S
    for pair in rows:
        if pair is not None:
            last, record = pair
            sink.write(record)
            progress.add(record)
            watcher.seen(record)
        if time.monotonic() >= due:
            due = time.monotonic() + COMMIT_EVERY_S
            if last is not None:
                progress.share = job.source.progress(last)
                yield last
            last = None
            watcher.tick()
    if last is not None:
        yield last


def _write_rows(  # noqa: PLR0913 - keyword-only, and all that takes part in a run
    job: Job, checkpoint: Checkpoint, sink: Sink, *, run: Run, progress: Progress, watcher: Watcher
) -> None:
    """Write all rows from the checkpoint on, or those until the run is stopped."""
    with run:
        watcher.started(run, progress, checkpoint.line)
        rows = job.stage.through(run, checkpoint.run) if job.stage else run
        for last in _written(job, rows, sink, progress, watcher):
            checkpoint.sink = sink.commit()
            checkpoint.line, checkpoint.position = last.line, last.position
            checkpoint.ok, checkpoint.missed = progress.ok, progress.missed
            checkpoint.failed = dict(progress.failed)
            checkpoint.save(checkpoint_path(job.output))
