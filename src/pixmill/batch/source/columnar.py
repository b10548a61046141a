"""Parquet lists, read in batches of rows.

They need the `parquet` extra, imported only here and only when a Parquet list is opened.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pixmill.batch.source.columns import from_names
from pixmill.batch.source.entry import NOT_UTF8, display, make_item, reason, unreadable, value_text
from pixmill.batch.source.identity import file_identity
from pixmill.batch.source.listfile import READ_ERRORS
from pixmill.errors import InputError, MissingExtra, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pixmill.batch.source.columns import Columns
    from pixmill.batch.source.entry import SourceOptions
    from pixmill.record import Item

_BATCH_ROWS = 4096
_BUFFER_BYTES = 1 << 20


class ParquetList:
    """Reads a row at a time; a place is the number of rows before it, and a line is a row.

    A packed file is unpacked once, into a temporary file without a name. Raises InputError where
    the file can not be read, UsageError for a column that is not there, MissingExtra without
    pyarrow.
    """

    def __init__(self, path: str, index: int, options: SourceOptions) -> None:
        self.name = display(path)
        self.resumable = Path(path).is_file()
        if not self.resumable:
            raise InputError(f"{self.name} is no regular file, and Parquet is not read from a pipe")
        self._path = path
        self._index = index
        self._options = options
        self._pyarrow = _pyarrow()
        self._unpacked = self._unpack() if path.lower().endswith(".gz") else None
        self.size_bytes = Path(path).stat().st_size
        with self._opened() as parquet:
            self._rows = parquet.metadata.num_rows
            schema = parquet.schema_arrow
            self._names: list[str] = schema.names
        self._columns = from_names(self._names, self.name, options) if self._names else None
        if self._columns is not None:
            self._refuse_twins(self._columns)
            self._refuse_other_than_text(schema.field(self._columns.url))

    def _refuse_twins(self, columns: Columns) -> None:
        for place in (columns.url, *columns.kept):
            if self._names.count(self._names[place]) > 1:
                raise InputError(f"{self.name} has several columns named {self._names[place]!r}")

    def _refuse_other_than_text(self, field: Any) -> None:
        types, kind = self._pyarrow.types, field.type
        if types.is_dictionary(kind):
            kind = kind.value_type
        text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
        raw = types.is_binary(kind) or types.is_large_binary(kind) or types.is_null(kind)
        if not (text or raw):
            raise UsageError(f"column {field.name!r} of {self.name} holds {field.type}, not text")

    def _unpack(self) -> IO[bytes]:
        try:
            # Only the last reader's end closes it, whenever that is.
            unpacked = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, unpacked.close)
            with gzip.open(self._path) as packed:
                shutil.copyfileobj(packed, unpacked, _BUFFER_BYTES)
        except READ_ERRORS as cause:
            raise unreadable(self.name, cause) from cause
        return unpacked

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open; what pyarrow raises, inside too, becomes an InputError."""
        try:
            with self._pyarrow.parquet.ParquetFile(
                self._unpacked or self._path, buffer_size=_BUFFER_BYTES, pre_buffer=False
            ) as parquet:
                yield parquet
        except (self._pyarrow.ArrowException, OSError, ValueError, OverflowError) as cause:
            first_line = reason(cause).partition("\n")[0]
            raise InputError(f"can not read {self.name} as Parquet: {first_line}") from cause

    def items(self, before: int, start: int) -> Generator[Item, None, int]:
        """Yield an item a row; see `Input`."""
        row = start
        with self._opened() as parquet:
            for url, *kept in self._values(parquet, start):
                line = before + 1 + row - start
                yield self._item(line, row, url, kept)
                row += 1
        return before + row - start

    def _item(self, line: int, row: int, url: str | bytes | None, kept: list[Any]) -> Item:
        error = NOT_UTF8 if isinstance(url, bytes) else None
        names = self._options.keep_columns
        extra = tuple((name, value_text(value)) for name, value in zip(names, kept, strict=True))
        position = (self._index, row)
        return make_item(line, value_text(url), position, self._options, extra=extra, error=error)

    def _values(self, parquet: Any, start: int) -> Iterator[tuple[Any, ...]]:
        """Yield the URL and the kept values of each row from `start` on, skipping whole groups."""
        columns = self._columns
        if columns is None:
            return
        places = (columns.url, *columns.kept)
        wanted = [self._names[place] for place in places]
        groups, skip = _groups_from(parquet.metadata, start)
        for batch in parquet.iter_batches(
            _BATCH_ROWS, row_groups=groups, columns=wanted, use_threads=False
        ):
            rest = batch.slice(skip)
            skip -= batch.num_rows - rest.num_rows
            yield from zip(*(self._texts(rest.column(name)) for name in wanted), strict=True)

    def _texts(self, column: Any) -> list[Any]:
        """Give values as text where Arrow has a text for them; bytes where they are no UTF-8."""
        pyarrow = self._pyarrow
        try:
            texts: list[Any] = column.cast(pyarrow.string()).to_pylist()
        except pyarrow.ArrowNotImplementedError:
            return list(column.to_pylist())
        except (pyarrow.ArrowInvalid, UnicodeDecodeError):
            return [_text_or_bytes(each) for each in column.cast(pyarrow.binary()).to_pylist()]
        return texts

    def share(self, place: int) -> float:
        """Tell how much of the rows come before `place`."""
        return place / self._rows if self._rows else 1.0

    def identity(self) -> dict[str, object]:
        """Give size and digest of the file as it lies on disk."""
        return file_identity(self._path, self.name)


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as cause:
        raise MissingExtra("reading Parquet", "parquet") from cause
    return pyarrow


def _groups_from(metadata: Any, start: int) -> tuple[list[int], int]:
    """Give the row groups from that of row `start` on, and how many of their rows to skip."""
    skip = start
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if skip < rows:
            return list(range(group, metadata.num_row_groups)), skip
        skip -= rows
    return [], 0


def _text_or_bytes(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return value
