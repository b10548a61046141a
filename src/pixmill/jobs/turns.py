"""Turns in one worker: of shards that are at work together, and of one that is to be alone.

A shard has a place until few of its lines are left: by servers that hang these may take a minute,
in which another is begun.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TAILS = 16  # shards of which only few lines are left: so many are waited for
_FEW, _FEW_OF = 8, 20  # lines: so many, or one in so many


def few_of(lines: int) -> int:
    """Say how many lines are few, of so many."""
    return max(_FEW, lines // _FEW_OF)


class Turns:
    """Lets any number work at once, or one alone, who is not kept waiting by those who come."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_work = 0
        self._alone = 0

    @contextmanager
    def taken(self, *, alone: bool) -> Iterator[None]:
        """Wait for a turn, and have it until the end of the context."""
        with self._changed:
            if alone:
                self._alone += 1
                self._changed.wait_for(lambda: not self._at_work)
            else:
                self._changed.wait_for(lambda: not self._alone)
            self._at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._alone -= alone
                self._changed.notify_all()
