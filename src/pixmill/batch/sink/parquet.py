"""The Parquet table: parts of 65,536 rows (`part_rows`) beside the output, joined at the end.

A Parquet file has no durable prefix to cut back to, so the rows that do not fill a part yet stand
in a text file, its tail, in the form of the JSONL table. That makes any moment a commit, as for the
text tables; and a part is always made from the lines of its tail, so that a resumed run writes the
same bytes. In the folder `o.parquet.parts`:

    part-00000.parquet   a full part, written as a whole, then renamed into place
    tail-00001.jsonl     the rows of the part that is not full

Joining reads one part after the other into one row group each, so that memory is that of a part.
Needs pyarrow (the `parquet` extra); `sink` imports this module only where it is chosen.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.batch.durable import (
    AppendFile,
    check_target,
    fsync_directory,
    output_errors,
    remove,
    replace_durably,
    utf8,
)
from pixmill.batch.sink.partial import State, check_finished, committed_number, partial_path
from pixmill.batch.sink.rows import json_row
from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.record import Record

PART_ROWS = 65_536

# With more colors a row than this a part has fewer rows, so that it takes no more memory.
_FULL_PART_COLORS = 16

# A part also ends where its rows are so many bytes longer than ordinary ones of so many colors:
# long URLs and kept columns must not take memory without end.
_ROW_BYTES, _COLOR_BYTES = 512, 64
_SURPLUS_BYTES = 8 * 2**20

# Rows are turned into Arrow's compact form in pieces of about this many bytes, which spreads the
# work over the run and bounds the memory that they take as Python objects.
_PIECE_BYTES = 2**20


def part_rows(n: int) -> int:
    """Give the most rows of a part, and of a row group, of a table with `n` colors a row."""
    return PART_ROWS * _FULL_PART_COLORS // max(n, _FULL_PART_COLORS)


def table_schema() -> pa.Schema:
    """Give the columns of the table, which are documented for users and only ever added to."""
    color = pa.struct([("hex", pa.string()), ("count", pa.int64()), ("share", pa.float64())])
    columns: list[tuple[str, pa.DataType]] = [
        ("line", pa.int64()),
        ("url", pa.string()),
        ("status", pa.string()),
        ("code", pa.string()),
        ("http_status", pa.int32()),
        ("attempts", pa.int32()),
        ("message", pa.string()),
        ("colors", pa.list_(color)),
        ("pixels", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("md5", pa.string()),
        ("extra", pa.map_(pa.string(), pa.string())),
    ]
    return pa.schema(columns)


@contextlib.contextmanager
def table_writer(path: Path) -> Iterator[pq.ParquetWriter]:
    """Open the file `path` for tables; after the block it is complete and synced.

    Every table written is a row group of its own, zstd-compressed; equal tables give equal bytes.
    Raises OutputError.
    """
    with output_errors(path), path.open("wb") as file:
        writer = pq.ParquetWriter(file, table_schema(), compression="zstd")
        try:
            yield writer
            writer.close()
        except BaseException:
            # Else its destructor would try to end the file, which is closed or full by then.
            writer.is_open = False
            raise
        file.flush()
        os.fsync(file.fileno())


def _batch(lines: list[str]) -> pa.RecordBatch:
    rows = json.loads(utf8("[" + ",".join(lines) + "]"))
    for row in rows:
        row["extra"] = list(row["extra"].items())
    return pa.RecordBatch.from_pylist(rows, schema=table_schema())


def _write_group(writer: pq.ParquetWriter, table: pa.Table) -> None:
    """Write a row group of one chunk a column: chunks would show in the pages of the file."""
    chunked = table.columns[::-1]
    del table
    columns: list[pa.ChunkedArray[Any] | pa.Array[Any]] = []
    while chunked:  # one at a time, which holds only that one twice
        columns.append(chunked.pop().combine_chunks())
    writer.write_table(pa.Table.from_arrays(columns, schema=table_schema()))
    del columns
    pa.default_memory_pool().release_unused()


class _Part:
    """The rows of one part: durable in its tail, in memory as Arrow batches."""

    def __init__(self, tail: Path, committed: int | None, n: int) -> None:
        self._full = part_rows(n)
        self._ordinary_bytes = _ROW_BYTES + n * _COLOR_BYTES
        self._file = AppendFile(tail, committed)
        self._lines: list[str] = []
        self._batches: list[pa.RecordBatch] = []
        self._line_bytes = self._surplus_bytes = 0
        self.rows = 0
        if committed:
            try:
                self._replay(tail)
            except BaseException:
                self.close()
                raise

    def add(self, line: str) -> None:
        self._file.append(line)
        self._keep(line)

    @property
    def full(self) -> bool:
        return self.rows == self._full or self._surplus_bytes >= _SURPLUS_BYTES

    def sync(self) -> int:
        return self._file.sync()

    def close(self) -> None:
        self._file.close()

    def take_table(self) -> pa.Table:
        """Give all rows, which are kept here no more."""
        batches = [*self._batches, _batch(self._lines)]
        self._batches.clear()
        self._lines.clear()
        return pa.Table.from_batches(batches, table_schema())

    def _replay(self, tail: Path) -> None:
        try:
            with output_errors(tail), tail.open(encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    self._keep(line)
            _batch(self._lines)
        except (ValueError, TypeError, KeyError) as error:
            raise ResumeRefused(f"{tail} was changed since; --overwrite starts anew") from error

    def _keep(self, line: str) -> None:
        size = len(utf8(line))
        self._lines.append(line)
        self.rows += 1
        self._surplus_bytes += max(0, size - self._ordinary_bytes)
        self._line_bytes += size
        if self._line_bytes >= _PIECE_BYTES:
            self._batches.append(_batch(self._lines))
            self._lines.clear()
            self._line_bytes = 0


class ParquetSink:
    """The Parquet table as a sink: `pixmill.batch.sink.Sink` says what each verb promises."""

    def __init__(self, output: Path, n: int, state: State | None) -> None:
        self._output = output
        self._n = n
        self._partial = partial_path(output)
        self._folder = output.with_name(output.name + ".parts")
        self._part: _Part | None = None
        self._full_parts = 0
        # The checkpoint may still be that of the last commit, so tails go one commit late.
        self._oldest_tail = 0
        self._committed_part = 0
        check_target(output)
        if state is not None and state.get("finished"):
            check_finished(output, committed_number(state, "bytes"))
        elif state is not None:
            self._resume(committed_number(state, "parts"), committed_number(state, "bytes"))
        else:
            self._start()

    def write(self, record: Record) -> None:
        """Take the next record; the last of a part also writes the part."""
        part = self._open_part()
        part.add(json_row(record))
        if part.full:
            self._cut(part)

    def commit(self) -> State:
        """Sync the tail; the state is the number of whole parts and the tail's length."""
        length = self._open_part().sync()
        for number in range(self._oldest_tail, self._committed_part):
            remove(self._tail(number))
        self._oldest_tail, self._committed_part = self._committed_part, self._full_parts
        return {"parts": self._full_parts, "bytes": length}

    def finish(self) -> State:
        """Join the parts and the tail into the partial file."""
        last = self._open_part()
        with table_writer(self._partial) as writer:
            for number in range(self._full_parts):
                _write_group(writer, _read_part(self._path(number)))
            if last.rows:
                _write_group(writer, last.take_table())
        with output_errors(self._partial):
            fsync_directory(self._partial.parent)
            length = self._partial.stat().st_size
        last.close()
        self._part = None
        return {"bytes": length, "finished": True}

    def publish(self) -> None:
        """Rename the joined file to the output and remove the parts."""
        if self._part is not None:
            raise RuntimeError("a sink is finished before it is published")
        replace_durably(self._partial, self._output)
        self._remove_parts()

    def close(self) -> None:
        """Release the descriptor of the tail."""
        if self._part is not None:
            self._part.close()

    def _start(self) -> None:
        with output_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            fsync_directory(self._folder.parent)
        self._remove_files(keep=set())
        self._part = self._open_tail(None)

    def _resume(self, parts: int, tail_bytes: int) -> None:
        standing = {self._path(number) for number in range(parts)}
        missing = [path for path in standing if not path.is_file()]
        if missing:
            raise ResumeRefused(f"{min(missing)} is gone; --overwrite starts anew")
        self._remove_files(keep=standing | {self._tail(parts)})
        self._full_parts = self._oldest_tail = self._committed_part = parts
        self._part = self._open_tail(tail_bytes)

    def _cut(self, part: _Part) -> None:
        path = self._path(self._full_parts)
        temporary = path.with_suffix(".tmp")
        with table_writer(temporary) as writer:
            _write_group(writer, part.take_table())
        replace_durably(temporary, path)
        part.close()
        self._full_parts += 1
        self._part = self._open_tail(None)

    def _open_tail(self, committed: int | None) -> _Part:
        return _Part(self._tail(self._full_parts), committed, self._n)

    def _open_part(self) -> _Part:
        if self._part is None:
            raise RuntimeError("a finished sink takes no more records")
        return self._part

    def _path(self, number: int) -> Path:
        return self._folder / f"part-{number:05}.parquet"

    def _tail(self, number: int) -> Path:
        return self._folder / f"tail-{number:05}.jsonl"

    def _remove_files(self, keep: set[Path]) -> None:
        """Remove what a sink put into the folder, and nothing else that may stand there."""
        with output_errors(self._folder):
            for pattern in ("part-*.parquet", "part-*.tmp", "tail-*.jsonl"):
                for path in self._folder.glob(pattern):
                    if path not in keep:
                        path.unlink()

    def _remove_parts(self) -> None:
        if not self._folder.is_dir():
            return
        self._remove_files(keep=set())
        with output_errors(self._folder):
            if not any(self._folder.iterdir()):
                self._folder.rmdir()
                fsync_directory(self._folder.parent)


def _read_part(path: Path) -> pa.Table:
    try:
        with output_errors(path), pq.ParquetFile(path) as file:
            return file.read(use_threads=False)
    except pa.ArrowInvalid as error:
        raise ResumeRefused(f"{path} was changed since; --overwrite starts anew") from error
