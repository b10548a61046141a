"""The Parquet file of a table: its columns, and its row groups made from rows of the JSONL table.

Where a row group ends is decided in `parquet_part`. Needs pyarrow (the `parquet` extra).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.batch.durable import output_errors, utf8
from pixmill.batch.sink.rows import json_line
from pixmill.errors import OutputError, ResumeRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.batch.sink.rows import TableOptions

_OF_THIS_PROCESS = {errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.ENOMEM}

# What reading a file that is damaged raises: pyarrow has no one class for it.
READ_ERRORS = (OSError, ValueError, pa.ArrowException)


_CLUSTER = pa.struct([("hex", pa.string()), ("share", pa.float64())])
_NEIGHBOR = pa.struct(
    [
        ("name", pa.string()),
        ("hex", pa.string()),
        ("id", pa.string()),
        ("synonyms", pa.list_(pa.string())),
        ("distance", pa.float64()),
    ]
)
_COLOR = pa.struct([("hex", pa.string()), ("count", pa.int64()), ("share", pa.float64())])
_MATCH = pa.struct(
    [
        ("found", pa.bool_()),
        ("color", _CLUSTER),
        ("summarizer", pa.string()),
        ("palette", pa.string()),
        ("metric", pa.string()),
        ("max_distance", pa.float64()),
        ("nearest", _NEIGHBOR),
        ("runner_up", _NEIGHBOR),
        ("margin", pa.float64()),
    ]
)
_OWN_COLUMNS: dict[str, list[tuple[str, pa.DataType]]] = {
    "colors": [("colors", pa.list_(_COLOR)), ("pixels", pa.int64())],
    "clusters": [("clusters", pa.list_(_CLUSTER))],
    "match": [("match", _MATCH), ("clusters", pa.list_(_CLUSTER))],
    "arrival": [("arrival", pa.string())],
    "picture": [("file", pa.string())],
}


def table_schema(options: TableOptions) -> pa.Schema:
    """Give the columns of the table, which are documented for users and only ever added to."""
    columns: list[tuple[str, pa.DataType]] = [
        ("line", pa.int64()),
        ("url", pa.string()),
        ("status", pa.string()),
        ("code", pa.string()),
        ("http_status", pa.int32()),
        ("attempts", pa.int32()),
        ("message", pa.string()),
        *_OWN_COLUMNS[options.product],
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("md5", pa.string()),
        ("extra", pa.map_(pa.string(), pa.string())),
    ]
    return pa.schema(columns)


def to_batch(lines: list[str], schema: pa.Schema) -> pa.RecordBatch:
    """Turn rows of the JSONL table into Arrow's compact form; ValueError and such for others."""
    rows = json.loads(utf8("[" + ",".join(lines) + "]"))
    for row in rows:
        row["extra"] = list(row["extra"].items())
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def to_lines(batch: pa.RecordBatch) -> Iterator[str]:
    """Give back the rows of the JSONL table that `to_batch` made the batch from."""
    for row in batch.to_pylist():
        row["extra"] = dict(row["extra"])
        yield json_line(row)


@contextlib.contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Open the file `path` for row groups; after the block it is complete and synced.

    It is compressed by zstd, its pages have checksums, and equal row groups give equal bytes.
    Raises OutputError.
    """
    with output_errors(path), path.open("wb") as file:
        writer = pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True)
        try:
            yield writer
            writer.close()
        except BaseException:
            # Else its destructor would try to end the file, which is closed or full by then.
            writer.is_open = False
            raise
        file.flush()
        os.fsync(file.fileno())


def write_group(writer: pq.ParquetWriter, table: pa.Table) -> None:
    """Write a row group of one chunk a column: chunks would show in the pages of the file."""
    schema, chunked = table.schema, table.columns[::-1]
    del table
    columns: list[pa.ChunkedArray[Any] | pa.Array[Any]] = []
    while chunked:  # one at a time, which holds only that one twice
        columns.append(chunked.pop().combine_chunks())
    writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    del columns
    pa.default_memory_pool().release_unused()


def read_part(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a file of one row group whole; ResumeRefused where it is not as it was written."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table, rows = file.read(use_threads=False), file.metadata.num_rows
    except MemoryError:
        raise
    except READ_ERRORS as error:
        if isinstance(error, OSError) and error.errno in _OF_THIS_PROCESS:
            raise OutputError(f"cannot read {path}: {error}; running again resumes") from error
        raise _changed(path, str(error).partition("\n")[0]) from error
    # Only pages have checksums: a damaged footer may name other columns, or fewer rows of a group.
    if not table.schema.equals(schema) or table.num_rows != rows:
        raise _changed(path, "its columns or rows are others")
    return table


def _changed(path: Path, cause: str) -> ResumeRefused:
    return ResumeRefused(
        f"{path} was changed since, or its disk fails: {cause}; --overwrite starts anew"
    )
