"""The way of a watched folder's files into the archive: whole ones alone, and the watch is told."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from pixmill.ingest.retention import EVERY_S
from pixmill.store.opening import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pixmill.ingest.arrivals import Arrivals, Row
    from pixmill.ingest.watch import FolderWatch
    from pixmill.store.archive import Archive


class WatchedArrivals:
    """The stage of a watch: only whole files go into the archive, and the watch learns of it.

    What came last more than `keep_days` ago is dropped at the start and every hour. `say` is told
    what happens to the folder.
    """

    def __init__(
        self,
        watch: FolderWatch,
        arrivals: Arrivals,
        archive: Archive,
        say: Callable[[str], None],
        keep_days: float | None = None,
    ) -> None:
        self._watch, self._arrivals, self._archive = watch, arrivals, archive
        self._say = say
        self._keep_days = keep_days
        self._forget_at = time.monotonic()

    def through(self, rows: Iterable[Row | None], run: str) -> Iterator[Row | None]:
        """Pass on rows of whole files, once the archive has them. Raises OutputError."""
        for row in self._arrivals.through(self._whole(rows), run):
            if row is not None:
                self._watch.landed(row[0])
            yield row

    def _whole(self, rows: Iterable[Row | None]) -> Iterator[Row | None]:
        for row in rows:
            while self._watch.news:
                self._say(self._watch.news.popleft())
            self._forget()
            if row is None or self._watch.stands(*row):
                yield row
            else:
                self._arrivals.drop(row[1])  # the file had changed when it was read

    def _forget(self) -> None:
        if self._keep_days is not None and time.monotonic() >= self._forget_at:
            self._archive.forget(utc_now() - timedelta(days=self._keep_days))
            self._forget_at = time.monotonic() + EVERY_S
