"""A command's job, done by a cluster: the command cuts its list, and merges what workers made.

Its id follows from the list, the options and the output, so the same command, run again, is at the
same job: what was done of it while no command was there is done. The job is of no key.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from pixmill.batch.job import run_job
from pixmill.errors import JobStalled, OutputError, OutputLocked, ResumeRefused, UsageError
from pixmill.jobs.common_place import open_common_place
from pixmill.jobs.extra import broker_of, needing_celery
from pixmill.jobs.list_orders import COMMAND
from pixmill.jobs.patience import Sparingly
from pixmill.jobs.shard_files import check_item
from pixmill.jobs.sharding import Sharded, drop_shards
from pixmill.store import open_catalog
from pixmill.store.jobs import FINISHED, NewJob, Outcome
from pixmill.store.jobs import Progress as Told
from pixmill.telemetry.traces import span, traces_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.batch.checkpoint import Checkpoint
    from pixmill.batch.job import Job as Table
    from pixmill.batch.job import Report, Watcher, Write
    from pixmill.batch.progress import Progress
    from pixmill.settings import Settings
    from pixmill.store import BlobStore, Catalog
    from pixmill.store.jobs import Event, Job

_RENEWALS = 3
_CODE = "internal"


class _Hold:
    """The lease on a command's job, renewed until the end of the context."""

    def __init__(self, catalog: Catalog, job: Job, owner: str, lease_s: float) -> None:
        self.owner = owner
        self.progress: Progress | None = None
        self._before = job.progress
        self._jobs = catalog.jobs
        self._id = job.id
        self._lease_s = lease_s
        self._ended = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._renew, name="pixmill-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def told(self) -> Told:
        """Tell how far the job is."""
        if self.progress is None:
            return self._before
        failed = sum(self.progress.failed.values())
        return Told(self.progress.ok + failed, failed)

    def check(self) -> None:
        """Raise OutputError where the job is another's, or canceled."""
        if self._lost:
            raise OutputError(f"the job {self._id} was canceled, or another command has it")

    def _renew(self) -> None:
        while not self._ended.wait(self._lease_s / _RENEWALS):
            try:
                held = self._jobs.renew(self._id, self.owner, self._lease_s, self.told())
            except OutputError:  # the next time may be better, and who goes on will find out
                continue
            self._lost = self._lost or not held


class ClusterCarrier:
    """Carries the tables of a command by way of a cluster's workers.

    `told` is given what goes wrong on the way and may pass; `on_cut` is called when there are
    shards.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        blobs: BlobStore,
        told: Callable[[str, BaseException], None],
        on_cut: Callable[[], None],
    ) -> None:
        self._on_cut = on_cut
        self._settings = settings
        self._catalog = catalog
        self._blobs = blobs
        self._told = told

    def run(self, job: Table, watcher: Watcher) -> Report:
        """Run a job as `run_job` does; what the cluster had of it is gone once it is complete."""
        id_ = _job_id(job)  # once: the list may be another one at the end, or gone
        first = next(iter(job.source.items()), None)
        if first is not None:
            check_item(first)
        try:
            report = run_job(job, watcher, partial(self._carry, id_))
        except UsageError:  # no worker can do it, nor ever could
            self._end(id_)
            raise
        if report.complete and (not report.did_nothing or self._is_left(id_)):
            self._end(id_)
        return report

    def _is_left(self, id_: str) -> bool:
        """Tell whether a job was left behind by a command that was killed at its very end."""
        jobs = self._catalog.jobs
        found = jobs.find(id_)
        if found is None or found.state in FINISHED:
            return found is not None
        return jobs.claim_this(id_, secrets.token_hex(16), self._settings.job_lease) is not None

    def _carry(self, id_: str, job: Table, checkpoint: Checkpoint) -> Write:
        """Make ready: the job stands in the catalog, and is this command's."""
        owner = secrets.token_hex(16)
        if not checkpoint.line and job.overwrite:
            self._end(id_)
        kept, is_new = self._begun(id_, job, owner)

        def write(sink: Any, progress: Progress, watcher: Watcher) -> bool:
            hold = _Hold(self._catalog, kept, owner, self._settings.job_lease)
            most = self._settings.shard_lines
            sharded = Sharded(
                self._catalog,
                self._blobs,
                id_,
                hold,
                most=most,
                told=self._told,
                on_cut=self._on_cut,
            )
            event: Event = "release"
            outcome = Outcome()
            hold.progress = progress
            name = f"command {job.table.product}"
            with hold, span(name, id_, first=is_new, attempt=kept.attempts):
                try:
                    return sharded(job, checkpoint)(sink, progress, watcher)
                except JobStalled as error:
                    event, outcome = "stall", Outcome(code=_CODE, message=str(error))
                    raise
                finally:
                    self._leave(id_, owner, event, outcome, hold.told())

        return write

    def _leave(self, id_: str, owner: str, event: Event, outcome: Outcome, progress: Told) -> None:
        """Give the job up; where that can not be written down, its lease ends by itself."""
        try:
            self._catalog.jobs.end(id_, owner, event, outcome, progress)
        except OutputError as error:
            self._told("the job could not be given up", error)

    def _begun(self, id_: str, table: Table, owner: str) -> tuple[Job, bool]:
        """Find the command's job, or make it, and take it; tell whether it was made."""
        jobs = self._catalog.jobs
        found = jobs.find(id_)
        if found is not None and found.state in FINISHED:
            self._end(id_)  # it was canceled, or what came of it was taken away
        spec = {"product": table.table.product, "output": os.fspath(table.output.absolute())}
        _, is_new = jobs.add(NewJob(key_id=None, kind=COMMAND, spec=spec, total=0, id=id_))
        claimed = jobs.claim_this(id_, owner, self._settings.job_lease)
        if claimed is not None:
            return claimed, is_new
        found = jobs.find(id_)
        if found is not None and found.state == "stalled":
            raise JobStalled(found.outcome.message or f"the job {id_} is stalled")
        raise OutputLocked(
            f"another command is at the same job, {id_}, or was killed at it less than "
            f"{self._settings.job_lease:g} s ago"
        )

    def _end(self, id_: str) -> None:
        """Forget a job, and delete all that the cluster has of it."""
        drop_shards(self._catalog, self._blobs, id_)
        self._catalog.jobs.drop(id_)


@contextmanager
def open_cluster(
    settings: Settings, told: Callable[[str, BaseException], None]
) -> Iterator[ClusterCarrier]:
    """Open the cluster that the settings name, for a command, and tell its workers what waits.

    Raises RunError: UsageError where a worker could not find what the command names.
    """
    with needing_celery():
        from pixmill.jobs.cluster import Broker, make_app  # noqa: PLC0415  the extra
        from pixmill.jobs.relay import Relay  # noqa: PLC0415

    url = broker_of(settings)
    told = Sparingly(told)
    with ExitStack() as stack:
        stack.enter_context(traces_sent("pixmill-command", told))
        catalog = stack.enter_context(open_catalog(settings.catalog, settings.data))
        blobs = open_common_place(settings, catalog)
        broker = Broker(make_app(url))
        broker.declare()
        relay = Relay(catalog, broker, lease_s=settings.job_lease, told=told)
        relay.start()
        stack.callback(relay.stop)
        yield ClusterCarrier(settings, catalog, blobs, told, relay.wake)


def _job_id(job: Table) -> str:
    """Name the job of a table: the same for the same list, options and output."""
    identity = job.source.identity()
    if identity is None:
        raise ResumeRefused("a stream can not be given to a cluster: put it into a file")
    text = json.dumps([identity, job.bearing, str(job.output.absolute())], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
