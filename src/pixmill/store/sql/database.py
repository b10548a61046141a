"""A database as the adapter uses it: transactions, the time, turns, and faults as sentences.

What a kind of database needs (locks, files, pragmas) is left to its own module.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from pixmill.errors import OutputError
from pixmill.store.opening import utc_now
from pixmill.store.sql import postgres
from pixmill.store.sql.schema import counters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Engine

WRITES = "pixmill_writes"  # the execution option that tells a transaction that will write


class Database:
    """An engine, the name that faults are told with, and the clock that times are taken from.

    Without a `clock` it is that of the process, or the server's where `time` is asked for.
    """

    def __init__(self, engine: Engine, shown: str, clock: Callable[[], datetime] | None) -> None:
        self._engine = engine
        self._reader = engine
        self._is_server = engine.dialect.name == "postgresql"
        if self._is_server:  # whose default shows each query another state
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")
        self._writer = engine.execution_options(**{WRITES: True})
        self._asks_for_time = self._is_server and clock is None
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.shown = shown
        self.now = clock or utc_now

    def time(self, connection: Connection) -> datetime:
        """Tell the time that all who use the database agree on, as it is at this moment.

        By it leases are held and ended: the clocks of two machines differ, be it by a lease.
        """
        return postgres.time(connection) if self._asks_for_time else self.now()

    def by_all(self, connection: Connection, moment: datetime) -> datetime:
        """Give a moment by the process's clock as one by the time that all agree on."""
        if not self._asks_for_time:
            return moment
        return moment + (postgres.time(connection) - self.now())

    @contextmanager
    def turn(self, what: str) -> Iterator[bool]:
        """Tell whether nobody else has this turn just now; it is held until the end if so.

        Nothing else waits for it. On a server nobody is no process, in a file no thread of this
        one. Whoever has it for more than `postgres.TURN_S` seconds may have lost it.
        """
        if self._is_server:
            with self._explained():
                connection = self._engine.connect()
                try:
                    yield postgres.take_turn(connection, what)
                finally:
                    with suppress(DBAPIError):  # it was lost, and what was to be done is done
                        connection.close()
            return
        is_mine = self._turns[what].acquire(blocking=False)
        try:
            yield is_mine
        finally:
            if is_mine:
                self._turns[what].release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the database, whatever others write meanwhile."""
        with self._explained(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """All that is done inside, or nothing of it."""
        with self._explained(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            what = " ".join(str(error.orig).split())  # PostgreSQL's client tells in several lines
            cause = f"the catalog {self.shown} can not be used: {what}"
            raise OutputError(cause + advice(error.orig)) from error
        except NoConnection as error:
            raise OutputError(
                f"the catalog {self.shown} can not be used: all its connections are busy"
            ) from error


def advice(cause: BaseException | None) -> str:
    """Give what to do about an error of SQLite, as the end of a sentence; empty for most."""
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
        return (
            "; let it be written to, its folder too, or let PIXMILL_DATA or PIXMILL_CATALOG name a "
            "place that can be written"
        )
    return "; make room on its disk" if code == sqlite3.SQLITE_FULL else ""


def count_up(connection: Connection, counter: str, *, from_value: int | None = None) -> bool:
    """Raise a counter by one, if it stands at `from_value` where that is given; whether it did.

    Until the transaction ends nobody else's can raise it.
    """
    query = update(counters).where(counters.c.name == counter)
    if from_value is not None:
        query = query.where(counters.c.value == from_value)
    return connection.execute(query.values(value=counters.c.value + 1)).rowcount == 1
