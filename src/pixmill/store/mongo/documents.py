"""Images, captures and minutes as documents, and back; and the indices they are found by.

Every field is meant to be read by others too, so names are whole words. An image's `image_id` and
`original_id` are those of its files in the buckets `greys` and `originals`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from pixmill.record import Color
from pixmill.store.archive import (
    MAX_REFERENCE_CHARS,
    MAX_SOURCE_CHARS,
    Arrival,
    BlobNames,
    Image,
    Minute,
    Outcome,
    StoredImage,
    clean_text,
)
from pixmill.store.mongo.gridfs import file_id

if TYPE_CHECKING:
    from datetime import datetime

    from pixmill.store.archive import Capture
    from pixmill.store.mongo.database import Document

IMAGES, ARRIVALS, INSERT_LOGS, FACTS = "images", "arrivals", "insert_logs", "facts"
NEWEST = [("insert_time", DESCENDING), ("_id", DESCENDING)]
# Times are of milliseconds; `order` grows from one arrival of a process to the next.
NEWEST_ARRIVALS = [("arrived_at", DESCENDING), ("order", DESCENDING)]

INDICES = {
    IMAGES: [IndexModel(NEWEST), IndexModel([("arrived_at", ASCENDING)])],
    ARRIVALS: [
        IndexModel(NEWEST_ARRIVALS),
        IndexModel([("md5", ASCENDING), *NEWEST_ARRIVALS]),
        IndexModel(
            [("code", ASCENDING), *NEWEST_ARRIVALS],
            partialFilterExpression={"code": {"$exists": True}},
        ),
    ],
}


def image_document(image: Image, origin: bytes, now: datetime) -> Document:
    """Make the document of an image that has blobs; `origin` is the key of what brought it."""
    original, grey = image.blobs or (None, "")
    return {
        "_id": image.md5,
        "image_id": file_id(grey),
        "original_id": original and file_id(original),
        "insert_time": now,
        "width": image.width,
        "height": image.height,
        "sha256": image.sha256,
        "bytes": image.bytes,
        "format": image.format,
        "colors": [{"hex": c.hex, "count": c.count, "share": c.share} for c in image.colors],
        "color": image.color,
        "arrived_at": now,
        "origin": origin,
        "blobs": {"original": original, "grey": grey},
    }


def image_in(document: Document) -> StoredImage:
    """Read the document of an image."""
    image = Image(
        md5=document["_id"],
        sha256=document["sha256"],
        bytes=document["bytes"],
        format=document["format"],
        width=document["width"],
        height=document["height"],
        colors=tuple(_color(**color) for color in document["colors"]),
        color=document["color"],
        blobs=names_in(document),
    )
    return StoredImage(image, document["insert_time"], document["arrived_at"])


def names_in(document: Document) -> BlobNames:
    """Read the names of an image's blobs."""
    return BlobNames(document["blobs"]["original"], document["blobs"]["grey"])


def arrival_document(capture: Capture, outcome: Outcome, now: datetime) -> Document:
    """Make the document of a capture: without `md5` where it has no image, `code` where no fail."""
    document = {
        "_id": capture.key,
        "arrived_at": now,
        "order": ObjectId(),
        "source": clean_text(capture.source, MAX_SOURCE_CHARS),
        "reference": clean_text(capture.reference, MAX_REFERENCE_CHARS),
        "md5": capture.image.md5 if capture.image else None,
        "result": outcome.result,
        "code": outcome.code,
    }
    return {name: value for name, value in document.items() if value is not None}


def arrival_in(document: Document) -> Arrival:
    """Read the document of a capture."""
    return Arrival(
        document["_id"],
        document["arrived_at"],
        document["source"],
        document["reference"],
        document.get("md5"),
        outcome_in(document),
    )


def outcome_in(document: Document) -> Outcome:
    """Read what became of a capture."""
    return Outcome(document["result"], document.get("code"))


def minute_in(document: Document) -> Minute:
    """Read what was counted in a minute; it has no `codes` before its first fail."""
    return Minute(
        minute=document["_id"],
        success=document["success"],
        fail=document["fail"],
        duplicate=document["duplicate"],
        codes=document.get("codes", {}),
    )


def _color(hex: str, count: int, share: float) -> Color:  # noqa: A002  the document's field
    red, green, blue = bytes.fromhex(hex.removeprefix("#"))
    return Color((red, green, blue), hex, count, share)
