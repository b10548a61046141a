"""Blobs in GridFS: the first part of a blob's name is its bucket, the rest its file's name.

A file's `_id` follows from the name, which nobody uses twice. What a kill left of a file that was
being written or deleted is listed as a blob `BUCKET/unfinished/ID`, that can only be deleted.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bson import ObjectId

from pixmill.errors import OutputError
from pixmill.store.blobs import BlobInfo, check_blob_name
from pixmill.store.mongo.bucket import CHUNK_BYTES, Bucket
from pixmill.store.spool import Spool, explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from types import TracebackType

    from pixmill.store.blobs import Content
    from pixmill.store.mongo.database import Document, MongoDatabase

_LEFTOVER = re.compile(r"[^/]+/unfinished/([0-9a-f]{24})")


class GridBlobs:
    """The port `BlobStore` over a database; `spool` is a folder, made where it is missing."""

    def __init__(self, database: MongoDatabase, spool: Path) -> None:
        self._database = database
        self._spool = Spool(spool)

    @property
    def spool(self) -> Path:
        """The folder of files that are not blobs yet; made where it is missing."""
        return self._spool.made()

    def put(self, name: str, content: Content) -> None:
        """Keep a blob; OutputError also where there is one of that name."""
        self._bucket(name).write(file_id(name), name.partition("/")[2], _pieces(content))
        if isinstance(content, Path):
            with explained(content):
                content.unlink()

    def open(self, name: str) -> GridBlob | None:
        """Open a blob; None where there is none."""
        bucket = self._bucket(name)
        file = bucket.find(file_id(name))
        return None if file is None else GridBlob(bucket, file)

    def delete(self, name: str) -> bool:
        """Delete a blob or what is left of one; False where there was none."""
        bucket = self._bucket(name)
        leftover = _LEFTOVER.fullmatch(name)
        if leftover and bucket.erase_leftover(ObjectId(leftover[1])):
            return True
        return bucket.erase([file_id(name)]) > 0

    def drop(self, names: Iterable[str]) -> None:
        """Delete many blobs in few round trips."""
        for bucket, ids in self._by_bucket(names):
            bucket.erase(list(ids))

    def standing(self, names: Iterable[str]) -> set[str]:
        """Tell which of these blobs are there, in few round trips."""
        return {
            ids[found] for bucket, ids in self._by_bucket(names) for found in bucket.standing(ids)
        }

    def all(self, folder: str) -> Iterator[BlobInfo]:
        """List the blobs of a folder, and then what is left of others."""
        bucket = Bucket(self._database, folder)
        for file in bucket.walk():
            yield BlobInfo(f"{folder}/{file['filename']}", file["length"], file["uploadDate"])
        for left in bucket.leftovers():
            yield BlobInfo(f"{folder}/unfinished/{left.id}", left.bytes, left.written_at)

    def stale_files(self, before: datetime) -> Iterator[Path]:
        """Give the files of the spool that were left before a time, in UTC."""
        return self._spool.stale_files(before)

    def _bucket(self, name: str) -> Bucket:
        check_blob_name(name)
        return Bucket(self._database, name.partition("/")[0])

    def _by_bucket(self, names: Iterable[str]) -> list[tuple[Bucket, dict[ObjectId, str]]]:
        found: dict[str, dict[ObjectId, str]] = {}
        for name in names:
            found.setdefault(name.partition("/")[0], {})[file_id(name)] = name
        return [(Bucket(self._database, bucket), ids) for bucket, ids in found.items()]


class GridBlob:
    """A blob of which a part is asked for when it is read, as the port `Blob`."""

    def __init__(self, bucket: Bucket, file: Document) -> None:
        self._bucket = bucket
        self._file = file
        self.size: int = file["length"]

    def read(self, offset: int, length: int) -> bytes:
        """Read from a place; OutputError also where the blob was deleted since it was opened."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        each = self._file["chunkSize"]
        first = offset // each
        chunks = self._bucket.read(self._file["_id"], first, (end - 1) // each)
        part = chunks[offset - first * each : end - first * each]
        if len(part) != end - offset:
            raise OutputError(f"{self._file['filename']} was deleted while it was read")
        return part

    def fileno(self) -> None:
        """There is no file."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def file_id(name: str) -> ObjectId:
    """Make the `_id` of a blob's file."""
    return ObjectId(hashlib.blake2b(name.encode(), digest_size=12).digest())


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, Path):
        with explained(content), content.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece
    else:
        for start in range(0, len(content), CHUNK_BYTES):
            yield bytes(content[start : start + CHUNK_BYTES])
