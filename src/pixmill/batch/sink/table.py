"""Where the records of a run go: a table (CSV, JSONL, Parquet) and its errors file.

Owns the life of the files: rows are added to partial files beside the output (`o.csv.part`), a
commit makes them durable, a resumed run cuts back to the last commit, and publishing renames. What
a row looks like is in `rows`, Parquet in `parquet`, standard output in `stream`, system calls in
`durable`. When to commit and where the states are kept is the runner's matter. One thread uses a
sink, under the `OutputLock` of its output.

How a run uses a sink, so that a kill costs no more than what came after the last commit:

    sink = open_table(output, options, state)   # the checkpoint's state, None to start anew
    sink.write(record) ...                      # in input order
    state = sink.commit()                       # at any moment, whatever the format; the state must
                                                # be in the checkpoint before the next commit
    state = sink.finish()                       # after the last record; into the checkpoint too
    sink.publish()
    sink.close()                                # in any case

A state that `finish` gave opens a sink that takes no more records and can only be published, again
if need be: a kill between the renames of table and errors file is mended by doing just that.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Protocol

from pixmill.batch.durable import AppendFile, check_target, replace_durably
from pixmill.batch.sink.partial import (
    State,
    check_finished,
    committed_number,
    errors_path,
    partial_path,
    state_of,
)
from pixmill.batch.sink.rows import (
    ERRORS_HEADER,
    TableOptions,
    csv_header,
    csv_row,
    errors_row,
    json_row,
)
from pixmill.batch.sink.stream import StreamSink
from pixmill.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pixmill.record import Record

__all__ = [
    "OUTPUT_ENDINGS",
    "RowsSink",
    "Sink",
    "State",
    "StreamSink",
    "TableOptions",
    "TableSink",
    "check_output",
    "errors_path",
    "open_errors",
    "open_sink",
    "open_table",
]

OUTPUT_ENDINGS = (".csv", ".jsonl", ".parquet")


class Sink(Protocol):
    """Takes the records of one run.

    Whatever writes raises OutputError where the disk does not take it; after that the sink can only
    be closed, and what was committed stands.
    """

    def write(self, record: Record) -> None:
        """Take the next record, in input order."""

    def commit(self) -> State:
        """Make every record so far durable.

        Gives what a later `open_table` needs to go on from here, fit for JSON. The state of the
        commit before must stand in a checkpoint by now.
        """

    def finish(self) -> State:
        """Complete the partial files and make them durable; gives a state as `commit` does."""

    def publish(self) -> None:
        """Put the finished partial files in the place of the output. May be called again."""

    def close(self) -> None:
        """Release the descriptors without committing. Never raises; may be called again."""


class RowSink(Sink, Protocol):
    """A sink of one table, which also takes rows that others made."""

    def append(self, row: str) -> None:
        """Take the row that another sink made of the next record: for Parquet that of JSONL."""


class RowsSink:
    """A text table as a sink: what `render` makes of each record, below `header`.

    `render` gives whole rows, or nothing for a record that is left out.
    """

    def __init__(
        self, output: Path, render: Callable[[Record], str], header: str, state: State | None
    ) -> None:
        self._output = output
        self._render = render
        self._file: AppendFile | None = None
        check_target(output)
        committed = None if state is None else committed_number(state, "bytes")
        if state is not None and committed is not None and state.get("finished"):
            check_finished(output, committed)
            return
        self._file = AppendFile(partial_path(output), committed)
        if committed is None:
            self._file.append(header)

    def write(self, record: Record) -> None:
        """Take the next record."""
        self.append(self._render(record))

    def append(self, row: str) -> None:
        """Take a row, or any piece of rows."""
        self._open_file().append(row)

    def commit(self) -> State:
        """Sync the file; the state is its length in bytes."""
        return {"bytes": self._open_file().sync()}

    def finish(self) -> State:
        """Commit for the last time."""
        state = self.commit() | {"finished": True}
        self.close()
        self._file = None
        return state

    def publish(self) -> None:
        """Rename the partial file to the output."""
        if self._file is not None:
            raise RuntimeError("a sink is finished before it is published")
        replace_durably(partial_path(self._output), self._output)

    def close(self) -> None:
        """Release the descriptor."""
        if self._file is not None:
            self._file.close()

    def _open_file(self) -> AppendFile:
        if self._file is None:
            raise RuntimeError("a finished sink takes no more records")
        return self._file


class TableSink:
    """A table and its errors file as one sink."""

    def __init__(self, table: RowSink, errors: RowSink) -> None:
        self.table = table
        self.errors = errors

    def write(self, record: Record) -> None:
        """Give the record to the table and, where it failed, to the errors file."""
        self.table.write(record)
        if record.failure is not None:
            self.errors.write(record)

    def commit(self) -> State:
        """Commit both."""
        return {"table": self.table.commit(), "errors": self.errors.commit()}

    def finish(self) -> State:
        """Finish both."""
        return {"errors": self.errors.finish(), "table": self.table.finish()}

    def publish(self) -> None:
        """Publish the errors file first: where the table stands, its errors stand too."""
        self.errors.publish()
        self.table.publish()

    def close(self) -> None:
        """Close both."""
        self.table.close()
        self.errors.close()


def check_output(output: Path) -> None:
    """Refuse early, before anything is written, what `open_table` would refuse of a path.

    Raises UsageError for another ending, MissingExtra, and OutputError where no file can be written
    there.
    """
    if _ending(output) == ".parquet":
        with needing_pyarrow():
            import pixmill.batch.sink.parquet  # noqa: F401, PLC0415 - needs the extra
    for path in (output, errors_path(output)):
        check_target(path)


def _ending(output: Path) -> str:
    ending = output.suffix.lower()
    if ending not in OUTPUT_ENDINGS:
        raise UsageError(
            f"{output}: an output ends in .csv, .jsonl or .parquet, not in {ending or 'nothing'}"
        )
    return ending


def open_sink(output: Path, options: TableOptions, state: State | None) -> RowSink:
    """Open the table alone, by the ending of `output`, without its errors file.

    `state` None starts anew, over any partial file; else goes on from there. Raises UsageError for
    another ending, MissingExtra, OutputError, and ResumeRefused where the disk does not hold what
    the state says.
    """
    match _ending(output):
        case ".csv":
            render = functools.partial(csv_row, options=options)
            return RowsSink(output, render, csv_header(options), state)
        case ".jsonl":
            return RowsSink(output, functools.partial(json_row, options=options), "", state)
        case _:
            with needing_pyarrow():
                from pixmill.batch.sink.parquet import ParquetSink  # noqa: PLC0415 - needs the extra
            return ParquetSink(output, options, state)


@contextlib.contextmanager
def needing_pyarrow() -> Iterator[None]:
    """Wrap the import of a module that is built on pyarrow; MissingExtra where that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra("writing Parquet", "parquet") from error


def open_errors(output: Path, state: State | None) -> RowsSink:
    """Open the errors file that belongs to `output`; it always has its header."""
    return RowsSink(errors_path(output), errors_row, ERRORS_HEADER, state)


def open_table(output: Path, options: TableOptions, state: State | None) -> TableSink:
    """Open a table and its errors file as one sink; arguments and errors as for `open_sink`."""
    table = open_sink(output, options, state_of(state, "table"))
    try:
        return TableSink(table, open_errors(output, state_of(state, "errors")))
    except BaseException:
        table.close()
        raise
