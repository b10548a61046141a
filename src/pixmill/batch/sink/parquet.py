"""The Parquet table: parts of at most 65,536 rows beside the output, joined at the end.

A part has fewer rows where they are many colors each, and ends early where they are long: that is
in `parquet_part`.

A Parquet file has no durable prefix to cut back to, so the rows that do not fill a part yet stand
in a text file, its tail, in the form of the JSONL table. That makes any moment a commit, as for the
text tables; and a part is always made from the lines of its tail, so that a resumed run writes the
same bytes. In the folder `o.parquet.parts`:

    part-00000.parquet   a full part, written as a whole, then renamed into place
    tail-00001.jsonl     the rows of the part that is not full

Joining reads one part after the other into one row group each, so that memory is that of a part.
Owns that folder; the file's format is in `parquet_file`. Needs pyarrow (the `parquet` extra);
`table` imports this module only where it is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.batch.durable import (
    check_target,
    fsync_directory,
    output_errors,
    remove,
    replace_durably,
)
from pixmill.batch.sink.parquet_file import read_part, table_schema, table_writer, write_group
from pixmill.batch.sink.parquet_part import Part
from pixmill.batch.sink.partial import (
    State,
    check_finished,
    committed_number,
    partial_path,
    parts_folder,
)
from pixmill.batch.sink.rows import json_row
from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.batch.sink.rows import TableOptions
    from pixmill.record import Record


class ParquetSink:
    """The Parquet table as a sink: `pixmill.batch.sink.Sink` says what each verb promises."""

    def __init__(self, output: Path, options: TableOptions, state: State | None) -> None:
        self._output = output
        self._options = options
        self._schema = table_schema(options)
        self._partial = partial_path(output)
        self._folder = parts_folder(output)
        self._part: Part | None = None
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
        """Take the next record."""
        self.append(json_row(record, self._options))

    def append(self, row: str) -> None:
        """Take a row of the JSONL table; the last of a part also writes the part."""
        part = self._open_part()
        part.add(row)
        if part.group.full:
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
        with table_writer(self._partial, self._schema) as writer:
            for number in range(self._full_parts):
                write_group(writer, read_part(self._path(number), self._schema))
            if last.group.rows:
                write_group(writer, last.group.take_table())
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

    def _cut(self, part: Part) -> None:
        path = self._path(self._full_parts)
        temporary = path.with_suffix(".tmp")
        with table_writer(temporary, self._schema) as writer:
            write_group(writer, part.group.take_table())
        replace_durably(temporary, path)
        part.close()
        self._full_parts += 1
        self._part = self._open_tail(None)

    def _open_tail(self, committed: int | None) -> Part:
        return Part(self._tail(self._full_parts), committed, self._options)

    def _open_part(self) -> Part:
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
