"""A folder that others put files into, as an endless source: each file once, when it is complete.

A file is complete when two looks, some time apart, find it with the same size and time of change.
What does not decode may still be on its way, so it is put off, and is a failure only once it has
lain unchanged for longer. Files are told apart by path, size and time of change, which make the key
of a capture: what the archive has under that key is not taken in again, by no watcher and no later
run. Any number of watchers share a folder without knowing of each other: each goes through what is
new in an order of its own, little at a time, and asks the archive just before.

The folder is looked at again and again, since no notice comes of what other machines write to a
NAS. It is never written to. Hidden files, links, and files named as on their way are left alone.
"""

from __future__ import annotations

import math
import os
import random
import stat
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pixmill.batch.source.entry import display, reason, unreadable
from pixmill.errors import CorruptImage, UnsupportedFormat
from pixmill.record import Item
from pixmill.store.archive import capture_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.record import Record
    from pixmill.store.archive import Archive

_LOOK_EVERY_S = 0.5
_DAY_NS = 86_400 * 10**9
_REST = 4  # a look that takes long is followed by a rest of so many times that
_MOST_AT_WORK = 128
_ASKED_AT_ONCE = 32
_ON_ITS_WAY = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")
_PERHAPS_HALF = {CorruptImage.code, UnsupportedFormat.code}


class Version(NamedTuple):
    """A file as it was at one look: bytes, and time of change in ns since 1970."""

    size: int
    changed_ns: int


class Waits(NamedTuple):
    """How long a file is unchanged before it is taken in, and before it is a failure if broken."""

    settle_s: float = 1.0
    broken_s: float = 30.0


WAITS = Waits()


class _Waiting(NamedTuple):
    """A file that is not at work: `since` when it is as it is, and whether it did not decode."""

    version: Version
    since: float
    put_off: bool = False


class FolderWatch:
    """The files of a folder and those below it, as a source of items that ends with `stop`.

    `name` is what the folder is called in keys of captures: watchers of one folder have to agree on
    it. Files that have not changed for `keep_days` are left alone, since the archive drops what is
    as old, and would have it anew at each start. One thread draws the items, another calls the
    other methods. Raises InputError if the folder can not be read at the start; what happens to it
    later is told by `news`, and it is tried again.
    """

    resumable = False
    total_bytes = None

    def __init__(
        self,
        folder: Path,
        archive: Archive,
        name: str,
        *,
        waits: Waits = WAITS,
        keep_days: float | None = None,
    ) -> None:
        self.name = None
        self.news: deque[str] = deque()
        self._folder = os.path.realpath(folder)
        self._archive = archive
        self._known_as = name
        self._waits = waits
        self._keep_days = keep_days
        self._waiting: dict[str, _Waiting] = {}
        self._done: set[bytes] = set()
        self._at_work: dict[str, bool] = {}  # by path: whether it was put off before
        self._changed = threading.Condition()
        self._stopped = self._drawing = False
        self._trouble = ""
        try:
            os.scandir(self._folder).close()
        except OSError as cause:
            raise unreadable(display(str(folder)), cause) from cause

    def progress(self, item: Item) -> None:
        """Tell of no share: the source has no end."""

    def identity(self) -> None:
        """Tell of none: a stream has none."""

    def items(self, after: object = None) -> Iterator[Item]:  # noqa: ARG002  a stream has no places
        """Give files as they are complete, until `stop`."""
        line, order = 0, random.Random()  # noqa: S311  no secret
        self._drawing = True
        try:
            while not self._stopped:
                began = time.monotonic()
                ready = self._look()
                took_s = time.monotonic() - began
                order.shuffle(ready)
                while ready and (room := self._room()):
                    few, ready = ready[:room], ready[room:]
                    for path, version in self._begin(few):
                        line += 1
                        place = (version.size, version.changed_ns)
                        yield Item(line, display(path), (), place, None, path)
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._stopped, max(_LOOK_EVERY_S, _REST * took_s)
                    )
        finally:
            with self._changed:
                self._drawing = False
                self._changed.notify_all()

    def stop(self) -> None:
        """End the items; returns when nobody draws them any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._drawing, 10)

    def key(self, _run: str, item: Item) -> bytes:
        """Return the key of an item's capture, the same for every run and every watcher."""
        return self._key(item.path or "", Version(*item.position))

    def stands(self, item: Item, record: Record) -> bool:
        """Tell whether a record is what became of a whole file; if not, it will be looked at again.

        A file that is gone before it could be read has not come.
        """
        path = item.path or ""
        try:
            status = os.stat(path)  # noqa: PTH116  paths of any bytes
            version = Version(status.st_size, status.st_mtime_ns)
        except OSError:
            if record.failure is None:
                return True
            self._let_go(path)
            return False
        if version != Version(*item.position):
            self._let_go(path)
            return False
        code = record.failure.code if record.failure else None
        if code in _PERHAPS_HALF and not self._at_work.get(path):
            self._let_go(path, _Waiting(version, time.monotonic(), put_off=True))
            return False
        return True

    def landed(self, item: Item) -> None:
        """Take note that an item is in the archive."""
        with self._changed:
            self._done.add(self.key("", item))
        self._let_go(item.path or "")

    def _let_go(self, path: str, waiting: _Waiting | None = None) -> None:
        with self._changed:
            self._at_work.pop(path, None)
            if waiting is not None:
                self._waiting[path] = waiting
            self._changed.notify_all()

    def _key(self, path: str, version: Version) -> bytes:
        inside = os.path.relpath(path, self._folder)
        return capture_key("watch", self._known_as, inside, *version)

    def _room(self) -> int:
        """Wait until there is room, and tell for how many files; 0 at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._at_work) < _MOST_AT_WORK)
            if self._stopped:
                return 0
            return min(_ASKED_AT_ONCE, _MOST_AT_WORK - len(self._at_work))

    def _begin(self, few: list[tuple[str, Version]]) -> list[tuple[str, Version]]:
        """Take files to work that the archive does not have."""
        keys = [self._key(path, version) for path, version in few]
        seen = self._archive.seen(keys)
        begun = []
        with self._changed:
            for (path, version), key in zip(few, keys, strict=True):
                waiting = self._waiting.pop(path, None)
                if key in seen:
                    self._done.add(key)
                else:
                    self._at_work[path] = waiting is not None and waiting.put_off
                    begun.append((path, version))
        return begun

    def _look(self) -> list[tuple[str, Version]]:
        """Look at all files; give those that are complete and not known to be in the archive."""
        ready, now, oldest_ns, old = [], time.monotonic(), self._oldest_ns(), 0
        there: set[str] = set()
        with self._changed:
            stale = set(self._done)
        for path, version in self._files():
            key = self._key(path, version)
            stale.discard(key)
            with self._changed:
                if key in self._done or path in self._at_work:
                    continue
                if version.changed_ns < oldest_ns:
                    self._done.add(key)
                    old += 1
                    continue
                there.add(path)
                waiting = self._waiting.get(path)
                if waiting is None or waiting.version != version:
                    self._waiting[path] = _Waiting(version, now)
                elif now - waiting.since >= self._wait_s(waiting):
                    ready.append((path, version))
        with self._changed:
            self._done -= stale  # files that are gone need not be remembered
            for path in self._waiting.keys() - there:
                del self._waiting[path]
        if old:
            self.news.append(
                f"{old} file{'s have' if old > 1 else ' has'} not changed for more than "
                f"{self._keep_days:g} days, longer than --keep: left alone"
            )
        return ready

    def _oldest_ns(self) -> float:
        """Return the time of change of the oldest files that are taken in."""
        if self._keep_days is None:
            return -math.inf
        return time.time_ns() - self._keep_days * _DAY_NS

    def _wait_s(self, waiting: _Waiting) -> float:
        return self._waits.broken_s if waiting.put_off else self._waits.settle_s

    def _files(self) -> Iterator[tuple[str, Version]]:
        trouble = ""
        folders = [self._folder]
        while folders and not self._stopped:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        elif not entry.name.endswith(_ON_ITS_WAY):
                            status = entry.stat(follow_symlinks=False)
                            if stat.S_ISREG(status.st_mode):
                                yield entry.path, Version(status.st_size, status.st_mtime_ns)
            except FileNotFoundError as cause:  # moved away meanwhile, if it is not the root
                if folder == self._folder:
                    trouble = f"{display(folder)}: {reason(cause)}"
            except OSError as cause:
                trouble = f"{display(folder)}: {reason(cause)}"
        self._tell(trouble)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            again = f"can not look into {trouble}; trying again"
            self.news.append(again if trouble else "the folder can be looked into again")
        self._trouble = trouble
