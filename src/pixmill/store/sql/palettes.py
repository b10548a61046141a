"""Palettes in SQL: documents by name, each state with a revision of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from pixmill.errors import UsageError
from pixmill.store.catalog import (
    MAX_PALETTES,
    PaletteInfo,
    check_document,
    check_palette_name,
    is_palette_name,
)
from pixmill.store.sql.database import count_up
from pixmill.store.sql.schema import PALETTES_COUNTER, counters, palettes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database

_SHOWN = (palettes.c.name, palettes.c.entries, palettes.c.revision, palettes.c.changed_at)


class SqlPalettes:
    """The port `Palettes` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[PaletteInfo]:
        """List the palettes in order of name."""
        with self._database.reading() as connection:
            return [_info(row) for row in connection.execute(select(*_SHOWN).order_by(_SHOWN[0]))]

    def get(self, name: str) -> tuple[bytes, PaletteInfo] | None:
        """Read a palette; None where there is none."""
        if not is_palette_name(name):
            return None
        query = select(*_SHOWN, palettes.c.document).where(palettes.c.name == name)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.document, _info(row))

    def revision(self, name: str) -> int | None:
        """Tell the revision of a palette without reading it; None where there is none."""
        if not is_palette_name(name):
            return None
        with self._database.reading() as connection:
            return _revision(connection, name)

    def put(
        self, name: str, document: bytes, entries: int, expected_revision: int | None = None
    ) -> PaletteInfo | None:
        """Keep a palette, if what stands there is what is expected."""
        check_palette_name(name)
        check_document(document)
        with self._database.writing() as connection:
            # First, so that of two who put at once one waits for the other's end.
            count_up(connection, PALETTES_COUNTER)
            standing = _revision(connection, name)
            if expected_revision is not None and (standing or 0) != expected_revision:
                return None
            if standing is None:
                _check_room(connection)
            info = PaletteInfo(name, entries, _newest(connection), self._database.now())
            _store(connection, info, document, new=standing is None)
            return info

    def delete(self, name: str, expected_revision: int | None = None) -> bool:
        """Drop a palette, if it is what is expected; False where there is none such."""
        if not is_palette_name(name):
            return False
        query = delete(palettes).where(palettes.c.name == name)
        if expected_revision is not None:
            query = query.where(palettes.c.revision == expected_revision)
        with self._database.writing() as connection:
            return connection.execute(query).rowcount == 1


def _info(row: Any) -> PaletteInfo:
    return PaletteInfo(row.name, row.entries, row.revision, row.changed_at)


def _revision(connection: Connection, name: str) -> int | None:
    return connection.execute(
        select(palettes.c.revision).where(palettes.c.name == name)
    ).scalar_one_or_none()


def _newest(connection: Connection) -> int:
    query = select(counters.c.value).where(counters.c.name == PALETTES_COUNTER)
    return int(connection.execute(query).scalar_one())


def _check_room(connection: Connection) -> None:
    kept = connection.execute(select(func.count()).select_from(palettes)).scalar_one()
    if kept >= MAX_PALETTES:
        raise UsageError(f"there are {kept:,} palettes already; delete one first")


def _store(connection: Connection, info: PaletteInfo, document: bytes, *, new: bool) -> None:
    values = {
        "revision": info.revision,
        "entries": info.entries,
        "changed_at": info.changed_at,
        "document": document,
    }
    if new:
        connection.execute(insert(palettes).values(name=info.name, **values))
    else:
        connection.execute(update(palettes).where(palettes.c.name == info.name).values(values))
