"""Merging of Parquet tables, one row group of the outcome at a time.

The walk over the input and the errors files is in `merge`; the layout of the table in `parquet`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.batch.sink.merge import Merged, misfit, valid_text
from pixmill.batch.sink.parquet import part_rows, table_schema, table_writer
from pixmill.batch.sink.partial import partial_path
from pixmill.batch.sink.rows import status_word
from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.record import Item


def merge_tables(output: Path, retried: Path, outcomes: Iterator[Merged], n: int) -> int:
    """Write the partial table of `output` and give its length in bytes; errors as for `merge`."""
    partial = partial_path(output)
    with (
        _Groups(output) as old,
        _Groups(retried) as new,
        table_writer(partial) as writer,
    ):
        while chunk := list(islice(outcomes, part_rows(n))):
            writer.write_table(_merged(chunk, old, new))
        old.expect_end()
        new.expect_end()
    return partial.stat().st_size


def _merged(chunk: list[Merged], old: _Groups, new: _Groups) -> pa.Table:
    before = old.take([_key(outcome.item, failed=outcome.retried) for outcome in chunk])
    retried = [place for place, outcome in enumerate(chunk) if outcome.retried]
    if not retried:
        return before
    after = new.take([_key(chunk[place].item, failed=chunk[place].failed) for place in retried])
    rows = list(range(len(chunk)))
    for number, place in enumerate(retried):
        rows[place] = len(chunk) + number
    return pa.concat_tables([before, after]).take(pa.array(rows)).combine_chunks()


def _key(item: Item, *, failed: bool) -> tuple[int, str, str]:
    """Give what the row of an item must hold: line, URL and status."""
    return item.line, valid_text(item.url), status_word(failed=failed)


class _Groups:
    """A finished Parquet table, read in order; holds what is asked for and a row group at most."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = table_schema().empty_table()
        self._group = 0

    def __enter__(self) -> Self:
        try:
            self._file = pq.ParquetFile(self._path)
        except (OSError, pa.ArrowInvalid) as error:
            raise ResumeRefused(f"cannot read {self._path}: {error}") from error
        if not self._file.schema_arrow.equals(table_schema()):
            self._file.close()
            raise misfit(self._path)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, expected: list[tuple[int, str, str]]) -> pa.Table:
        """Give the next rows, which hold the lines, URLs and statuses `expected`."""
        while self._held.num_rows < len(expected) and self._more():
            pass
        rows = self._held.slice(0, len(expected)).combine_chunks()
        self._held = self._held.slice(len(expected))
        held = (rows[name].to_pylist() for name in ("line", "url", "status"))
        if list(zip(*held, strict=True)) != expected:
            raise misfit(self._path)
        return rows

    def expect_end(self) -> None:
        """Make sure that no row is left."""
        if self._held.num_rows or self._more():
            raise misfit(self._path)

    def _more(self) -> bool:
        if self._group == self._file.num_row_groups:
            return False
        try:
            group = self._file.read_row_group(self._group, use_threads=False)
        except (OSError, pa.ArrowInvalid) as error:
            raise ResumeRefused(f"cannot read {self._path}: {error}") from error
        self._group += 1
        self._held = pa.concat_tables([self._held, group])
        return True
