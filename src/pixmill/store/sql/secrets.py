"""Secrets for signatures in SQL: the newest signs, and older ones count until they end."""

from __future__ import annotations

import secrets as random_secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, insert, or_, select, update

from pixmill.store.catalog import SIGNING_BYTES
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.database import count_up
from pixmill.store.sql.schema import SECRETS_COUNTER, secrets

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database

Purpose = Literal["urls", "webhooks"]


class SqlSecrets:
    """The port `Secrets` over a database, of those for one purpose."""

    def __init__(self, database: Database, purpose: Purpose) -> None:
        self._database = database
        self._purpose = purpose
        self._is_ours = secrets.c.purpose == purpose

    def live(self) -> list[bytes]:
        """List the secrets that count, the newest first; there is one at least."""
        with self._database.reading() as connection:
            found = self._live(connection)
        return found or patiently(self._made_first)

    def rotate(self, keep_s: float) -> None:
        """Make a new secret; all others end in `keep_s` seconds, or when they would anyway."""

        def rotated() -> None:
            end = self._database.now() + timedelta(seconds=keep_s)
            is_longer = or_(secrets.c.expires_at.is_(None), secrets.c.expires_at > end)
            with self._database.writing() as connection:
                count_up(connection, SECRETS_COUNTER)
                these = update(secrets).where(self._is_ours, is_longer)
                connection.execute(these.values(expires_at=end))
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
        query = select(secrets.c.secret).where(self._is_ours, is_live)
        query = query.order_by(secrets.c.id.desc())
        return [bytes(row.secret) for row in connection.execute(query)]

    def _add(self, connection: Connection) -> None:
        now = self._database.now()
        connection.execute(delete(secrets).where(secrets.c.expires_at <= now))
        values = {
            "purpose": self._purpose,
            "secret": random_secrets.token_bytes(SIGNING_BYTES),
            "created_at": now,
        }
        connection.execute(insert(secrets).values(values))
