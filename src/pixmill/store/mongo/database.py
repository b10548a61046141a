"""A database of MongoDB as the adapter uses it: its URL, its client, and faults as sentences.

What is told to be kept is in the journal, and with a replica set on most of its members, unless
the URL says otherwise. Reads go to where writes go, whatever the URL says: `add` reads what it
wrote.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient, ReadPreference
from pymongo.errors import BulkWriteError, ConfigurationError, PyMongoError

from pixmill.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from pymongo.collection import Collection

Document = dict[str, Any]

_NAME = "pixmill"  # of the database where the URL names none
_STEP = 500  # documents that one query of a walk reads
# What the URL may say otherwise. A write is tried again by itself where the server knows how to
# tell it from a second one, which takes a replica set; elsewhere the client leaves that.
_DEFAULTS: Document = {
    "appname": _NAME,
    "connectTimeoutMS": 5000,
    "serverSelectionTimeoutMS": 5000,
    "socketTimeoutMS": 60_000,
    "w": "majority",
    "journal": True,
}
_LENGTHY = re.compile(r", full error: |, Timeout: | \(configured timeouts: ")


class MongoDatabase:
    """A client and one of its databases, the name that faults are told with, and a clock.

    Nothing is connected to before the first use. UsageError for what is no URL.
    """

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        self._client = _client(url)
        self._database = self._client.get_database(
            self._client.get_default_database(_NAME).name, read_preference=ReadPreference.PRIMARY
        )
        hosts = _parts(url)[0]
        self.shown = f"mongodb://{hosts}/{self._database.name}"
        self.now = clock

    def __getitem__(self, name: str) -> Collection[Document]:
        return self._database[name]

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the server or the way to it refuses into OutputError."""
        try:
            yield
        except PyMongoError as error:
            raise OutputError(
                f"the archive {self.shown} can not be used: {_cause(error)}"
            ) from error

    def pick(
        self, collection: Collection[Document], ids: Iterable[Any], *fields: str
    ) -> Iterator[Document]:
        """Give some fields of the documents with these ids, in no order."""
        wanted = list(ids)
        for start in range(0, len(wanted), _STEP):
            query = {"_id": {"$in": wanted[start : start + _STEP]}}
            with self.explained():
                found = list(collection.find(query, fields))
            yield from found

    def walk(self, collection: Collection[Document], *fields: str) -> Iterator[Document]:
        """Give some fields, by default all, of all documents, while others go on."""
        behind: Document = {}
        while True:
            with self.explained():
                page = list(collection.find(behind, fields or None).sort("_id").limit(_STEP))
            yield from page
            if len(page) < _STEP:
                return
            behind = {"_id": {"$gt": page[-1]["_id"]}}

    def close(self) -> None:
        """Close the connections; may be called again."""
        self._client.close()


def _client(url: str) -> MongoClient[Document]:
    try:
        said = {each.partition("=")[0].lower() for each in re.split("[&;]", _parts(url)[1])}
        unsaid = {name: value for name, value in _DEFAULTS.items() if name.lower() not in said}
        return MongoClient(url, tz_aware=True, tzinfo=UTC, connect=False, **unsaid)
    except (ConfigurationError, ValueError):
        # Nothing of the cause is kept, since it may tell a part of the password.
        raise UsageError(
            "the archive's URL is none: mongodb://USER:PASSWORD@HOST:PORT/DATABASE, where user and "
            "password are percent-encoded"
        ) from None


def _parts(url: str) -> tuple[str, str]:
    """Give the hosts and the options, cut as the client cuts them: nothing secret is a host."""
    place, _, options = url.partition("://")[2].partition("?")
    return place.partition("/")[0].rpartition("@")[2], options


def _cause(error: PyMongoError) -> str:
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        refused = details.get("writeErrors") or details.get("writeConcernErrors") or [{}]
        return str(refused[0].get("errmsg") or "a write was refused")
    return _LENGTHY.split(str(error))[0]
