"""The parts of shards, put together into the one table of a job, and its checkpoint with them."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING

from pixmill.batch.job import checkpoint_path
from pixmill.jobs.shard_files import lines_of, read_part
from pixmill.record import Failure, Item, Record
from pixmill.store.shards import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.batch.checkpoint import Checkpoint
    from pixmill.batch.job import Job as Table
    from pixmill.batch.job import Watcher
    from pixmill.batch.sink.table import TableSink
    from pixmill.store.blobs import BlobStore
    from pixmill.store.shards import Shard

_DONE_BEFORE_COMMIT_S = 1.0
_FIELD_CHARS = 2**31 - 1  # a URL of any length: the rows are our own workers'


class Merging:
    """Adds the parts of shards to a table, and keeps its checkpoint."""

    def __init__(
        self,
        blobs: BlobStore,
        job: Table,
        checkpoint: Checkpoint,
        sink: TableSink,
        watcher: Watcher,
    ) -> None:
        self._blobs = blobs
        self._job = job
        self._checkpoint = checkpoint
        self._sink = sink
        self._watcher = watcher
        self._by_lines = job.output.suffix.lower() == ".parquet"
        self.counts = Counts(checkpoint.ok, checkpoint.missed, checkpoint.failed)
        self._place = checkpoint.position
        self._due = time.monotonic() + _DONE_BEFORE_COMMIT_S
        self.line = checkpoint.line

    def share_of(self, line: int, place: tuple[int, int]) -> float:
        """Tell how much of the list lies before an item."""
        return self._job.source.progress(_item(line, place)) or 0.0

    def merge(self, shard: Shard) -> None:
        """Add the part of the next shard. Raises OutputError."""
        pieces = read_part(self._blobs, shard, "rows")
        for piece in lines_of(pieces) if self._by_lines else pieces:
            self._sink.table.append(piece)
        lines = lines_of(read_part(self._blobs, shard, "errors"))
        next(lines, None)  # the header, which the table's own file has
        for record in self._failures(lines):
            self._watcher.seen(record)
        self.counts += shard.counts
        self.line, self._place = shard.lines.last_line, shard.lines.place
        if time.monotonic() >= self._due:
            self.commit()

    def _failures(self, lines: Iterator[str]) -> Iterator[Record]:
        """Add the rows of failures, and tell of them."""

        def added() -> Iterator[str]:
            for line in lines:
                self._sink.errors.append(line)
                yield line

        csv.field_size_limit(_FIELD_CHARS)
        for line, url, code, status, attempts, message in csv.reader(added()):
            yield Record(
                line=int(line),
                url=url,
                analysis=None,
                failure=Failure(code, message),
                http_status=int(status) if status else None,
                attempts=int(attempts),
            )

    def commit(self) -> None:
        """Write down what was merged."""
        checkpoint = self._checkpoint
        if self.line != checkpoint.line:
            checkpoint.sink = self._sink.commit()
            checkpoint.line, checkpoint.position = self.line, self._place
            checkpoint.ok, checkpoint.missed = self.counts.ok, self.counts.missed
            checkpoint.failed = dict(self.counts.failed)
            checkpoint.save(checkpoint_path(self._job.output))
        self._due = time.monotonic() + _DONE_BEFORE_COMMIT_S


def _item(line: int, place: tuple[int, int]) -> Item:
    return Item(line=line, url="", position=place)
