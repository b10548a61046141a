"""Catalog and archive over SQLAlchemy: their ports brought together, opened and migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pixmill.store.opening import utc_now
from pixmill.store.sql.archive import SqlArchive
from pixmill.store.sql.database import Database
from pixmill.store.sql.keys import SqlKeys
from pixmill.store.sql.palettes import SqlPalettes
from pixmill.store.sql.revisions import bring_up
from pixmill.store.sql.schema import REVISION
from pixmill.store.sql.sessions import SqlSessions
from pixmill.store.sql.sqlite import make_engine, make_file, use_write_ahead_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from pixmill.store.blobs import BlobStore


class SqlCatalog:
    """The ports over one database, which is in this version's form."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.keys = SqlKeys(database)
        self.sessions = SqlSessions(database)
        self.palettes = SqlPalettes(database)

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


def open_sqlite(path: Path, *, embedded: bool, clock: Callable[[], datetime]) -> SqlCatalog:
    """Open the file, which is made where it is missing; `embedded` ones are migrated unasked."""
    database, _ = _opened(path, clock, embedded=embedded, unasked=embedded)
    return SqlCatalog(database)


def open_sqlite_archive(
    path: Path, blobs: BlobStore, *, embedded: bool, clock: Callable[[], datetime]
) -> SqlArchive:
    """Open the archive in the file of a catalog, which is treated as by `open_sqlite`."""
    database, _ = _opened(path, clock, embedded=embedded, unasked=embedded)
    return SqlArchive(database, blobs)


def migrate_sqlite(path: Path, *, embedded: bool) -> tuple[str | None, str]:
    """Migrate the file, whosever it is, and return its revision before and after."""
    database, before = _opened(path, utc_now, embedded=embedded, unasked=True)
    database.close()
    return before, REVISION


def _opened(
    path: Path, clock: Callable[[], datetime], *, embedded: bool, unasked: bool
) -> tuple[Database, str | None]:
    make_file(path, with_folder=embedded)
    database = Database(make_engine(path), str(path), clock)
    try:
        before = bring_up(database, unasked=unasked)
        use_write_ahead_log(path)
    except BaseException:
        database.close()
        raise
    return database, before
