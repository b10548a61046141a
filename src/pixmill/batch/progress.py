"""How far a run has come: counters and the rates that follow from them. Shows nothing."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.record import Record


@dataclass(slots=True)
class Progress:
    """Counts of an output under way.

    `ok` and `failed` (by code) include what earlier, interrupted runs did, and so does `missed`:
    those of `ok` without a color of the palette within the tolerance. `images` and `bytes` are
    of this process alone, as the rates are. `share` is the part of the input behind us, 0 to 1,
    None where it is not known; `first_share` that at the start of this process. `clock` tells
    seconds from any start.
    """

    clock: Callable[[], float] = time.monotonic
    ok: int = 0
    missed: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    images: int = 0
    bytes: int = 0
    share: float | None = None
    first_share: float = 0.0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def add(self, record: Record) -> None:
        """Count one record."""
        self.images += 1
        if record.failure is not None:
            self.failed[record.failure.code] += 1
        else:
            self.ok += 1
            self.missed += record.match is not None and not record.match.found
        if record.analysis is not None:
            self.bytes += record.analysis.bytes

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process began."""
        return self.clock() - self.started

    @property
    def images_per_s(self) -> float:
        """Items finished by this process a second, failed ones included."""
        return self._per_s(self.images)

    @property
    def bytes_per_s(self) -> float:
        """Bytes of analysed files a second."""
        return self._per_s(self.bytes)

    def _per_s(self, count: int) -> float:
        elapsed_s = self.elapsed_s
        return count / elapsed_s if elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest of the input will take at the rate so far; None where unknown."""
        if self.share is None or self.share <= self.first_share:
            return None
        return self.elapsed_s * (1 - self.share) / (self.share - self.first_share)
