"""The SQLite file of kept results: its form, its bound, and its faults as sentences.

Several runs may have it open at once. A broken or foreign file is an error that says what to do,
since silently computing everything anew could cost days. What a row means, and how long it holds,
is left to `cache`.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID = 0x706D6C63  # tells SQLite files of this making from all others
_FORM = 1  # of the table; raised whenever it changes, which begins the cache anew
_BUSY_S = 30.0

# URLs as bytes: a text that is no Unicode (it holds lone surrogates) can not be a TEXT. A row that
# is stored or confirmed gets the highest id, so that the lowest are the oldest.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    id INTEGER PRIMARY KEY, url BLOB NOT NULL, wanted TEXT NOT NULL, packed BLOB NOT NULL,
    http_status INTEGER NOT NULL, attempts INTEGER NOT NULL,
    etag TEXT, last_modified TEXT, fresh_until REAL NOT NULL,
    UNIQUE (url, wanted)
)
"""
_USED_BYTES = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""
# Some at a time: neither is every row that comes in paid by one that goes, nor is a run held up.
_DROP_OLDEST = "DELETE FROM results WHERE id IN (SELECT id FROM results ORDER BY id LIMIT 256)"


@contextmanager
def open_results(folder: Path, max_bytes: int) -> Iterator[sqlite3.Connection]:
    """Open or make the file in `folder`, which is made too, and cut it to `max_bytes`.

    Raises OutputError where it can not be used.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Every write is a transaction of its own, so that no run keeps another one waiting;
        # with a write-ahead log and synchronous=NORMAL that costs no fsync.
        database = sqlite3.connect(
            folder / "results.sqlite",
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
    with closing(database):
        with explained(folder):
            _prepare(database, folder)
            drop_oldest(database, max_bytes)
            # Gives free pages back to the disk; `execute` would stop after the first.
            database.executescript("PRAGMA incremental_vacuum")
        yield database


def drop_oldest(database: sqlite3.Connection, max_bytes: int) -> None:
    """Drop the rows that were stored or confirmed longest ago, until the others take `max_bytes`.

    Dropped rows leave free pages, which new ones fill before the file grows: called after every
    write it bounds the file as well.
    """
    while database.execute(_USED_BYTES).fetchone()[0] > max_bytes:
        if not database.execute(_DROP_OLDEST).rowcount:
            return  # an empty file is larger than that


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with the file of `folder` inside into an OutputError."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise OutputError(
            f"the cache in {folder} can not be used: {error}; "
            "mend the cause, name another --cache folder, or remove this one to start it anew"
        ) from error


def _prepare(database: sqlite3.Connection, folder: Path) -> None:
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA synchronous = NORMAL")
    if not database.execute("PRAGMA page_count").fetchone()[0]:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file, before all else
    database.execute("BEGIN IMMEDIATE")  # of two runs that begin at once, one waits
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != _APPLICATION_ID and tables:
        raise OutputError(
            f"{folder / 'results.sqlite'} was not made by pixmill: name another --cache folder"
        )
    (form,) = database.execute("PRAGMA user_version").fetchone()
    if form != _FORM:
        database.execute("DROP TABLE IF EXISTS results")  # of another version of pixmill
    database.execute(f"PRAGMA user_version = {_FORM}")
    database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    database.execute(_SCHEMA)
    database.execute("COMMIT")
    _use_write_ahead_log(database)


def _use_write_ahead_log(database: sqlite3.Connection) -> None:
    """Switch the mode; SQLite does not wait by itself for a run that uses the file just now."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
