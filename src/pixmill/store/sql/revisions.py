"""Which form a catalog has, and bringing it to the form that this version knows.

Owns the decision who may be migrated, the lock, and the call of Alembic, which is imported only
where there is something to migrate. The steps themselves are in `migrations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String, column, inspect, select, table

from pixmill.errors import OutputError
from pixmill.store.sql.postgres import lock_for_migration
from pixmill.store.sql.schema import REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database

_LOCATION = "pixmill.store.sql:migrations"


def bring_up(database: Database, *, unasked: bool) -> str | None:
    """Migrate an empty catalog or, with `unasked`, any that is behind; return what it was at.

    That is None for an empty one. OutputError for a foreign or newer database, and for one that is
    behind and may not be migrated. Two processes at once both end well: the second waits, and finds
    nothing left to do.
    """
    with database.reading() as connection:
        found = _revision(connection, database.shown)
    if found == REVISION:
        return found
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            lock_for_migration(connection)
        found = _revision(connection, database.shown)
        if found != REVISION:
            _check(found, database.shown, unasked=unasked)
            _upgrade(connection)
    return found


def form_of(database: Database, *, unasked: bool) -> str | None:
    """Tell what a catalog is at; OutputError for one that `bring_up` refuses."""
    with database.reading() as connection:
        found = _revision(connection, database.shown)
    if found != REVISION:
        _check(found, database.shown, unasked=unasked)
    return found


def _revision(connection: Connection, shown: str) -> str | None:
    """Read the revision; None for a database with nothing in it."""
    names = inspect(connection).get_table_names()
    if not names:
        return None
    if VERSION_TABLE not in names:
        raise OutputError(
            f"the catalog {shown} was not made by pixmill; let PIXMILL_CATALOG name another one"
        )
    query = select(column("version_num", String)).select_from(table(VERSION_TABLE))
    return str(connection.execute(query).scalar())


def _check(found: str | None, shown: str, *, unasked: bool) -> None:
    if found is None:
        return
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found not in known:
        raise OutputError(
            f"the catalog {shown} is of a newer pixmill (its revision {found[:40]!a} is not known "
            "here): upgrade pixmill, or restore the catalog from before"
        )
    if not unasked:
        raise OutputError(
            f"the catalog {shown} is of an older pixmill (revision {found}, not {REVISION}): "
            "keep a copy of it and run `pixmill migrate`"
        )


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", _LOCATION)
    return config
