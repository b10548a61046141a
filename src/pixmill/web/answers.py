"""What was computed before, kept in memory: by content, and by URL for as long as HTTP allows.

One bound in bytes holds for both; what was not asked for longest goes first. By URL only stands
which content it had; a question that was not asked of that content yet downloads it anew. How long
it holds is told by `batch.freshness`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

from pixmill.batch.freshness import is_storable, lifetime_s

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

A = TypeVar("A")

# Keys, objects and the dictionary's own, besides what an entry holds.
_ENTRY_BYTES = 400


class Known(NamedTuple):
    """What a URL had: the digest of its content, until when that holds, and its validators."""

    content: bytes
    fresh_until: float
    validators: Mapping[str, str]


class Answers(Generic[A]):
    """Answers of at most `max_bytes`, 0 for none; `clock` gives Unix time. One thread."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[int, A | Known]] = OrderedDict()
        self._bytes = 0

    def find(self, content: bytes, asked: Hashable) -> A | None:
        """Find what was answered to a question about a content, which is given by its digest."""
        return cast("A | None", self._get((content, asked)))

    def keep(self, content: bytes, asked: Hashable, answer: A, size: int) -> None:
        """Keep an answer of `size` bytes."""
        self._put((content, asked), answer, size)

    def known(self, url: str) -> Known | None:
        """Find what a URL had when it was last downloaded."""
        found = self._get(url)
        return found if isinstance(found, Known) else None

    def is_fresh(self, known: Known) -> bool:
        """Whether the URL need not be asked again."""
        return self._clock() < known.fresh_until

    def fresh_s(self, url: str) -> float:
        """Tell for how many seconds the URL need not be asked again."""
        known = self.known(url)
        return max(0.0, known.fresh_until - self._clock()) if known else 0.0

    def remember(self, url: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Take note of what a URL has, by its answer's headers, unless these forbid it."""
        now = self._clock()
        life_s = lifetime_s(headers, now)
        validators = {
            name: headers[source]
            for name, source in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
            if headers.get(source, "").isascii() and headers.get(source, "").isprintable()
            if headers.get(source)
        }
        if is_storable(headers) and (life_s > 0 or validators):
            size = len(url) + sum(map(len, validators.values()))
            self._put(url, Known(content, now + life_s, validators), size)
        else:
            self.forget(url)

    def confirm(self, url: str, known: Known, headers: Mapping[str, str]) -> None:
        """Take over the freshness that a 304 gave; what it leaves out stays as it was."""
        names = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
        before = {names[name]: value for name, value in known.validators.items()}
        self.remember(url, known.content, {**before, **headers})

    def forget(self, url: str) -> None:
        """Know nothing of a URL."""
        self._drop(url)

    def _get(self, key: Hashable) -> A | Known | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def _put(self, key: Hashable, value: A | Known, size: int) -> None:
        self._drop(key)
        size += _ENTRY_BYTES
        if size > self._max_bytes:
            return
        self._kept[key] = (size, value)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        size, _ = self._kept.pop(key, (0, None))
        self._bytes -= size
