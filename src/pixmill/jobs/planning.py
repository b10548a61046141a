"""Cutting a list into shards, ahead of the workers that do them."""

from __future__ import annotations

import math
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Self

from pixmill.jobs.shard_files import put_items
from pixmill.record import Item
from pixmill.store.shards import NewShard, ShardId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.batch.source import Place, Source
    from pixmill.store.blobs import BlobStore
    from pixmill.store.shards import Shards

# Shards are small where a list begins, below such numbers, so that a short one is many workers' as
# well. They are small where it ends, in the last so many items, so that all workers end together.
_GROWTH = ((32, 125), (96, 500))
_DECLINE = ((4_000, 125), (36_000, 500))
_MOST_SMALL = 128  # at the end, which may be guessed to be near while it is far
_TOLD_EVERY_S = 0.5
_TOLD_TOGETHER = 50
_PAUSE_S = 1.0


def size_of(number: int, most: int, left: float) -> int:
    """Say how many items a shard has, by its number and by those left; `most` amid a long list."""
    first = (size for below, size in _GROWTH if number < below)
    last = (max(size, left - items) for items, size in _DECLINE)
    return int(min([most, *first, *last]))


class Cut(NamedTuple):
    """Which job's list is cut, by which owner, and how many items a shard has at most.

    `on_cut` is called when there are shards for workers.
    """

    job_id: str
    owner: str
    most: int
    on_cut: Callable[[], None]


class Planner:
    """Cuts a list in a thread of its own, from where it was cut before. A context manager.

    Of which nothing was cut, it is cut behind the item `after`, as `Source.items` takes it.
    """

    def __init__(
        self, shards: Shards, blobs: BlobStore, source: Source, cut: Cut, after: Place | None = None
    ) -> None:
        self._shards = shards
        self._blobs = blobs
        self._source = source
        self._job_id, self._owner, self._most, self._on_cut = cut
        self._after = after
        self._stopped = False
        self.over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread()

    def __enter__(self) -> Self:
        self.begin()
        return self

    def begin(self) -> None:
        """Cut what is not cut: again, where the catalog does not know of it any more."""
        self.over = False
        self._thread = threading.Thread(target=self._work, name="pixmill-planner", daemon=True)
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stopped = True
        self._thread.join()

    def check(self) -> None:
        """Raise what the planner failed by: RunError."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while not (self._plan() or self._stopped):
                time.sleep(_PAUSE_S)
        except BaseException as error:  # noqa: BLE001  it is raised where the job is waited for
            self._error = error

    def _plan(self) -> bool:
        """Cut it; `over` is that all is cut and told, by whoever.

        False where what was told may not stand there any more, as in a catalog that lost its last
        moments. A job that is another's by now is left, as its holder will find out.
        """
        before = self._shards.planned(self._job_id)
        if before.complete:
            self.over = True
            return True
        if not self._tell(before.shards, [], complete=False):
            return True
        after = (before.last.last_line, before.last.place) if before.last else self._after
        # The place of the last item is known, not that of the one behind the line it ends on.
        items = self._source.items(after)
        first, waiting = before.shards, list[NewShard]()
        due = time.monotonic()  # the first is told at once
        for shard in self._cut(items, first, after):
            waiting.append(shard)
            if len(waiting) >= _TOLD_TOGETHER or time.monotonic() >= due:
                if not self._tell(first, waiting, complete=False):
                    return False
                first += len(waiting)
                waiting, due = [], time.monotonic() + _TOLD_EVERY_S
        if not self._stopped:
            self.over = self._tell(first, waiting, complete=True)
        return self.over

    def _cut(self, items: Iterator[Item], number: int, after: Place | None) -> Iterator[NewShard]:
        before = 0 if after is None else after[0]  # items, as if every line had been one
        left = math.inf if after is None else self._left(before, after)
        small = 0
        while not self._stopped:
            usual = size_of(number, self._most, math.inf)
            size = size_of(number, self._most, left) if small < _MOST_SMALL else usual
            some = list(islice(items, size))
            if not some:
                return
            put_items(self._blobs, ShardId(self._job_id, number), some)
            shard = NewShard(len(some), some[0].line, some[-1].line, some[-1].position)
            yield shard
            number, before, small = number + 1, before + len(some), small + (size < usual)
            left = self._left(before, (shard.last_line, shard.place))

    def _left(self, items: int, last: Place) -> float:
        """Guess how many items are left behind so many, or one more, as if all were alike."""
        line, place = last
        share = self._source.progress(Item(line=line, url="", position=place))
        return items / share - items if share else math.inf

    def _tell(self, first: int, new: list[NewShard], *, complete: bool) -> bool:
        stands = self._shards.plan(self._job_id, self._owner, first, new, complete=complete)
        if stands and new:
            self._on_cut()
        return stands
