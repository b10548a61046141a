"""A job that workers share, without a network: a list, a worker that makes its rows, a watcher."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING
from zlib import crc32

from pixmill.batch import RunOptions
from pixmill.batch.job import Job, checkpoint_path, run_job
from pixmill.batch.progress import Progress
from pixmill.batch.sink import TableOptions, errors_path, open_table
from pixmill.batch.source import SourceOptions, open_source
from pixmill.jobs.shard_files import drop_part, put_part, read_document, read_items
from pixmill.jobs.shard_orders import ShardOrder
from pixmill.jobs.sharding import Sharded
from pixmill.store.jobs import NewJob
from pixmill.store.shards import Counts
from tests.unit.sink_records import failed, succeeded

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.record import Item, Record

OWNER = "planner"
MOST = 4
ROWS = 24
FAILED = 7  # of these
SHARDS = 8  # of that, where the first two have 2 items, the next three 3, and others 4
GROWTH = ((2, 2), (5, 3))


def record_of(item: Item) -> Record:
    """What becomes of an item, whoever is at it: of some URLs it fails."""
    make = failed if crc32(item.url.encode()) % 3 == 0 else succeeded
    return replace(make(item.line, item.url, extra=item.extra))


def csv_list(folder: Path, rows: int = ROWS) -> Path:
    """A list with URLs that need quoting, some of which reach over lines, and a column to keep."""
    path = folder / "urls.csv"
    ends = ["", ',"b', "\nc\r\nd", "é\u2028", "\n\n"]
    urls = (f"http://a/{row}{ends[row % 5]}".replace('"', '""') for row in range(rows))
    body = "".join(f'"{url}","id {row}, ö"\r\n' for row, url in enumerate(urls))
    path.write_bytes(("url,id\n" + body).encode())
    return path


def job_of(path: Path, output: Path, **changes: object) -> Job:
    """An order of the list: with the column to keep if it is a CSV."""
    keep = ("id",) if path.suffix == ".csv" else ()
    order = {
        "source": open_source([path], SourceOptions(keep_columns=keep)),
        "output": output,
        "table": TableOptions(n=2, counts=True, header=True, keep_columns=keep),
        "run": RunOptions(),
        "bearing": {"n": 2},
        **changes,
    }
    return Job(**order)  # type: ignore[arg-type]


class Watcher:
    """Takes note of all, and does what it is told to do whenever time passes."""

    def __init__(self, tick=lambda watcher: None) -> None:
        self.records: list[Record] = []
        self.run = self.progress = self.resumed_line = None
        self._tick = tick

    def started(self, run, progress, resumed_line) -> None:
        self.run, self.progress, self.resumed_line = run, progress, resumed_line

    def seen(self, record) -> None:
        self.records.append(record)

    def tick(self) -> None:
        self._tick(self)


class Holder:
    """Has the job, and calls something at the check with a number."""

    owner = OWNER

    def __init__(self, call=lambda: None, at: int | None = None) -> None:
        self.checks = 0
        self._call, self._at = call, at

    def check(self) -> None:
        self.checks += 1
        if self.checks - 1 == self._at:
            self._call()


class Cluster:
    """A job in a catalog, and a worker that does its shards when it is called."""

    def __init__(self, catalog, blobs, folder: Path) -> None:
        self.catalog, self.blobs, self._folder = catalog, blobs, folder
        job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
        assert catalog.jobs.claim_this(job.id, OWNER, 3600.0)
        self.id = job.id
        self.poisoned: set[int] = set()

    def carrier(self, holder=None) -> Sharded:
        return Sharded(
            self.catalog, self.blobs, self.id, holder or Holder(), most=MOST, told=lambda *_: None
        )

    def run(self, job: Job, watcher=None, holder=None):
        watcher = watcher or Watcher(lambda _: self.work())
        return run_job(job, watcher, self.carrier(holder))

    def work(self, most: int = 1000) -> int:
        """Do so many shards at most, of those that wait."""
        ids: list = []
        self.catalog.shards.publish(most, ids.extend)
        for id_ in ids:
            shard = self.catalog.shards.claim(id_, "w", "worker")
            if shard is not None and id_.number in self.poisoned:
                self.catalog.shards.hand_back(shard, f"it died of {id_.number}", how="died")
            elif shard is not None:
                self.do(shard)
        return len(ids)

    def do(self, shard) -> None:
        """Make the part of a shard that was begun, and commit it."""
        order = ShardOrder.read(read_document(self.blobs, self.id, "order"))
        table = self._folder / f"part-{shard.attempt}.{order.rows}"
        progress = Progress()
        with closing(open_table(table, order.table_options(), None)) as sink:
            for item in read_items(self.blobs, shard.id):
                record = record_of(item)
                sink.write(record)
                progress.add(record)
            sink.finish()
            sink.publish()
        put_part(self.blobs, shard, table, errors_path(table))
        counts = Counts(progress.ok, progress.missed, dict(progress.failed))
        if not self.catalog.shards.commit(shard, counts):  # it is not known any more
            drop_part(self.blobs, shard)


def here(job: Job, checkpoint):
    """Carry a job out in this process, as `run_here` does, with the same rows."""

    def write(sink, progress, watcher) -> bool:
        stopped = Event()
        watcher.started(SimpleNamespace(stop=stopped.set), progress, checkpoint.line)
        after = (checkpoint.line, checkpoint.position) if checkpoint.line else None
        for item in job.source.items(after):
            if stopped.is_set():
                break
            record = record_of(item)
            sink.write(record)
            progress.add(record)
            watcher.seen(record)
            checkpoint.line, checkpoint.position = item.line, item.position
        checkpoint.ok, checkpoint.failed = progress.ok, dict(progress.failed)
        checkpoint.sink = sink.commit()
        checkpoint.save(checkpoint_path(job.output))
        return not stopped.is_set()

    return write


def files(output: Path) -> tuple[bytes, bytes]:
    """The table and its errors, as they are published."""
    return output.read_bytes(), errors_path(output).read_bytes()
