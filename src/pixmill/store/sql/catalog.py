"""Catalog and archive over SQLAlchemy: their ports brought together, opened and migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pixmill.store.sql import postgres
from pixmill.store.sql.archive import SqlArchive
from pixmill.store.sql.database import Database
from pixmill.store.sql.hosts import SqlHosts
from pixmill.store.sql.jobs import SqlJobs
from pixmill.store.sql.keys import SqlKeys
from pixmill.store.sql.palettes import SqlPalettes
from pixmill.store.sql.revisions import bring_up, form_of
from pixmill.store.sql.schema import REVISION
from pixmill.store.sql.secrets import SqlSecrets
from pixmill.store.sql.sessions import SqlSessions
from pixmill.store.sql.shards import SqlShards
from pixmill.store.sql.sqlite import (
    check_folder,
    make_engine,
    make_file,
    use_write_ahead_log,
)
from pixmill.store.sql.webhooks import SqlWebhooks
from pixmill.store.sql.workers import SqlWorkers

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from pixmill.store.blobs import OwnBlobs
    from pixmill.store.opening import Claim, Place


class SqlCatalog:
    """The ports over one database, which is in this version's form."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.keys = SqlKeys(database)
        self.sessions = SqlSessions(database)
        self.palettes = SqlPalettes(database)
        self.jobs = SqlJobs(database)
        self.shards = SqlShards(database)
        self.workers = SqlWorkers(database)
        self.hosts = SqlHosts(database)
        self.webhooks = SqlWebhooks(database)
        self.secrets = SqlSecrets(database, "urls")
        self.webhook_secrets = SqlSecrets(database, "webhooks")

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


def open_catalog_at(place: Place, clock: Callable[[], datetime] | None) -> SqlCatalog:
    """Open a catalog; an embedded one is migrated unasked."""
    return SqlCatalog(_opened(place, clock, unasked=place.embedded)[0])


def open_archive_at(
    place: Place, blobs: OwnBlobs, clock: Callable[[], datetime], claim: Claim
) -> SqlArchive:
    """Open the archive in the database of a catalog, which is treated as by `open_catalog_at`."""
    archive = SqlArchive(_opened(place, clock, unasked=place.embedded)[0], blobs)
    try:
        if claim == "own":
            blobs.claim(archive.id, lambda: not archive.page(1))
    except BaseException:
        archive.close()
        raise
    return archive


def migrate_at(place: Place) -> tuple[str | None, str]:
    """Migrate a catalog, whosever it is, and return its revision before and after."""
    database, before = _opened(place, None, unasked=True)
    database.close()
    return before, REVISION


def form_at(place: Place, *, stands: bool) -> tuple[str | None, str]:
    """Tell the revision of a catalog, None where there is nothing, and that of this version."""
    if place.path is not None and not stands:
        if not place.embedded:
            check_folder(place.path)
        return None, REVISION
    database = _database(place, None)
    try:
        return form_of(database, unasked=place.embedded), REVISION
    finally:
        database.close()


def _opened(
    place: Place, clock: Callable[[], datetime] | None, *, unasked: bool
) -> tuple[Database, str | None]:
    if place.path is not None:
        make_file(place.path, with_folder=place.embedded)
    database = _database(place, clock)
    try:
        before = bring_up(database, unasked=unasked)
        if place.path is not None:
            use_write_ahead_log(place.path)
    except BaseException:
        database.close()
        raise
    return database, before


def _database(place: Place, clock: Callable[[], datetime] | None) -> Database:
    if place.path is None:
        return Database(postgres.make_engine(place.server), postgres.shown(place.server), clock)
    return Database(make_engine(place.path), str(place.path), clock)
