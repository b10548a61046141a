"""A bucket of GridFS, as its specification lays files out: whatever reads GridFS can read them.

The chunks of a file come first, and the document that makes them a file last; the other way round
when it is deleted. So a kill leaves chunks without a file, which are found here too.

https://github.com/mongodb/specifications/blob/master/source/gridfs/gridfs-spec.md
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from bson import Int64, ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import PyMongoError

from pixmill.store.mongo.writes import is_duplicate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pixmill.store.mongo.database import Document, MongoDatabase

CHUNK_BYTES = 255 * 1024  # the specification's default
_CHUNKS_AT_ONCE = 16
_FILES, _CHUNKS = ".files", ".chunks"


class Leftover(NamedTuple):
    """Chunks without a file: the `_id` that it would have, and when the newest was made."""

    id: ObjectId
    bytes: int
    written_at: datetime


class Bucket:
    """The files of one bucket, by their `_id`. Every method raises OutputError."""

    def __init__(self, database: MongoDatabase, name: str) -> None:
        self._database = database
        self._name = name
        self._files = database[name + _FILES]
        self._chunks = database[name + _CHUNKS]

    def write(self, id_: ObjectId, filename: str, pieces: Iterable[bytes]) -> None:
        """Keep a file of pieces of CHUNK_BYTES, the last one shorter, a few in memory at a time.

        OutputError also where a file of that `_id` stands, which is left as it is.
        """
        with self._database.explained():
            try:
                file = {
                    "_id": id_,
                    "filename": filename,
                    "length": Int64(self._write_chunks(id_, pieces)),
                    "chunkSize": CHUNK_BYTES,
                    "uploadDate": datetime.now(UTC),
                }
                self._files.insert_one(file)
            except BaseException as error:
                if not is_duplicate(error):
                    with suppress(PyMongoError):
                        self._erase([id_])
                raise

    def _write_chunks(self, id_: ObjectId, pieces: Iterable[bytes]) -> int:
        numbered = enumerate(pieces)
        length = 0
        while batch := list(islice(numbered, _CHUNKS_AT_ONCE)):
            self._chunks.insert_many([{"files_id": id_, "n": n, "data": data} for n, data in batch])
            length += sum(len(data) for _, data in batch)
        return length

    def find(self, id_: ObjectId) -> Document | None:
        """Find the document of a file."""
        with self._database.explained():
            return self._files.find_one({"_id": id_})

    def read(self, id_: ObjectId, first: int, last: int) -> bytes:
        """Read the chunks from number `first` to `last`; fewer bytes where some are gone."""
        query = {"files_id": id_, "n": {"$gte": first, "$lte": last}}
        with self._database.explained():
            return b"".join(chunk["data"] for chunk in self._chunks.find(query).sort("n"))

    def standing(self, ids: Iterable[ObjectId]) -> set[ObjectId]:
        """Tell which of these files are there."""
        return {file["_id"] for file in self._database.pick(self._files, ids, "_id")}

    def erase(self, ids: Sequence[ObjectId]) -> int:
        """Delete files and tell how many were there."""
        with self._database.explained():
            return self._erase(ids)

    def _erase(self, ids: Sequence[ObjectId]) -> int:
        found = self._files.delete_many({"_id": {"$in": ids}}).deleted_count
        self._chunks.delete_many({"files_id": {"$in": ids}})
        return found

    def walk(self) -> Iterator[Document]:
        """Give the documents of all files."""
        yield from self._database.walk(self._files)

    def leftovers(self) -> Iterator[Leftover]:
        """Give chunks without a file, also those of a file that is being written just now."""
        with self._database.explained():
            for left in self._chunks.aggregate(self._without_file()):
                for size in self._chunks.aggregate(_sizes(left["_id"])):
                    yield Leftover(left["_id"], size["bytes"], size["newest"].generation_time)

    def erase_leftover(self, id_: ObjectId) -> bool:
        """Delete the chunks of a file, unless that stands; whether there were any."""
        with self._database.explained():
            if self._files.find_one({"_id": id_}):
                return False
            return self._chunks.delete_many({"files_id": id_}).deleted_count > 0

    def make_indices(self) -> None:
        """Make those that every driver's GridFS makes, where they are missing."""
        by_name = IndexModel([("filename", ASCENDING), ("uploadDate", ASCENDING)])
        by_number = IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        with self._database.explained():
            self._files.create_indexes([by_name])
            self._chunks.create_indexes([by_number])

    def _without_file(self) -> list[Document]:
        """Query the ids that chunks bear and no file has; sorted, so that the index is enough."""
        files = {"from": self._name + _FILES, "localField": "_id", "foreignField": "_id"}
        return [
            {"$sort": {"files_id": 1}},
            {"$group": {"_id": "$files_id"}},
            {"$lookup": {**files, "as": "file"}},
            {"$match": {"file": []}},
        ]


def _sizes(id_: ObjectId) -> list[Document]:
    """Query how many bytes the chunks of a file have, and the newest of their own ids."""
    size = {"$sum": {"$binarySize": "$data"}}
    return [
        {"$match": {"files_id": id_}},
        {"$group": {"_id": None, "bytes": size, "newest": {"$max": "$_id"}}},
    ]
