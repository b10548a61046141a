"""CSV and TSV lists, as Python's csv module understands them, with the place of every row known.

Which columns matter is left to `columns`.
"""

from __future__ import annotations

import csv
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from pixmill.batch.source.columns import from_first_row
from pixmill.batch.source.entry import NOT_UTF8, make_item, shorten, too_long
from pixmill.batch.source.listfile import ListReader

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pixmill.batch.source.columns import Columns
    from pixmill.batch.source.entry import SourceOptions
    from pixmill.batch.source.lines import Line
    from pixmill.batch.source.listfile import ListFile
    from pixmill.record import Item

_new = tuple.__new__


class Row(NamedTuple):
    """A row; `error` says what is wrong with it, `text` is its first line if it has no fields."""

    line: int
    offset: int
    fields: list[str]
    error: str | None = None
    text: str = ""


class _BadRow(Exception):
    pass


class Rows:
    """Joins physical lines to rows, since a quoted field may span lines; blank lines are left out.

    A row that is no CSV, whose quotes never end or that is longer than `max_line_bytes` costs its
    first line only: reading goes on at its second. `reached` is the number of the last line read.
    """

    def __init__(
        self, lines: Iterator[Line], before: int, delimiter: str, options: SourceOptions
    ) -> None:
        self.reached = before
        self._lines = lines
        self._delimiter = delimiter
        self._options = options
        self._taken: list[Line] = []
        self._again: deque[Line] = deque()
        self._fault: str | None = None

    def __iter__(self) -> Iterator[Row]:
        taken, reader = self._taken, self._reader()
        while True:
            taken.clear()
            try:
                fields = next(reader, None)
            except (csv.Error, _BadRow) as cause:
                yield self._bad(cause)
                reader = self._reader()
                continue
            if fields is None:
                return
            line, offset, raw, _ = taken[0]
            if len(taken) > 1 or raw.strip():
                yield _new(Row, (line, offset, fields, self._fault, ""))

    def _reader(self) -> Iterator[list[str]]:
        # The module's own limit, for the whole process, is far below that of a line. Never lowered,
        # since others may have raised it.
        csv.field_size_limit(max(csv.field_size_limit(), self._options.max_line_bytes))
        return csv.reader(self._feed(), delimiter=self._delimiter)

    def _feed(self) -> Iterator[str]:
        """Hand lines to the csv reader, which takes as many as it needs for a row."""
        taken, again, limit, size = self._taken, self._again, self._options.max_line_bytes, 0
        while line := again.popleft() if again else next(self._lines, None):
            taken.append(line)
            number, _, raw, cut = line
            self.reached = max(self.reached, number)
            if len(taken) == 1:
                self._fault, size = None, 0
            size += len(raw)
            if cut or size > limit:
                raise self._too_large()
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                text, self._fault = raw.decode("utf-8", "replace"), NOT_UTF8
            yield text + "\n"
        if taken:
            raise self._too_large()

    def _too_large(self) -> _BadRow:
        if len(self._taken) == 1 and self._taken[0][3]:
            return _BadRow(too_long(self._options))
        return _BadRow("a quote opens in this row and does not close")

    def _bad(self, cause: Exception) -> Row:
        (line, offset, raw, _), *later = self._taken
        self._again.extendleft(reversed(later))
        text = raw.strip().decode("utf-8", "replace")
        # What the csv module advises after the dash is for programmers.
        reason = str(cause).partition(" - ")[0]
        if isinstance(cause, csv.Error):
            reason = f"the row is not valid CSV: {reason}"
        return Row(line, offset, [], reason, shorten(text))


class DelimitedList(ListReader):
    """Reads one URL a row; a place is the offset of the row's first byte.

    Raises UsageError, at once for a file and on reading for a pipe, if it lacks a column asked for.
    """

    def __init__(self, file: ListFile, index: int, delimiter: str, options: SourceOptions) -> None:
        super().__init__(file, index, options)
        self._delimiter = delimiter
        self._columns: Columns | None = None
        if file.resumable:
            self._look(next(iter(self._rows(0, 0)), None))

    def _rows(self, before: int, start: int) -> Rows:
        return Rows(self._file.lines(before, start), before, self._delimiter, self._options)

    def _look(self, first: Row | None) -> Columns | None:
        if first is not None:
            self._columns = from_first_row(first.fields, self._file.name, self._options)
        return self._columns

    def items(self, before: int, start: int) -> Generator[Item, None, int]:
        """Yield the items of rows that are not blank; see `Input`."""
        rows = self._rows(before, start)
        each = iter(rows)
        if not start:
            first = next(each, None)
            columns = self._look(first)
            if first is not None and columns is not None and not columns.header:
                each = chain([first], each)
        if (columns := self._columns) is not None:
            for row in each:
                yield self._item(row, columns)
        return rows.reached

    def _item(self, row: Row, columns: Columns) -> Item:
        line, offset, fields, error, text = row
        width = len(fields)
        extra: tuple[tuple[str, str], ...] = ()
        if columns.kept:
            kept = [fields[place] if place < width else "" for place in columns.kept]
            extra = tuple(zip(self._options.keep_columns, kept, strict=True))
        if columns.url < width:
            text = fields[columns.url]
        if width < columns.width and error is None:
            error = f"the row has {width} fields, field {columns.width} is asked for"
        return make_item(
            line,
            text,
            (self._index, offset),
            self._options,
            extra=extra,
            error=error,
        )
