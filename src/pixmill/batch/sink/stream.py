"""Rows to a stream that somebody reads while they come, such as standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from pixmill.batch.durable import utf8
from pixmill.batch.sink.rows import TableOptions, csv_header, csv_row, json_row
from pixmill.errors import OutputError

if TYPE_CHECKING:
    from pixmill.batch.sink.partial import State
    from pixmill.record import Record


# As in a file: large enough that the system call is not felt, and no matter how long a row is.
_BUFFER_CHARS = 1 << 18


class StreamSink:
    """CSV rows or JSON lines to a binary stream, such as standard output.

    Nothing is durable, nothing resumes, and of failed records only JSON tells. A commit only
    flushes, so that a reader sees rows in time. Raises OutputError where the reader went away.
    """

    def __init__(self, stream: BinaryIO, options: TableOptions, *, json: bool = False) -> None:
        self._stream = stream
        self._options = options
        self._render = json_row if json else csv_row
        self._rows = [] if json else [csv_header(options)]
        self._chars = 0

    def write(self, record: Record) -> None:
        """Take the next record; many are passed on at once."""
        row = self._render(record, self._options)
        self._rows.append(row)
        self._chars += len(row)
        if self._chars >= _BUFFER_CHARS:
            self._pass_on()

    def commit(self) -> State:
        """Pass on what is held; the state is empty, since there is nothing to resume."""
        self._pass_on()
        return {}

    def finish(self) -> State:
        """Pass on what is held."""
        return self.commit()

    def publish(self) -> None:
        """Do nothing: rows that were passed on are public."""

    def close(self) -> None:
        """Forget what was not passed on; the stream is its owner's to close."""
        self._rows.clear()

    def _pass_on(self) -> None:
        data = utf8("".join(self._rows))
        self._rows.clear()
        self._chars = 0
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError as error:
            raise OutputError("the reader of standard output went away") from error
        except OSError as error:
            raise OutputError(f"cannot write standard output: {error.strerror or error}") from error
