"""Jobs over lists of URLs: the very pipeline of the commands `colors`, `match` and `ingest`.

Owns how a job drives a run in a thread of the service: over its pool, leaving when the job is to be
left, and going on from the checkpoint. What the options mean is `list_orders`', where files lie
`list_files`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.batch.checkpoint import Checkpoint
from pixmill.batch.job import Job as Table
from pixmill.batch.job import checkpoint_path, run_here, run_job
from pixmill.batch.options import RunOptions
from pixmill.batch.retry import retry_job
from pixmill.batch.source import open_source
from pixmill.color.palette import Palette
from pixmill.color.palette_files import read_palette
from pixmill.errors import NotKept, OutputError, OutputLocked, RunError
from pixmill.ingest.arrivals import Arrivals, Sender
from pixmill.ingest.keeper import ArchiveKeeper
from pixmill.jobs.executor import Interrupted
from pixmill.jobs.list_files import WorkFiles, clear, table_name
from pixmill.jobs.list_orders import MEDIA_TYPES, ListOptions
from pixmill.jobs.sharding import Sharded, drop_shards
from pixmill.matching import Matcher
from pixmill.store.jobs import Outcome, Progress, Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixmill.batch.job import Carrier, Report, Stoppable, Watcher
    from pixmill.batch.options import Shared
    from pixmill.batch.progress import Progress as Counts
    from pixmill.batch.source import Source
    from pixmill.jobs.executor import Hold
    from pixmill.record import Record
    from pixmill.settings import Settings
    from pixmill.store import Archive, BlobStore, Catalog
    from pixmill.store.jobs import Job

_BUILT_IN = "css"
_LOOK_EVERY = 10_000  # items


class ListRunner:
    """Runs list jobs of all kinds, any number at once, or has the workers of a cluster do it.

    The latter where the settings name a broker. `told` is given trouble that is waited out.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the parts of a service
        self,
        settings: Settings,
        catalog: Catalog,
        archive: Archive,
        blobs: BlobStore,
        shared: Shared,
        told: Callable[[str, BaseException], None],
    ) -> None:
        self._settings = settings
        self._told = told
        self._catalog = catalog
        self._archive = archive
        self._blobs = blobs
        self._shared = shared

    def run(self, job: Job, hold: Hold) -> Outcome:
        """Do a job, as `Runner` says."""
        try:
            return self._done(job, hold)
        except RunError as error:
            # The pool is closed or broken, or a process that has lost the job is not done leaving.
            if type(error) in {RunError, OutputLocked}:
                raise OutputError(str(error)) from error
            raise

    def _done(self, job: Job, hold: Hold) -> Outcome:
        files, options = WorkFiles(self._blobs, job), ListOptions.of(job)
        stage = files.stage()
        if stage != "done":
            self._carry_out(job, hold, files, retry=stage == "retry")
            files.enter("done")
        hold.check()
        if job.shards is not None or self._settings.broker is not None:
            drop_shards(self._catalog, self._blobs, job.id)
        # Told anew where the process died, or lost the job, between the table's end and the job's.
        hold.advance(_final(files.table))
        hold.check()
        size = files.hand_over()
        return Outcome(Result(table_name(job), size, MEDIA_TYPES[options.format]))

    def dropped(self, job: Job) -> None:
        """Delete what was made of a job that came to another end."""
        clear(self._blobs, job)
        drop_shards(self._catalog, self._blobs, job.id)

    def _carry_out(self, job: Job, hold: Hold, files: WorkFiles, *, retry: bool) -> None:
        keeper = ArchiveKeeper(self._archive, originals=self._settings.originals)
        try:
            self._work_through(self._table(job, files, keeper), hold, files, retry=retry)
        finally:
            keeper.drop_all()

    def _work_through(self, table: Table, hold: Hold, files: WorkFiles, *, retry: bool) -> None:
        hold.advance(hold.progress._replace(total=_counted(table.source, hold)))
        watcher = _Watcher(hold, before=_read(files.table) if retry else 0)
        carrier: Carrier = run_here
        if self._settings.broker is not None:
            most = self._settings.shard_lines
            carrier = Sharded(
                self._catalog, self._blobs, hold.job.id, hold, most=most, told=self._told
            )

        def run(table: Table, watcher: Watcher) -> Report:
            return run_job(table, watcher, carrier)

        report = retry_job(table, watcher, run) if retry else run(table, watcher)
        if not report.complete:
            raise Interrupted

    def _table(self, job: Job, files: WorkFiles, keeper: ArchiveKeeper) -> Table:
        options, kind = ListOptions.of(job), job.kind
        matcher = self._matcher(options, files) if kind == "match" else None
        spool = self._archive.blobs.spool
        is_ingest = kind == "ingest"
        return Table(
            source=open_source([files.list_path()], options.source()),
            output=files.table,
            table=options.table(kind),
            run=RunOptions.of(
                self._settings,
                wanted=options.wanted(kind, str(spool)),
                matcher=matcher,
                keeper=keeper if is_ingest else None,
                shared=self._shared,
            ),
            bearing={},  # a job's order never changes
            stage=Arrivals(keeper, Sender(job.spec.get("source"))) if is_ingest else None,
        )

    def _matcher(self, options: ListOptions, files: WorkFiles) -> Matcher:
        return Matcher(
            self._palette(options.palette, files),
            options.space,
            options.max_distance,
            options.summarizer,
        )

    def _palette(self, name: str, files: WorkFiles) -> Palette:
        """Read the palette as it stood when the job was first begun."""
        if name == _BUILT_IN:
            return Palette.css()
        found = self._catalog.palettes.get(name)
        document = files.kept("palette.json", found[0] if found else None)
        return read_palette(document, name, "json")


class _Watcher:
    """Tells a job of its run's progress, and the run of the job's end."""

    def __init__(self, hold: Hold, before: int) -> None:
        self._hold = hold
        self._before = before
        self._run: Stoppable | None = None
        self._counts: Counts | None = None

    def started(self, run: Stoppable, progress: Counts, resumed_line: int) -> None:  # noqa: ARG002
        self._run, self._counts = run, progress

    def seen(self, record: Record) -> None:
        """Do nothing: it is told of once a second."""

    def tick(self) -> None:
        if self._run is None or self._counts is None:
            return
        failed = sum(self._counts.failed.values())
        done = self._before + self._counts.ok + failed
        self._hold.advance(Progress(done, failed, self._hold.progress.total))
        try:
            self._hold.check()
        except Interrupted:
            self._run.stop()


def _counted(source: Source, hold: Hold) -> int:
    number = 0
    for number, _ in enumerate(source.items(), start=1):
        if number % _LOOK_EVERY == 0:
            hold.check()
    return number


def _read(table: Path) -> int:
    """Tell how many images of a finished table could be read."""
    checkpoint = Checkpoint.load(checkpoint_path(table))
    return checkpoint.ok if checkpoint else 0


def _final(table: Path) -> Progress:
    """Tell what stands in a finished table. Raises NotKept where that can not be known."""
    checkpoint = Checkpoint.load(checkpoint_path(table))
    if checkpoint is None:
        raise NotKept("the files of the job are not there any more; submit the list again")
    failed = sum(checkpoint.failed.values())
    return Progress(checkpoint.ok + failed, failed, checkpoint.ok + failed)
