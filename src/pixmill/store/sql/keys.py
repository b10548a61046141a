"""Keys in SQL: made once, found by their prefix, revoked and kept."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from pixmill.store.catalog import Key, LastAdmin, NameTaken, check_key_name, checked_scopes
from pixmill.store.credentials import digest, make_key, prefix_in, prefix_of
from pixmill.store.sql.database import count_up
from pixmill.store.sql.schema import KEYS_COUNTER, keys, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database

SHOWN = (keys.c.id, keys.c.name, keys.c.prefix, keys.c.scopes, keys.c.created_at, keys.c.revoked_at)
LIVE = keys.c.revoked_at.is_(None)

_NOBODYS = bytes(32)  # compared where there is no such prefix, so that both ways take as long


class SqlKeys:
    """The port `Keys` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, scopes: Iterable[str]) -> tuple[Key, str]:
        """Make a key and its text."""
        check_key_name(name)
        wanted = checked_scopes(scopes)
        with self._database.writing() as connection:
            count_up(connection, KEYS_COUNTER)
            return self._insert(connection, name, wanted)

    def add_first(self, name: str, scopes: Iterable[str]) -> tuple[Key, str] | None:
        """Make a key if there never was one."""
        check_key_name(name)
        wanted = checked_scopes(scopes)
        with self._database.writing() as connection:
            if not count_up(connection, KEYS_COUNTER, from_value=0):
                return None
            return self._insert(connection, name, wanted)

    def find(self, text: str) -> Key | None:
        """Find the live key with this text."""
        prefix = prefix_of(text)
        if prefix is None:
            return None
        query = select(*SHOWN, keys.c.digest).where(LIVE, keys.c.prefix == prefix)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        kept = _NOBODYS if row is None else row.digest
        return key_of(row) if hmac.compare_digest(kept, digest(text)) and row else None

    def all(self) -> list[Key]:
        """List live and revoked keys, oldest first."""
        with self._database.reading() as connection:
            return [key_of(row) for row in connection.execute(select(*SHOWN).order_by(keys.c.id))]

    def revoke(self, name_or_prefix: str, *, spare_last_admin: bool = False) -> Key | None:
        """Revoke a live key and end its sessions."""
        with self._database.writing() as connection:
            found = _live(connection, name_or_prefix)
            if found is None:
                return None
            if spare_last_admin:
                count_up(connection, KEYS_COUNTER)  # so that nobody else revokes meanwhile
                _check_not_last_admin(connection, found.id)
            now, this = self._database.now(), keys.c.id == found.id
            done = connection.execute(update(keys).where(LIVE, this).values(revoked_at=now))
            if not done.rowcount:  # another was first
                return None
            connection.execute(delete(tokens).where(tokens.c.key_id == found.id))
            return key_of(connection.execute(select(*SHOWN).where(this)).one())

    def count(self) -> int:
        """Count the live keys."""
        with self._database.reading() as connection:
            return connection.execute(
                select(func.count()).select_from(keys).where(LIVE)
            ).scalar_one()

    def _insert(self, connection: Connection, name: str, scopes: frozenset[str]) -> tuple[Key, str]:
        """Insert while the counter is held, so that nobody else takes the name meanwhile."""
        if connection.execute(select(keys.c.id).where(LIVE, keys.c.name == name)).first():
            raise NameTaken(f"there is a key {name} already; revoke it first, or choose a name")
        prefix, text = make_key()
        values = {
            "name": name,
            "prefix": prefix,
            "digest": digest(text),
            "scopes": " ".join(sorted(scopes)),
            "created_at": self._database.now(),
        }
        connection.execute(insert(keys).values(values))
        row = connection.execute(select(*SHOWN).where(keys.c.prefix == prefix)).one()
        return key_of(row), text


def key_of(row: Any) -> Key:
    """Make a key from a row of the columns `SHOWN`."""
    return Key(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=frozenset(row.scopes.split()),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


def _live(connection: Connection, name_or_prefix: str) -> Any:
    """Find the live key of this name, else the one of this prefix."""
    plain = name_or_prefix.isascii() and name_or_prefix.isprintable()
    if len(name_or_prefix) > 100 or not plain:
        return None
    for match in (keys.c.name == name_or_prefix, keys.c.prefix == prefix_in(name_or_prefix)):
        row = connection.execute(select(keys.c.id).where(LIVE, match)).first()
        if row is not None:
            return row
    return None


def _check_not_last_admin(connection: Connection, key_id: int) -> None:
    live = [key_of(row) for row in connection.execute(select(*SHOWN).where(LIVE))]
    admins = [key for key in live if "admin" in key.scopes]
    if [key.id for key in admins] == [key_id]:
        raise LastAdmin(
            f"the key {admins[0].name} is the last one with the scope admin; make another one first"
        )
