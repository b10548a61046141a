"""Parquet tables for merging: read back as rows of the JSONL table, and written from such rows.

The walk over the input and all tables is in `merge`; where row groups end in `parquet_part`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pyarrow.parquet as pq

from pixmill.batch.sink.finished import Rows, cannot_read, misfit
from pixmill.batch.sink.parquet_file import (
    READ_ERRORS,
    table_schema,
    table_writer,
    to_lines,
    write_group,
)
from pixmill.batch.sink.parquet_part import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixmill.batch.sink.rows import TableOptions

# So few that they take little as Python objects, also with hundreds of colors each.
_BATCH_ROWS = 128
_BUFFER_BYTES = 2**20


class ParquetRows(Rows):
    """The rows of a finished Parquet table, of which a few are held at a time."""

    def __init__(self, path: Path, options: TableOptions) -> None:
        super().__init__(path)
        self._schema = table_schema(options)

    def __enter__(self) -> Self:
        try:
            # Not memory-mapped and read through a small buffer: a column is never held whole.
            self._file = pq.ParquetFile(
                self._path, buffer_size=_BUFFER_BYTES, page_checksum_verification=True
            )
        except READ_ERRORS as error:
            raise cannot_read(self._path, error) from error
        try:
            if not self._file.schema_arrow.equals(self._schema):
                raise misfit(self._path)
            self._lines = self._read()
            self._next = self._row()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _row(self) -> str:
        try:
            return next(self._lines, "")
        except (*READ_ERRORS, TypeError) as error:
            raise cannot_read(self._path, error) from error

    def _read(self) -> Iterator[str]:
        for group in range(self._file.num_row_groups):
            for batch in self._file.iter_batches(
                _BATCH_ROWS, row_groups=[group], use_threads=False
            ):
                yield from to_lines(batch)


def write_table(path: Path, lines: Iterable[str], options: TableOptions) -> int:
    """Write rows of the JSONL table as a Parquet table and give its length in bytes.

    It is the one that a run with these options would write. Raises OutputError.
    """
    group = Group(options)
    with table_writer(path, table_schema(options)) as writer:
        for line in lines:
            group.add(line)
            if group.full:
                write_group(writer, group.take_table())
        if group.rows:
            write_group(writer, group.take_table())
    return path.stat().st_size
