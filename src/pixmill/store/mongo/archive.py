"""The archive over MongoDB: documents for its facts, GridFS for its bytes.

How captures are taken is in `captures`. Blobs are deleted after the document that names them: a
kill between the two leaves orphans, never a document without its blobs.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pymongo import ReturnDocument

from pixmill.errors import OutputError
from pixmill.store.archive import unnamed, whole_ms
from pixmill.store.blobs import GREYS, ORIGINALS
from pixmill.store.mongo.bucket import Bucket
from pixmill.store.mongo.captures import take
from pixmill.store.mongo.database import MongoDatabase
from pixmill.store.mongo.documents import (
    ARRIVALS,
    FACTS,
    IMAGES,
    INDICES,
    INSERT_LOGS,
    NEWEST,
    NEWEST_ARRIVALS,
    arrival_in,
    image_in,
    minute_in,
    names_in,
)
from pixmill.store.mongo.gridfs import GridBlobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from pymongo.collection import Collection

    from pixmill.store.archive import (
        Arrival,
        BlobNames,
        Capture,
        Cursor,
        Minute,
        Outcome,
        Span,
        StoredImage,
    )
    from pixmill.store.mongo.database import Document

_STEP = 500  # documents that are dropped at a time


def open_mongo(url: str, spool: Path, clock: Callable[[], datetime]) -> MongoArchive:
    """Open the archive at a `mongodb://` URL, and make its indices where they are missing.

    The database is that of the URL's path, by default `pixmill`; `spool` is the folder of files
    that are not blobs yet. UsageError for what is no URL; OutputError where the server does not
    answer or refuses us, and where the database has images that pixmill did not make.
    """
    database = MongoDatabase(url, clock)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return MongoArchive(database, GridBlobs(database, spool))


def _prepare(database: MongoDatabase) -> None:
    with database.explained():
        first = database[IMAGES].find_one({}, ["sha256", "origin"])
        if first is not None and not {"sha256", "origin"} <= first.keys():
            raise OutputError(
                f"the database {database.shown} has images that pixmill did not make: name another "
                "one in the archive's URL"
            )
        for collection, indices in INDICES.items():
            database[collection].create_indexes(indices)
    for folder in (ORIGINALS, GREYS):
        Bucket(database, folder).make_indices()


class MongoArchive:
    """The port `Archive` over a database that has its indices."""

    def __init__(self, database: MongoDatabase, blobs: GridBlobs) -> None:
        self._database = database
        self._images = database[IMAGES]
        self._arrivals = database[ARRIVALS]
        self._insert_logs = database[INSERT_LOGS]
        self.blobs = blobs
        self._facts = database[FACTS]

    @property
    def id(self) -> str:
        """What tells this archive from others, for good."""
        made = {"$setOnInsert": {"value": secrets.token_hex(16)}}
        with self._database.explained():
            found = self._facts.find_one_and_update(
                {"_id": "archive"}, made, upsert=True, return_document=ReturnDocument.AFTER
            )
        return str(found["value"] if found else "")

    def add(self, captures: Sequence[Capture]) -> list[Outcome]:
        """Take captures and tell what became of each; where it raises, some may have been taken.

        Whoever adds the same again then is told what became of all.
        """
        if not captures:
            return []
        there = self._with_their_blobs(captures)
        with self._database.explained():
            taken = take(self._database, there, whole_ms(self._database.now()))
        images = [capture.image for capture in captures if capture.image is not None]
        self._drop_blobs(unnamed(image, taken.blobs) for image in images)
        return taken.outcomes

    def _with_their_blobs(self, captures: Sequence[Capture]) -> list[Capture]:
        """Forget names of blobs that are gone: those of a repeat, if the image was deleted."""
        named = {name for capture in captures for name in _names(capture)}
        gone = named - self.blobs.standing(named)
        return [
            replace(capture, image=replace(capture.image, blobs=None))
            if capture.image is not None and gone.intersection(_names(capture))
            else capture
            for capture in captures
        ]

    def seen(self, keys: Iterable[bytes]) -> set[bytes]:
        """Tell which captures are here already."""
        return {document["_id"] for document in self._database.pick(self._arrivals, keys, "_id")}

    def known(self, md5s: Iterable[str]) -> dict[str, str]:
        """Tell which of these images are here: MD5 to SHA-256."""
        found = self._database.pick(self._images, md5s, "sha256")
        return {document["_id"]: document["sha256"] for document in found}

    def find(self, md5: str) -> StoredImage | None:
        """Find an image."""
        with self._database.explained():
            document = self._images.find_one({"_id": md5})
        return None if document is None else image_in(document)

    def page(self, limit: int, behind: Cursor | None = None) -> list[StoredImage]:
        """List images, the newest first."""
        query: Document = {}
        if behind is not None:
            moment, md5 = behind
            # The first bound is implied by the others; by it the index is entered at the place.
            query = {
                "insert_time": {"$lte": moment},
                "$or": [{"insert_time": {"$lt": moment}}, {"_id": {"$lt": md5}}],
            }
        with self._database.explained():
            return [image_in(each) for each in self._images.find(query).sort(NEWEST).limit(limit)]

    def arrivals(
        self,
        limit: int,
        *,
        md5: str | None = None,
        code: str | None = None,
        span: Span | None = None,
    ) -> list[Arrival]:
        """List captures of an image, or those with an error code, of a span; the newest first."""
        query: Document = {"md5": md5, "code": code}
        query = {name: value for name, value in query.items() if value is not None}
        if span is not None:
            query["arrived_at"] = {"$gte": span.start, "$lt": span.end}
        with self._database.explained():
            found = self._arrivals.find(query).sort(NEWEST_ARRIVALS).limit(limit)
            return [arrival_in(document) for document in found]

    def minutes(self, start: datetime, end: datetime) -> list[Minute]:
        """List the minutes in which anything came, oldest first."""
        with self._database.explained():
            found = self._insert_logs.find({"_id": {"$gte": start, "$lt": end}}).sort("_id")
            return [minute_in(document) for document in found]

    def delete(self, md5: str) -> bool:
        """Drop an image and then its blobs, but not its captures."""
        with self._database.explained():
            document = self._images.find_one_and_delete({"_id": md5})
        if document is not None:
            self._drop_blobs([names_in(document)])
        return document is not None

    def forget(self, before: datetime) -> int:
        """Drop images that last came before then, older captures and counts."""
        forgotten = 0
        while documents := self._old(self._images, before):
            # The time is asked for again, since an image may come again meanwhile.
            with self._database.explained():
                dropped = [
                    self._images.find_one_and_delete(
                        {"_id": document["_id"], "arrived_at": {"$lt": before}}
                    )
                    for document in documents
                ]
            self._drop_blobs(names_in(document) for document in dropped if document is not None)
            forgotten += len(dropped) - dropped.count(None)
        self._forget_captures(before)
        return forgotten

    def _forget_captures(self, before: datetime) -> None:
        while documents := self._old(self._arrivals, before):
            with self._database.explained():
                ids = [document["_id"] for document in documents]
                self._arrivals.delete_many({"_id": {"$in": ids}})
        with self._database.explained():
            self._insert_logs.delete_many({"_id": {"$lt": before}})

    def _old(self, collection: Collection[Document], before: datetime) -> list[Document]:
        with self._database.explained():
            return list(collection.find({"arrived_at": {"$lt": before}}, ["_id"]).limit(_STEP))

    def blob_names(self) -> Iterator[tuple[str, BlobNames]]:
        """Give the MD5 and blobs of every image, in order of MD5."""
        for document in self._database.walk(self._images, "blobs"):
            yield document["_id"], names_in(document)

    def close(self) -> None:
        """Release connections; may be called again."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _drop_blobs(self, dropped: Iterable[Iterable[str | None]]) -> None:
        self.blobs.drop(name for names in dropped for name in names if name is not None)


def _names(capture: Capture) -> list[str]:
    blobs = capture.image.blobs if capture.image is not None else None
    return [name for name in blobs or () if name is not None]
