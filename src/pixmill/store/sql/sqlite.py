"""SQLite: the file, its rights and its folder, and how its transactions begin.

Owns everything that another database would do otherwise. A file is made for its owner alone; the
write-ahead log lets readers go on while one writes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event

from pixmill.errors import OutputError
from pixmill.store.sql.database import WRITES, advice

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

_BUSY_S = 5.0
_RETRY_S = 0.02


def make_file(path: Path, *, with_folder: bool) -> None:
    """Make the file where it is missing, with its folder if asked. Raises OutputError.

    A folder is made with mode 0700 and a file with mode 0600, which its log has from it; what
    stands there already keeps its rights.
    """
    try:
        if with_folder:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only a new file is opened here: closing one would drop locks that SQLite holds on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except (OSError, ValueError) as error:
        raise _not_made(path, getattr(error, "strerror", None) or error) from error


def check_folder(path: Path) -> None:
    """Raise OutputError where the file's folder is missing or can not be written."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise _not_made(path, "its folder is missing or can not be written")


def _not_made(path: Path, cause: object) -> OutputError:
    return OutputError(
        f"the catalog {path} can not be made: {cause}; mend the cause, or let PIXMILL_DATA or "
        "PIXMILL_CATALOG name a place that can be written"
    )


def make_engine(path: Path) -> Engine:
    """Return an engine for the file; nothing is opened before its first use."""
    engine = create_engine(
        URL.create("sqlite", database=os.fspath(path)), connect_args={"timeout": _BUSY_S}
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def use_write_ahead_log(path: Path) -> None:
    """Switch the file to it, if it is not yet. Raises OutputError.

    SQLite does not wait by itself for another process that uses the file just now.
    """
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_S)) as database:
                database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                cause = f"the catalog {path} can not be used: {error}"
                raise OutputError(cause + advice(error)) from error
            time.sleep(_RETRY_S)
        else:
            return


def _set_up(connection: Any, record: object) -> None:  # noqa: ARG001  the signature is SQLAlchemy's
    connection.isolation_level = None  # else the driver begins transactions, and late ones
    for pragma in ("foreign_keys = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once where another wrote between.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
