"""The rows of a run into the archive, many at a time, on their way to the run's table.

A row is passed on once the archive has it, so what the table tells of is in the archive; where a
kill comes between the two, the same rows come again under the same keys, which the archive knows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from pixmill.errors import InternalError, Md5Collision
from pixmill.fetch.url import without_password
from pixmill.ingest.keeper import image_of
from pixmill.record import Failure, Item, Record
from pixmill.store.archive import Capture, capture_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Literal

    from pixmill.ingest.keeper import ArchiveKeeper
    from pixmill.store.archive import Outcome

Row = tuple[Item, Record]

MOST_ROWS = 256
_WAIT_S = 0.25
_COLLISION = "another file of the archive has this MD5"
_DROPPED = "the archive dropped the image while it came again; it has to be fetched anew"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the captures of a run are said to be from: each item's own URL or path by default.

    With a `name`, that is the source of all, and the URL or path their reference, cut to its end.
    """

    name: str | None = None

    def of(self, item: Item) -> tuple[str, str]:
        """Give the source and the reference of an item."""
        place = item.path or without_password(item.url)
        return (place, "") if self.name is None else (self.name, place[-100:])


class Arrivals:
    """The stage of a run that takes its rows into the archive.

    `key` tells captures apart: equal keys are the same capture, whenever they come.
    """

    def __init__(
        self,
        keeper: ArchiveKeeper,
        sender: Sender,
        key: Callable[[str, Item], bytes] = lambda run, item: capture_key(run, item.line),
    ) -> None:
        self._archive, self._keeper = keeper.archive, keeper
        self.sender = sender
        self._key = key

    def through(self, rows: Iterable[Row | None], run: str) -> Iterator[Row | None]:
        """Pass rows on once the archive has them, with what became of each. Raises OutputError."""
        waiting: list[Row] = []
        due = 0.0
        for row in rows:
            if row is not None:
                due = due if waiting else time.monotonic() + _WAIT_S
                waiting.append(row)
            if row is None or len(waiting) >= MOST_ROWS or time.monotonic() >= due:
                yield from self._landed(waiting, run)
                waiting = []
            if row is None:
                yield None
        yield from self._landed(waiting, run)

    def drop(self, record: Record) -> None:
        """Drop what was kept of a record that is not to go into the archive."""
        if record.kept is not None:
            self._keeper.drop(record.kept)

    def _landed(self, rows: list[Row], run: str) -> Iterator[Row]:
        if not rows:
            return
        captures = [self._capture(item, record, run) for item, record in rows]
        for _, record in rows:
            if record.kept is not None:
                self._keeper.hand_over(record.kept)
        outcomes = self._archive.add(captures)
        absent = [place for place, outcome in enumerate(outcomes) if outcome.result == "absent"]
        if absent:
            failed = [replace(captures[at], image=None, code=InternalError.code) for at in absent]
            for at, outcome in zip(absent, self._archive.add(failed), strict=True):
                outcomes[at] = outcome
        for (item, record), outcome in zip(rows, outcomes, strict=True):
            yield item, _told(record, outcome)

    def _capture(self, item: Item, record: Record, run: str) -> Capture:
        source, reference = self.sender.of(item)
        analysis, kept = record.analysis, record.kept
        return Capture(
            key=self._key(run, item),
            source=source,
            reference=reference,
            image=image_of(analysis, kept) if analysis and kept else None,
            code=record.failure.code if record.failure else None,
        )


def _told(record: Record, outcome: Outcome) -> Record:
    if outcome.result != "fail":
        return replace(record, arrival=cast("Literal['success', 'duplicate']", outcome.result))
    if record.failure is not None:
        return record
    sentence = _COLLISION if outcome.code == Md5Collision.code else _DROPPED
    failure = Failure(outcome.code or InternalError.code, sentence)
    return replace(record, analysis=None, kept=None, failure=failure)
