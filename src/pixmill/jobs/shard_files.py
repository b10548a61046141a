"""The blobs of a job that workers share: the items of each shard, and the parts that attempts make.

Owns their names and their forms. Items lie in `shards/JOB`, one JSON array a line, packed by gzip,
beside the order that all shards have; parts in `parts/JOB`, under the name of the attempt that made
them, so that no attempt writes over another's.
"""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pixmill.errors import OutputError, UsageError
from pixmill.record import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixmill.store.blobs import BlobStore
    from pixmill.store.shards import Shard, ShardId

SHARDS, PARTS = "shards", "parts"
ATTEMPT = "shard-"  # what the folder of an attempt at work is called, in the spool
Table = Literal["rows", "errors"]
TABLES: tuple[Table, ...] = ("rows", "errors")
Document = Literal["order", "palette"]
_PIECE_BYTES = 1 << 20
_LEVEL = 1  # of packing: URLs of one host are alike


def put_items(blobs: BlobStore, id_: ShardId, items: Iterable[Item]) -> None:
    """Keep the items of a shard. Raises OutputError, and UsageError for a file of this machine."""
    lines = [
        json.dumps([item.line, item.url, item.extra, item.error], separators=(",", ":"))
        for item in map(check_item, items)
    ]
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    blobs.put(_items_name(id_), gzip.compress(text, _LEVEL, mtime=0))


def check_item(item: Item) -> Item:
    """Give an item that workers can do. Raises UsageError for a file of this machine."""
    if item.path is not None:
        raise UsageError(f"a cluster's workers can not read the files of this machine: {item.url}")
    return item


def read_items(blobs: BlobStore, id_: ShardId) -> list[Item]:
    """Give the items of a shard. Raises OutputError where they are gone or damaged."""
    name = _items_name(id_)
    packed = _whole(blobs, name)
    try:
        text = gzip.decompress(packed).decode("utf-8", "surrogatepass")
        return [_item(*json.loads(line)) for line in text.split("\n")]
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise OutputError(f"{name} is damaged: {error}") from error


def _item(line: int, url: str, extra: list[list[str]], error: str | None) -> Item:
    return Item(line, url, tuple((name, value) for name, value in extra), error=error)


def put_part(blobs: BlobStore, shard: Shard, rows: Path, errors: Path) -> None:
    """Keep what an attempt made; the files are taken over. Raises OutputError."""
    blobs.put(_part_name(shard, "errors"), errors)
    blobs.put(_part_name(shard, "rows"), rows)


def drop_part(blobs: BlobStore, shard: Shard) -> None:
    """Delete what an attempt made, if it made anything. Raises OutputError."""
    for table in TABLES:
        blobs.delete(_part_name(shard, table))


def read_part(blobs: BlobStore, shard: Shard, table: Table) -> Iterator[str]:
    """Give the text of a part, a piece at a time. Raises OutputError where it is gone."""
    name = _part_name(shard, table)
    blob = blobs.open(name)
    if blob is None:
        raise OutputError(f"{name} is not there, with the rows of a shard")
    decoder = codecs.getincrementaldecoder("utf-8")()
    with blob:
        for offset in range(0, blob.size, _PIECE_BYTES):
            yield decoder.decode(blob.read(offset, _PIECE_BYTES))
        yield decoder.decode(b"", final=True)


def is_lost(blobs: BlobStore, shard: Shard) -> bool:
    """Tell whether a part is gone of which there are the items still, so that it can be made again.

    Where they are gone too, it is another store, or one that is not mounted. Raises OutputError.
    """
    is_whole = all(_stands(blobs, _part_name(shard, table)) for table in TABLES)
    return not is_whole and _stands(blobs, _items_name(shard.id))


def _stands(blobs: BlobStore, name: str) -> bool:
    blob = blobs.open(name)
    if blob is not None:
        blob.close()
    return blob is not None


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """Give the lines of a text, each with its end."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            yield line + "\n"
    if rest:
        yield rest


def put_document(blobs: BlobStore, job_id: str, document: Document, content: bytes) -> None:
    """Keep what is the same for all shards of a job. Raises OutputError."""
    blobs.put(_document_name(job_id, document), content)


def read_document(blobs: BlobStore, job_id: str, document: Document) -> bytes:
    """Give what is the same for all shards of a job. Raises OutputError where it is gone."""
    return _whole(blobs, _document_name(job_id, document))


def find_document(blobs: BlobStore, job_id: str, document: Document) -> bytes | None:
    """Give it, or None where it was not kept yet. Raises OutputError."""
    return _content(blobs, _document_name(job_id, document))


def _whole(blobs: BlobStore, name: str) -> bytes:
    content = _content(blobs, name)
    if content is None:
        raise OutputError(f"{name} is not there, which a shard needs")
    return content


def _content(blobs: BlobStore, name: str) -> bytes | None:
    blob = blobs.open(name)
    if blob is None:
        return None
    with blob:
        return blob.read(0, blob.size)


def drop_files(blobs: BlobStore, job_id: str) -> None:
    """Delete all that there is of a job's shards. Raises OutputError."""
    for folder in (SHARDS, PARTS):
        for info in blobs.all(f"{folder}/{job_id}"):
            blobs.delete(info.name)


def left_folders(blobs: BlobStore, before: datetime) -> Iterator[Path]:
    """Give the folders of attempts that a kill left before a time. Raises OutputError."""
    spool = blobs.spool
    try:
        for path in spool.glob(f"{ATTEMPT}*"):
            with suppress(FileNotFoundError):  # dropped meanwhile
                if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                    yield path
    except OSError as error:
        raise OutputError(f"{spool} can not be used: {error.strerror or error}") from error


def _items_name(id_: ShardId) -> str:
    return f"{SHARDS}/{id_.job_id}/{id_.number:07}.jsonl.gz"


def _part_name(shard: Shard, table: Table) -> str:
    return f"{PARTS}/{shard.id.job_id}/{shard.id.number:07}-{shard.attempt}.{table}"


def _document_name(job_id: str, document: Document) -> str:
    return f"{SHARDS}/{job_id}/{document}.json"
