"""What was computed before, kept in memory: by content, and by URL for as long as HTTP allows.

One bound in bytes holds for both; what was not asked for longest goes first. By URL only stands
which content it had; a question that was not asked of that content yet downloads it anew. How long
it holds is told by `batch.freshness`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from pixmill.batch.freshness import is_storable, lifetime_s

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from pixmill.analysis import Wanted

# Keys, objects and the dictionary's own, besides what an entry holds.
_ENTRY_BYTES = 400


class Known(NamedTuple):
    """What a URL had: the digest of its content, until when that holds, and its validators."""

    content: bytes
    fresh_until: float
    validators: Mapping[str, str]


class Answers:
    """Packed analyses of at most `max_bytes`, 0 for none; `clock` gives Unix time. One thread."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[int, bytes | Known]] = OrderedDict()
        self._bytes = 0

    def find(self, content: bytes, wanted: Wanted) -> bytes | None:
        """Find the analysis of a content, given by its SHA-256."""
        found = self._get((content, wanted))
        return found if isinstance(found, bytes) else None

    def keep(self, content: bytes, wanted: Wanted, packed: bytes) -> None:
        """Keep the analysis of a content."""
        self._put((content, wanted), packed, len(packed))

    def known(self, url: str) -> Known | None:
        """Find what a URL had when it was last downloaded."""
        found = self._get(url)
        return found if isinstance(found, Known) else None

    def is_fresh(self, known: Known) -> bool:
        """Whether the URL need not be asked again."""
        return self._clock() < known.fresh_until

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

    def _get(self, key: Hashable) -> bytes | Known | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def _put(self, key: Hashable, value: bytes | Known, size: int) -> None:
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
