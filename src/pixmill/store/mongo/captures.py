"""Taking captures into MongoDB without a transaction: in an order that no kill can hurt.

Images first, then the captures, then their counts. Whoever was killed takes the same captures
again: an image that bears a capture's key was brought by it, and a capture that stands is told
again. So nothing is lost or double after a replay, but that captures may stand which were never
counted: those in hand at the kill. A step is one round trip for all captures.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pymongo import UpdateOne

from pixmill.store.archive import MD5_COLLISION, BlobNames, Capture, Outcome, minute_of
from pixmill.store.mongo.documents import (
    ARRIVALS,
    IMAGES,
    INSERT_LOGS,
    arrival_document,
    image_document,
    names_in,
    outcome_in,
)
from pixmill.store.mongo.gridfs import file_id
from pixmill.store.mongo.writes import count_up, insert_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pixmill.store.archive import Image
    from pixmill.store.mongo.database import Document, MongoDatabase

_ATTEMPTS = 3  # at an image that others drop between our looks at it


class Taken(NamedTuple):
    """What became of captures, and the blobs that images have, by MD5."""

    outcomes: list[Outcome]
    blobs: dict[str, BlobNames]


def take(database: MongoDatabase, captures: Sequence[Capture], now: datetime) -> Taken:
    """Take captures, of which the blobs that they name are there."""
    told = outcomes_of(database, (capture.key for capture in captures))
    fresh = _fresh(captures, told)
    rows = _settle_images(database, captures, fresh, now)
    decided = {capture.key: _decide(capture, rows) for capture in fresh}
    blobs = {md5: names_in(row) for md5, row in rows.items()} | _give_originals(
        database, fresh, rows
    )
    kept = [capture for capture in fresh if decided[capture.key].result != "absent"]
    told |= _insert_arrivals(database, kept, decided, now)
    _count(database, [decided[each.key] for each in kept if each.key not in told], minute_of(now))
    outcomes = [told.get(capture.key) or decided[capture.key] for capture in captures]
    return Taken(outcomes, blobs)


def outcomes_of(database: MongoDatabase, keys: Iterable[bytes]) -> dict[bytes, Outcome]:
    """Read the outcomes of the captures that are here already."""
    found = database.pick(database[ARRIVALS], set(keys), "result", "code")
    return {document["_id"]: outcome_in(document) for document in found}


def _fresh(captures: Sequence[Capture], told: Mapping[bytes, Outcome]) -> list[Capture]:
    """Leave out what is here already, and what stands twice."""
    fresh: dict[bytes, Capture] = {}
    for capture in captures:
        if capture.key not in told:
            fresh.setdefault(capture.key, capture)
    return list(fresh.values())


def _settle_images(
    database: MongoDatabase, captures: Iterable[Capture], fresh: Sequence[Capture], now: datetime
) -> dict[str, Document]:
    """Insert the images that are new, and give the documents of all that stand, by MD5.

    Times are moved on before a document is read, so that what is seen is not forgotten. An image
    that is dropped right after we inserted it was new; one that is dropped between our looks at it
    is inserted again.
    """
    images = database[IMAGES]
    wanted = {capture.image.md5 for capture in captures if capture.image}
    new = _new_documents(fresh, now)
    rows: dict[str, Document] = {}
    for _ in range(_ATTEMPTS):
        stood = insert_new(images, list(new.values()))
        rows |= {md5: document for md5, document in new.items() if md5 not in stood}
        _note_arrival(
            database, [c.image for c in fresh if c.image and c.image.md5 not in rows], now
        )
        found = database.pick(images, wanted - rows.keys(), "sha256", "origin", "blobs")
        rows |= {document["_id"]: document for document in found}
        new = {md5: document for md5, document in new.items() if md5 not in rows}
        if not new:
            break
    return rows


def _new_documents(fresh: Iterable[Capture], now: datetime) -> dict[str, Document]:
    new: dict[str, Document] = {}
    for capture in fresh:
        image = capture.image
        if image is not None and image.blobs is not None:
            new.setdefault(image.md5, image_document(image, capture.key, now))
    return new


def _note_arrival(database: MongoDatabase, images: Iterable[Image], now: datetime) -> None:
    """Move the times of images on; on a second machine's clock they may be later already."""
    which = sorted({(image.md5, image.sha256) for image in images})
    change = {"$max": {"arrived_at": now}}
    if which:
        database[IMAGES].bulk_write(
            [UpdateOne({"_id": md5, "sha256": sha256}, change) for md5, sha256 in which],
            ordered=False,
        )


def _decide(capture: Capture, rows: Mapping[str, Document]) -> Outcome:
    image = capture.image
    if image is None:
        return Outcome("fail", capture.code)
    row = rows.get(image.md5)
    if row is None:
        return Outcome("absent")
    if row["sha256"] != image.sha256:
        return Outcome("fail", MD5_COLLISION)
    return Outcome("success" if row["origin"] == capture.key else "duplicate")


def _give_originals(
    database: MongoDatabase, fresh: Iterable[Capture], rows: Mapping[str, Document]
) -> dict[str, BlobNames]:
    """Complete images that were kept without an original, and tell the blobs that they have now.

    Of those who race for it one finds the image without.
    """
    given: dict[str, BlobNames] = {}
    for image in (capture.image for capture in fresh):
        row = rows.get(image.md5) if image else None
        if image is None or row is None or row["blobs"]["original"] is not None:
            continue
        original = image.blobs.original if image.blobs else None
        if original is not None and image.md5 not in given:
            lacking = {"_id": image.md5, "sha256": image.sha256, "blobs.original": None}
            change = {"blobs.original": original, "original_id": file_id(original)}
            if database[IMAGES].update_one(lacking, {"$set": change}).modified_count:
                given[image.md5] = BlobNames(original, row["blobs"]["grey"])
    return given


def _insert_arrivals(
    database: MongoDatabase,
    captures: Sequence[Capture],
    decided: Mapping[bytes, Outcome],
    now: datetime,
) -> dict[bytes, Outcome]:
    """Insert captures, and tell the outcomes of those that somebody else inserted meanwhile."""
    documents = [arrival_document(each, decided[each.key], now) for each in captures]
    return outcomes_of(database, insert_new(database[ARRIVALS], documents))


def _count(database: MongoDatabase, outcomes: Sequence[Outcome], minute: datetime) -> None:
    if not outcomes:
        return
    results = Counter(outcome.result for outcome in outcomes)
    codes = Counter(f"codes.{outcome.code}" for outcome in outcomes if outcome.code is not None)
    counts = {name: results[name] for name in ("success", "fail", "duplicate")}
    count_up(database[INSERT_LOGS], minute, counts | codes, {"interval": minute})
