"""Finished tables, read back row by row and kept as they stand.

Owns looking one row ahead, text tables, and the refusal of what no run wrote. What the rows mean is
left to who reads them, Parquet to `merge_parquet`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self, TextIO

from pixmill.batch.durable import utf8
from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from pathlib import Path

# No row comes near: what is longer is no table of pixmill.
_MAX_ROW_CHARS = 1 << 26


def valid_text(text: str) -> str:
    """Give the text as a table holds it: without lone surrogates."""
    return utf8(text).decode()


def misfit(path: Path) -> ResumeRefused:
    """Make the refusal of a table that does not hold what it must."""
    return ResumeRefused(
        f"{path} does not fit the input and the other tables: it was changed since it was written; "
        "nothing was touched, --overwrite starts anew"
    )


def cannot_read(path: Path, error: Exception) -> ResumeRefused:
    """Make the refusal of a table that is not there or is none."""
    return ResumeRefused(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")


class Rows(ABC):
    """The rows of a table in order, as lines of text; the next one is looked at before it is taken.

    Whatever a table of pixmill cannot hold is ResumeRefused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = ""

    @abstractmethod
    def _row(self) -> str:
        """Read a row; empty after the last."""

    def take(self, start: str) -> str | None:
        """Give the next row if it begins with `start`, which then is done with; else None."""
        if not self._next.startswith(start):
            return None
        row, self._next = self._next, self._row()
        return row

    def expect(self, start: str) -> str:
        """Give the next row, which begins with `start`."""
        row = self.take(start)
        if row is None:
            raise misfit(self._path)
        return row

    def expect_end(self) -> None:
        """Make sure that no row is left."""
        if self._next:
            raise misfit(self._path)


class TableRows(Rows):
    """The rows of a text table below its `header`; with `quoted` a row may span lines in quotes."""

    def __init__(self, path: Path, *, header: str = "", quoted: bool = False) -> None:
        super().__init__(path)
        self._header = header
        self._quoted = quoted
        self._file: TextIO

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open(encoding="utf-8", newline="\n")
        except OSError as error:
            raise cannot_read(self._path, error) from error
        try:
            self._next = self._row()
            if self._header:
                self.expect(self._header)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _row(self) -> str:
        row = self._line()
        while self._quoted and row.count('"') % 2:
            more = self._line()
            if not more or len(row) > _MAX_ROW_CHARS:
                raise misfit(self._path)
            row += more
        return row

    def _line(self) -> str:
        try:
            line = self._file.readline(_MAX_ROW_CHARS)
        except (OSError, UnicodeDecodeError) as error:
            raise cannot_read(self._path, error) from error
        if line and not line.endswith("\n"):
            raise misfit(self._path)
        return line
