"""Secrets for signatures in SQL: the newest signs, and older ones count until they end."""

from __future__ import annotations

import secrets as random_secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, or_, select, update

from pixmill.store.catalog import SIGNING_BYTES
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.database import count_up
from pixmill.store.sql.schema import SECRETS_COUNTER, secrets

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database


class SqlSecrets:
    """The port `Secrets` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def live(self) -> list[bytes]:
        """List the secrets that count, the newest first; there is one at least."""
        with self._database.reading() as connection:
            found = self._live(connection)
        return found or patiently(self._made_first)

    def rotate(self, keep_s: float) -> None:
        """Make a new secret; all others end in `keep_s` seconds, or when they would anyway."""

        def rotated() -> None:
            end = self._database.now() + timedelta(seconds=keep_s)
            lasts_longer = or_(secrets.c.expires_at.is_(None), secrets.c.expires_at > end)
            with self._database.writing() as connection:
                count_up(connection, SECRETS_COUNTER)
                connection.execute(update(secrets).where(lasts_longer).values(expires_at=end))
                self._add(connection)

        patiently(rotated)

    def _made_first(self) -> list[bytes]:
        with self._database.writing() as connection:
            count_up(connection, SECRETS_COUNTER)  # so that of two one waits for the other
            if not self._live(connection):
                self._add(connection)
            return self._live(connection)

    def _live(self, connection: Connection) -> list[bytes]:
        is_live = or_(secrets.c.expires_at.is_(None), secrets.c.expires_at > self._database.now())
        query = select(secrets.c.secret).where(is_live).order_by(secrets.c.id.desc())
        return [bytes(row.secret) for row in connection.execute(query)]

    def _add(self, connection: Connection) -> None:
        now = self._database.now()
        connection.execute(delete(secrets).where(secrets.c.expires_at <= now))
        value = random_secrets.token_bytes(SIGNING_BYTES)
        connection.execute(insert(secrets).values(secret=value, created_at=now))
