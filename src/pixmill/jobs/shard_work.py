"""One shard done: its items through the pipeline of the commands, its part kept and committed.

Owns what becomes of an attempt that can not be brought to its end: handed back with its cause, and
at once where the job is over or the process ends.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixmill.batch.progress import Progress
from pixmill.batch.runner import Run
from pixmill.batch.sink import errors_path, open_table
from pixmill.errors import InternalError, OutputError, RunError
from pixmill.ingest.arrivals import Arrivals, Sender
from pixmill.ingest.keeper import ArchiveKeeper
from pixmill.jobs.patience import patient
from pixmill.jobs.shard_files import ATTEMPT, drop_part, put_part, read_document, read_items
from pixmill.jobs.shard_orders import ShardOrder, matcher_of
from pixmill.jobs.turns import TAILS, Turns, few_of
from pixmill.store.shards import Counts
from pixmill.telemetry.traces import is_shown, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.batch.job import Row
    from pixmill.batch.options import Shared
    from pixmill.fetch.gate import Permits
    from pixmill.jobs.worker_metrics import Outcome, WorkerMetrics
    from pixmill.record import Item
    from pixmill.settings import Settings
    from pixmill.store import Archive, BlobStore, Catalog
    from pixmill.store.shards import Ending, Shard, ShardId

_LOOK_EVERY_S = 1.0
_MOST_DOUBLINGS = 6  # of the delay: 64 s
_PAUSE_S = 2.0
_ENDS = "its worker was stopped"


class GivenUp(Exception):
    """The attempt is to be left; the message says why."""


class Site(NamedTuple):
    """What shards are done with: `archive` opens the archive, once it is asked for."""

    settings: Settings
    catalog: Catalog
    blobs: BlobStore
    archive: Callable[[], Archive]
    shared: Shared
    permits: Permits
    owner: str
    name: str


class ShardWork:
    """Does shards, any number at once, but for one that is to be alone.

    `told` is given what an operator should know: a sentence, and the error behind it.
    """

    def __init__(
        self, site: Site, told: Callable[[str, BaseException], None], metrics: WorkerMetrics
    ) -> None:
        self._site = site
        self._told = told
        self._metrics = metrics
        self._turns = Turns()
        self._threads = ThreadPoolExecutor(site.settings.shards + TAILS, "pixmill-shard")
        self._failures = 0  # since one was done
        self._held: set[str] = set()
        self._lost: frozenset[str] = frozenset()
        self._strays: set[str] = set()
        self._owed: deque[tuple[Shard, str, float, Ending]] = deque()
        self.stopping = False

    def do(self, id_: ShardId) -> None:
        """Do a shard, if it waits; return once it is done, or only the last of its lines are left.

        Raises OutputError where that can not even be asked.
        """
        freed = threading.Event()
        future = self._threads.submit(copy_context().run, self._do, id_, freed)
        future.add_done_callback(lambda _: freed.set())
        freed.wait()
        if future.done():
            future.result()
            self._rest()

    def close(self) -> None:
        """Begin no other, and wait for those at work."""
        self._threads.shutdown(cancel_futures=True)

    def _do(self, id_: ShardId, freed: threading.Event) -> None:
        shards = self._site.catalog.shards
        while not self.stopping:
            found = shards.find(id_)
            if found is None or found.state != "waiting":
                return  # a message that came twice, or of a job that is over
            with self._turns.taken(alone=found.alone):
                if self.stopping:
                    return
                shard = shards.claim(id_, self._site.owner, self._site.name)
                if shard is None:
                    return
                if shard.alone == found.alone:
                    self._attempt(shard, freed)
                    return
                shards.hand_back(shard, "it is to be done alone")

    def look(self) -> None:
        """Find out which attempts were given up by others, and mend what could not be written down.

        Called again and again. Raises OutputError.
        """
        shards = self._site.catalog.shards
        while self._owed:
            shard, cause, delay_s, how = self._owed[0]
            shards.hand_back(shard, cause, delay_s=delay_s, how=how)
            self._owed.popleft()
        mine = frozenset(self._held)  # before: what is begun meanwhile is not lost
        held = {str(shard.attempt): shard for shard in shards.held(self._site.owner)}
        self._lost = mine - held.keys()
        # Begun by a call that failed all the same, as where the connection broke at its very end.
        strays = held.keys() - mine - self._held
        for attempt in strays & self._strays:
            shards.hand_back(held[attempt], "its worker never came to know that it had begun")
        self._strays = strays

    def _rest(self) -> None:
        """Take nothing for a while, where shards fail here: others may do better."""
        delay_s = 2.0 ** min(self._failures, _MOST_DOUBLINGS) if self._failures else 0.0
        until = time.monotonic() + delay_s
        while self._failures and not self.stopping and time.monotonic() < until:
            time.sleep(min(0.2, delay_s))

    def _attempt(self, shard: Shard, freed: threading.Event) -> None:
        lines, attempts = shard.lines, shard.attempts
        number = shard.id.number
        with span(
            "shard", shard.id.job_id, kind="consumer", shard=number, attempt=attempts,
            first_line=lines.first_line, last_line=lines.last_line, items=lines.items,
            worker=self._site.name,
        ) as told:  # fmt: skip
            outcome, counts = self._attempted(shard, freed)
            told.add(outcome=outcome)
            if counts is not None:
                failed = sum(counts.failed.values())
                told.add(ok=counts.ok, missed=counts.missed, failed=failed)
            if outcome == "defect":
                told.fail(InternalError.code)
            if outcome == "done" and not is_shown(number):
                told.drop()

    def _attempted(self, shard: Shard, freed: threading.Event) -> tuple[Outcome, Counts | None]:
        """Make an attempt; tell what became of it, and of its items if it came to its end."""
        attempt, began = str(shard.attempt), time.monotonic()
        what = f"shard {shard.id.number} of job {shard.id.job_id}"
        outcome: Outcome = "handed_back"
        counts: Counts | None = None
        self._held.add(attempt)
        self._metrics.shard_begins()
        try:
            counts = self._carry_out(shard, freed)
            outcome = "late" if counts is None else "done"
            self._failures = 0
        except GivenUp as why:
            self._hand_back(shard, str(why))
        except RunError as error:
            self._told(f"{what} was handed back", error)
            self._failures += 1
            delay_s = 2.0 ** min(shard.attempts, _MOST_DOUBLINGS)
            self._hand_back(shard, str(error), delay_s=delay_s, how="failed")
        except Exception as error:  # noqa: BLE001  whatever it is, it may end no worker
            outcome = "defect"
            self._told(f"{what} met a defect", error)
            cause = f"a defect of pixmill: {type(error).__name__}: {error}"
            self._hand_back(shard, cause, delay_s=_PAUSE_S, how="died")
        finally:
            self._held.discard(attempt)
            self._metrics.shard_ends(outcome, time.monotonic() - began, counts)
        return outcome, counts

    def _hand_back(
        self, shard: Shard, cause: str, *, delay_s: float = 0.0, how: Ending = "left"
    ) -> None:
        """Give an attempt up, later on if it can not be written down now."""
        try:
            self._site.catalog.shards.hand_back(shard, cause, delay_s=delay_s, how=how)
        except OutputError as error:
            self._told("what became of a shard can not be written down yet", error)
            self._owed.append((shard, cause, delay_s, how))

    def _carry_out(self, shard: Shard, freed: threading.Event) -> Counts | None:
        """Do a shard, and tell what became of its items; None where another had done it."""
        spool = self._site.blobs.spool
        # What is made by then is worth waiting for.
        blobs = patient(self._site.blobs, lambda: self._check(shard), self._told)
        shards = patient(self._site.catalog.shards, lambda: self._check(shard), self._told)
        with _folder(spool) as folder:
            order = ShardOrder.read(read_document(blobs, shard.id.job_id, "order"))
            table = folder / f"part.{order.rows}"
            counts = self._made(shard, order, table, freed)
            self._check(shard)
            # What is put and not committed, as where this process dies, goes with the job's files.
            put_part(blobs, shard, table, errors_path(table))
            if shards.commit(shard, counts):
                return counts
            drop_part(blobs, shard)
            return None

    def _made(self, shard: Shard, order: ShardOrder, table: Path, freed: threading.Event) -> Counts:
        """Make the part of a shard, as files; give its place up when few of its lines are left."""
        items = read_items(self._site.blobs, shard.id)
        if (len(items), items[0].line, items[-1].line) != shard.lines[:3]:
            raise OutputError(f"the items of shard {shard.id.number} are not those of its lines")
        progress = Progress()
        with closing(open_table(table, order.table_options(), None)) as sink:
            with self._rows(shard.id.job_id, items, order) as (run, rows):
                due = time.monotonic() + _LOOK_EVERY_S
                few = few_of(len(items))
                for row in rows:
                    if not shard.alone and run.left is not None and run.left <= few:
                        freed.set()
                    if row is not None:
                        sink.write(row[1])
                        progress.add(row[1])
                    if row is None or time.monotonic() >= due:
                        self._check(shard)
                        due = time.monotonic() + _LOOK_EVERY_S
            sink.finish()
            sink.publish()
        return Counts(progress.ok, progress.missed, dict(progress.failed))

    @contextmanager
    def _rows(
        self, job_id: str, items: list[Item], order: ShardOrder
    ) -> Iterator[tuple[Run, Iterator[Row | None]]]:
        """Begin the run of a shard's items, and give its rows."""
        site = self._site
        if order.ingest is None:
            matcher = None
            if order.match is not None:
                matcher = matcher_of(order, read_document(site.blobs, job_id, "palette"))
            options = order.options(
                site.settings,
                wanted=order.wanted_of(""),
                matcher=matcher,
                shared=site.shared,
                permits=site.permits,
            )
            with Run(items, options) as run:
                yield run, iter(run)
            return
        archive = site.archive()
        keeper = ArchiveKeeper(archive, originals=order.ingest["originals"])
        wanted = order.wanted_of(str(archive.blobs.spool))
        options = order.options(
            site.settings,
            wanted=wanted,
            keeper=keeper,
            shared=site.shared,
            permits=site.permits,
        )
        stage = Arrivals(keeper, Sender(order.ingest["sender"]))
        try:
            with Run(items, options) as run:
                yield run, stage.through(run, order.run)
        finally:
            keeper.drop_all()

    def _check(self, shard: Shard) -> None:
        if self.stopping:
            raise GivenUp(_ENDS)
        if shard.attempt in self._lost:
            raise GivenUp("its job is over, or another worker has it")


@contextmanager
def _folder(spool: Path) -> Iterator[Path]:
    """Give a folder for as long as the context lasts."""
    try:
        path = Path(tempfile.mkdtemp(prefix=ATTEMPT, dir=spool))
    except OSError as error:
        raise OutputError(f"{spool} can not be used: {error.strerror or error}") from error
    try:
        yield path
    except OSError as error:
        raise OutputError(f"what a shard is done with can not be used: {error}") from error
    finally:
        shutil.rmtree(path, ignore_errors=True)
