"""Sessions of pages and links in SQL: digests of tokens, each with its key and its end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from pixmill.errors import UsageError
from pixmill.store.catalog import MAX_TOKENS_OF_KEY, Key, check_lifetime
from pixmill.store.credentials import digest, is_token, make_token
from pixmill.store.sql.keys import LIVE, SHOWN, key_of
from pixmill.store.sql.schema import keys, tokens

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from pixmill.store.sql.database import Database

_SESSION = "session"
_LINK = "link"


class SqlSessions:
    """The port `Sessions` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, key_id: int, lifetime_s: float) -> str:
        """Start a session of a key and give its token."""
        return self._add(_SESSION, key_id, lifetime_s)

    def find(self, token: str) -> Key | None:
        """Find the key of a session that has not ended."""
        if not is_token(token):
            return None
        with self._database.reading() as connection:
            return self._key(connection, self._this(_SESSION, token))

    def end(self, token: str) -> None:
        """End a session; one that is none is no error."""
        if is_token(token):
            with self._database.writing() as connection:
                connection.execute(delete(tokens).where(self._this(_SESSION, token)))

    def add_link(self, key_id: int, lifetime_s: float) -> str:
        """Make the secret of a link that can be redeemed once."""
        return self._add(_LINK, key_id, lifetime_s)

    def redeem(self, text: str) -> Key | None:
        """Use a link up; of those who race for it, who deletes its row has it."""
        if not is_token(text):
            return None
        this = self._this(_LINK, text)
        with self._database.reading() as connection:
            if self._key(connection, this) is None:  # nobody's guess asks for the right to write
                return None
        with self._database.writing() as connection:
            key = self._key(connection, this)
            return key if connection.execute(delete(tokens).where(this)).rowcount == 1 else None

    def _this(self, kind: str, token: str) -> ColumnElement[bool]:
        return (tokens.c.digest == digest(token)) & (tokens.c.kind == kind)

    def _key(self, connection: Connection, this: ColumnElement[bool]) -> Key | None:
        query = (
            select(*SHOWN)
            .join(tokens, tokens.c.key_id == keys.c.id)
            .where(this, tokens.c.expires_at > self._database.now(), LIVE)
        )
        row = connection.execute(query).one_or_none()
        return None if row is None else key_of(row)

    def _add(self, kind: str, key_id: int, lifetime_s: float) -> str:
        check_lifetime(lifetime_s)
        token = make_token()
        now = self._database.now()
        with self._database.writing() as connection:
            if not connection.execute(select(keys.c.id).where(keys.c.id == key_id)).first():
                raise UsageError("there is no such key")
            _make_room(connection, key_id)
            connection.execute(delete(tokens).where(tokens.c.expires_at <= now))
            connection.execute(
                insert(tokens).values(
                    digest=digest(token),
                    kind=kind,
                    key_id=key_id,
                    created_at=now,
                    expires_at=now + timedelta(seconds=lifetime_s),
                )
            )
        return token


def _make_room(connection: Connection, key_id: int) -> None:
    """End the oldest sessions of a key that has too many: signing in must not fill the disk."""
    beyond = (
        select(tokens.c.digest)
        .where(tokens.c.key_id == key_id)
        .order_by(tokens.c.created_at.desc())
        .offset(MAX_TOKENS_OF_KEY - 1)
    )
    connection.execute(delete(tokens).where(tokens.c.digest.in_(beyond)))
