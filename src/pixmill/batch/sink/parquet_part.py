"""Where a row group ends, and the rows of one that has not ended yet.

A row group is made from rows of the JSONL table alone, so whoever adds equal rows, be it a run, a
resumed run or a merge, gets equal row groups. What they are written to is in `parquet_file`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pixmill.batch.durable import AppendFile, output_errors, utf8
from pixmill.batch.sink.parquet_file import table_schema, to_batch
from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.batch.sink.rows import TableOptions

PART_ROWS = 65_536

# With more colors a row than this a part has fewer rows, so that it takes no more memory.
_FULL_PART_COLORS = 16
_MATCH_COLORS = 16  # a match and its clusters take about as much as so many colors

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


class Group:
    """The rows of one row group of a table, in memory as Arrow batches."""

    def __init__(self, options: TableOptions) -> None:
        self._schema = table_schema(options)
        n = _MATCH_COLORS if options.product == "match" else options.n
        self._most_rows = part_rows(n)
        self._ordinary_bytes = _ROW_BYTES + n * _COLOR_BYTES
        self._lines: list[str] = []
        self._batches: list[pa.RecordBatch] = []
        self._line_bytes = self._surplus_bytes = 0
        self.rows = 0

    def add(self, line: str) -> None:
        """Take the next row, as a line of the JSONL table."""
        size = len(utf8(line))
        self._lines.append(line)
        self.rows += 1
        self._surplus_bytes += max(0, size - self._ordinary_bytes)
        self._line_bytes += size
        if self._line_bytes >= _PIECE_BYTES:
            self.compact()

    @property
    def full(self) -> bool:
        """Tell whether the row group ends here."""
        return self.rows == self._most_rows or self._surplus_bytes >= _SURPLUS_BYTES

    def compact(self) -> None:
        """Turn the lines held into a batch; ValueError and the like where one is no row."""
        self._batches.append(to_batch(self._lines, self._schema))
        self._lines.clear()
        self._line_bytes = 0

    def take_table(self) -> pa.Table:
        """Give all rows and begin anew."""
        self.compact()
        batches, self._batches = self._batches, []
        self.rows = self._surplus_bytes = 0
        return pa.Table.from_batches(batches, self._schema)


class Part:
    """The row group that a run is filling, each of its rows also in a text file, its tail.

    `committed` None starts anew; a number goes on from a tail once synced at that length.
    """

    def __init__(self, tail: Path, committed: int | None, options: TableOptions) -> None:
        self.group = Group(options)
        self._file = AppendFile(tail, committed)
        if committed:
            try:
                self._replay(tail)
            except BaseException:
                self.close()
                raise

    def add(self, line: str) -> None:
        """Take the next row."""
        self._file.append(line)
        self.group.add(line)

    def sync(self) -> int:
        """Make the rows durable; gives the length of the tail in bytes."""
        return self._file.sync()

    def close(self) -> None:
        """Release the descriptor of the tail."""
        self._file.close()

    def _replay(self, tail: Path) -> None:
        try:
            with output_errors(tail), tail.open(encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    self.group.add(line)
            self.group.compact()
        except (ValueError, TypeError, KeyError) as error:
            raise ResumeRefused(f"{tail} was changed since; --overwrite starts anew") from error
