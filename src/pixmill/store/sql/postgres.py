"""PostgreSQL: how its engine is made, its time, and what one process at a time does.

Owns everything that another database would do otherwise.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Engine

# A machine that is gone is noticed by the first packets that it does not acknowledge.
_CONNECTION = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,  # ms
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "pixmill",
}
# Connections of one engine: those that stay open, and those of busy moments. docs/deploy.md counts
# on them, and so does `web/store_calls.py`.
KEPT, MORE = 5, 10
_MIGRATION_LOCK = 0x7069786D  # any number, the same for all versions
_TURN_LOCKS = 0x7069786F  # with a number of what it is a turn of
TURN_S = 60
_DRIVER = "postgresql+psycopg"


def make_engine(url: str) -> Engine:
    """Return an engine for a `postgresql://` URL; nothing is opened before its first use.

    Raises UsageError for what is no URL.
    """
    return create_engine(
        _parsed(url).set(drivername=_DRIVER),
        pool_size=KEPT,
        max_overflow=MORE,
        pool_pre_ping=True,  # a connection that the server has closed costs no request
        connect_args=_CONNECTION,
    )


def shown(url: str) -> str:
    """Give a URL as messages may tell it: without what is secret."""
    parsed = _parsed(url)
    port = f":{parsed.port}" if parsed.port else ""
    return f"{parsed.get_backend_name()}://{parsed.host or ''}{port}/{parsed.database or ''}"


def lock_for_migration(connection: Connection) -> None:
    """Wait until no other process migrates; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})


def time(connection: Connection) -> datetime:
    """Tell the server's time, as it is at this moment of the transaction."""
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


def take_turn(connection: Connection, what: str) -> bool:
    """Take a turn that one has at a time, until the transaction ends; whether nobody has it.

    One who stands still, as a machine does that was halted, has lost it after `TURN_S` seconds.
    """
    connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {TURN_S * 1000}"))
    query = text("SELECT pg_try_advisory_xact_lock(:locks, :what)")
    numbers = {"locks": _TURN_LOCKS, "what": zlib.crc32(what.encode()) >> 1}
    return bool(connection.execute(query, numbers).scalar_one())


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UsageError("the catalog's URL is none: postgresql://USER@HOST/DATABASE") from error
