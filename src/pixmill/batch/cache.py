"""Results kept across runs, by URL, in one SQLite file of a folder; several runs may share it.

Keeps what was computed, never the images; how long a result holds is told by `freshness`. A broken
or foreign file is an error that says what to do, since silently computing everything anew could
cost days. What comes out of the file is checked: nothing in it can do more than give wrong colors.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from pixmill.analysis import PACKED_FORM, unpack
from pixmill.batch.freshness import is_storable, lifetime_s
from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixmill.analysis import Wanted

_APPLICATION_ID = 0x706D6C63  # tells SQLite files of this making from all others
# URLs as bytes: a text that is no Unicode (it holds lone surrogates) can not be a TEXT
_BUSY_S = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    url BLOB NOT NULL, wanted TEXT NOT NULL, packed BLOB NOT NULL,
    http_status INTEGER NOT NULL, attempts INTEGER NOT NULL,
    etag TEXT, last_modified TEXT, fresh_until REAL NOT NULL,
    PRIMARY KEY (url, wanted)
) WITHOUT ROWID
"""
_FIND = """
SELECT packed, http_status, attempts, etag, last_modified, fresh_until FROM results
WHERE url = ? AND wanted = ?
"""
_STORE = "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM results WHERE url = ? AND wanted = ?"
_REFRESH = """
UPDATE results SET fresh_until = ?, etag = coalesce(?, etag),
    last_modified = coalesce(?, last_modified)
WHERE url = ? AND wanted = ?
"""


class Result(NamedTuple):
    """What is kept of a URL.

    A packed analysis, the status of the answer it came from and the attempts that took: a row made
    of it must not tell that it was kept, or a run resumed after a kill would end otherwise.
    """

    packed: bytes
    http_status: int
    attempts: int


class Known(NamedTuple):
    """A kept result: usable at once if `fresh`, else after the origin confirmed the `validators`.

    Its `packed` can be unpacked; `validators` are headers of a conditional request.
    """

    result: Result
    fresh: bool
    validators: dict[str, str]


class ResultCache:
    """Kept results for one set of wanted products. Not thread-safe: for one event loop.

    Every method raises OutputError where the file can not be used.
    """

    def __init__(
        self, database: sqlite3.Connection, folder: Path, wanted: Wanted, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._folder = folder
        # Results of another form are never found, so never misread.
        self._wanted = f"{PACKED_FORM} {wanted.n} {wanted.alpha} {wanted.md5}"
        self._n = wanted.n
        self._clock = clock

    @classmethod
    @contextmanager
    def open(
        cls, folder: Path, wanted: Wanted, clock: Callable[[], float] = time.time
    ) -> Iterator[Self]:
        """Open or make the cache in `folder`, which is made too; `clock` tells Unix time."""
        with _explained(folder):
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
            with _explained(folder):
                _prepare(database, folder)
            yield cls(database, folder, wanted, clock)

    def find(self, url: str) -> Known | None:
        """Return what is kept for `url`; None where nothing is, or nothing that could be used."""
        with _explained(self._folder):
            row = self._database.execute(_FIND, self._key(url)).fetchone()
            if row is None:
                return None
            known = _known(row, self._clock(), self._n)
        return known if known.fresh or known.validators else None

    def store(self, url: str, result: Result, headers: Mapping[str, str]) -> None:
        """Keep a result, unless the headers of its answer (lower-case names) make it useless."""
        now = self._clock()
        life_s = lifetime_s(headers, now)
        etag, last_modified = _validators(headers)
        useful = life_s > 0 or etag or last_modified
        with _explained(self._folder):
            if useful and is_storable(headers):
                row = (*self._key(url), *result, etag, last_modified, now + life_s)
                self._database.execute(_STORE, row)
            else:
                self._database.execute(_FORGET, self._key(url))

    def forget(self, url: str) -> None:
        """Keep nothing for `url`."""
        with _explained(self._folder):
            self._database.execute(_FORGET, self._key(url))

    def refresh(self, url: str, headers: Mapping[str, str]) -> None:
        """Take over the freshness and the validators that a 304 gave."""
        now = self._clock()
        row = (now + lifetime_s(headers, now), *_validators(headers), *self._key(url))
        with _explained(self._folder):
            if is_storable(headers):
                self._database.execute(_REFRESH, row)
            else:
                self._database.execute(_FORGET, self._key(url))

    def _key(self, url: str) -> tuple[bytes, str]:
        return url.encode("utf-8", "surrogatepass"), self._wanted


def _known(row: tuple[object, ...], now: float, n: int) -> Known:
    packed, http_status, attempts, etag, last_modified, fresh_until = row
    if not isinstance(packed, bytes) or not isinstance(fresh_until, float):
        raise ValueError("a row is damaged")
    if not isinstance(http_status, int) or not isinstance(attempts, int):
        raise ValueError("a row is damaged")
    if len(unpack(packed).colors) != n:
        raise ValueError("a result has another number of colors than its key says")
    validators = {"If-None-Match": _sendable(etag), "If-Modified-Since": _sendable(last_modified)}
    return Known(
        Result(packed, http_status, attempts),
        now < fresh_until,
        {name: value for name, value in validators.items() if value},
    )


def _validators(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    return _sendable(headers.get("etag")), _sendable(headers.get("last-modified"))


def _sendable(text: object) -> str | None:
    """Return a header's value if it is text that a request may carry, else None."""
    return text if isinstance(text, str) and text.isascii() and text.isprintable() else None


def _prepare(database: sqlite3.Connection, folder: Path) -> None:
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("BEGIN IMMEDIATE")  # of two runs that begin at once, one waits
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != _APPLICATION_ID and tables:
        raise OutputError(
            f"{folder / 'results.sqlite'} was not made by pixmill: name another --cache folder"
        )
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


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise OutputError(
            f"the cache in {folder} can not be used: {error}; "
            "mend the cause, name another --cache folder, or remove this one to start it anew"
        ) from error
