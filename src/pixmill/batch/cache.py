"""Results kept across runs, by URL, for as long as HTTP's rules let them hold.

Keeps what was computed, never the images; how long a result holds is told by `freshness`, the file
is that of `cache_file`. What comes out of it is checked: nothing in it can do more than give wrong
colors.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from pixmill.analysis import PACKED_FORM, unpack
from pixmill.batch.cache_file import drop_oldest, explained, open_results
from pixmill.batch.freshness import is_storable, lifetime_s

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixmill.analysis import Wanted

_FIND = """
SELECT packed, http_status, attempts, etag, last_modified, fresh_until FROM results
WHERE url = ? AND wanted = ?
"""
_STORE = "INSERT OR REPLACE INTO results VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM results WHERE url = ? AND wanted = ?"
_REFRESH = """
UPDATE results SET id = (SELECT max(id) + 1 FROM results), fresh_until = ?,
    etag = coalesce(?, etag), last_modified = coalesce(?, last_modified)
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
        self,
        database: sqlite3.Connection,
        folder: Path,
        wanted: Wanted,
        max_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._folder = folder
        # Results of another form are never found, so never misread.
        self._name = " ".join(map(str, (PACKED_FORM, *wanted)))
        self._wanted = wanted
        self._max_bytes = max_bytes
        self._clock = clock

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        wanted: Wanted,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> Iterator[Self]:
        """Open or make the cache in `folder`, which is made too; `clock` tells Unix time.

        What was stored or confirmed longest ago goes where all would take more than `max_bytes`.
        """
        with open_results(folder, max_bytes) as database:
            yield cls(database, folder, wanted, max_bytes, clock)

    def find(self, url: str) -> Known | None:
        """Return what is kept for `url`; None where nothing is, or nothing that could be used."""
        with explained(self._folder):
            row = self._database.execute(_FIND, self._key(url)).fetchone()
            if row is None:
                return None
            known = _known(row, self._clock(), self._wanted)
        return known if known.fresh or known.validators else None

    def store(self, url: str, result: Result, headers: Mapping[str, str]) -> None:
        """Keep a result, unless the headers of its answer (lower-case names) make it useless."""
        now = self._clock()
        life_s = lifetime_s(headers, now)
        etag, last_modified = _validators(headers)
        useful = life_s > 0 or etag or last_modified
        if useful and is_storable(headers):
            self._write(_STORE, *self._key(url), *result, etag, last_modified, now + life_s)
        else:
            self.forget(url)

    def forget(self, url: str) -> None:
        """Keep nothing for `url`."""
        self._write(_FORGET, *self._key(url))

    def refresh(self, url: str, headers: Mapping[str, str]) -> None:
        """Take over the freshness and the validators that a 304 gave."""
        now = self._clock()
        fresh_until = now + lifetime_s(headers, now)
        if is_storable(headers):
            self._write(_REFRESH, fresh_until, *_validators(headers), *self._key(url))
        else:
            self.forget(url)

    def _write(self, statement: str, *values: object) -> None:
        with explained(self._folder):
            self._database.execute(statement, values)
            drop_oldest(self._database, self._max_bytes)

    def _key(self, url: str) -> tuple[bytes, str]:
        return url.encode("utf-8", "surrogatepass"), self._name


def _known(row: tuple[object, ...], now: float, wanted: Wanted) -> Known:
    packed, http_status, attempts, etag, last_modified, fresh_until = row
    if not isinstance(packed, bytes) or not isinstance(fresh_until, float):
        raise ValueError("a row is damaged")
    if not isinstance(http_status, int) or not isinstance(attempts, int):
        raise ValueError("a row is damaged")
    analysis = unpack(packed)
    if len(analysis.colors) != wanted.n or (analysis.clusters is None) != (not wanted.summarizer):
        raise ValueError("a result has other products than its key says")
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
