"""Writes that race: documents that somebody else may have made, counters that all count in.

All rest on one thing that MongoDB promises without transactions: of those who insert one `_id`,
one does.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pymongo.errors import BulkWriteError, DuplicateKeyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymongo.collection import Collection

    from pixmill.store.mongo.database import Document

_DUPLICATE = 11000


def insert_new(collection: Collection[Document], documents: Sequence[Document]) -> set[Any]:
    """Insert documents, and return the `_id` of those that stood already.

    Raises BulkWriteError where another document was refused for any other reason.
    """
    if not documents:
        return set()
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if not is_duplicate(error):
            raise
        return {documents[each["index"]]["_id"] for each in error.details["writeErrors"]}
    return set()


def is_duplicate(error: BaseException) -> bool:
    """Whether all that was refused was refused since it stood already."""
    if isinstance(error, BulkWriteError):
        refused = error.details["writeErrors"]
        only = all(each["code"] == _DUPLICATE for each in refused)
        return bool(refused) and only and not error.details["writeConcernErrors"]
    return isinstance(error, DuplicateKeyError)


def count_up(
    collection: Collection[Document],
    which: Any,
    counts: Mapping[str, int],
    at_first: Mapping[str, Any],
) -> None:
    """Add to the counters of a document, made with the fields `at_first` where it is missing."""
    change = {"$inc": dict(counts), "$setOnInsert": dict(at_first)}
    while True:
        # Whoever else made it at the same moment has made it by then.
        with suppress(DuplicateKeyError):
            collection.update_one({"_id": which}, change, upsert=True)
            return
