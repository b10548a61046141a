"""How many requests may be at work on images, and how many may wait for that.

Whoever comes beyond both is refused: a queue without end only makes everybody late. The refusal is
answered after a pause, since whoever asks again at once takes the time of those who have a turn.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from pixmill.web.errors import overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pixmill.web.errors import ApiError
    from pixmill.web.metrics import Metrics

    class Refusal(Protocol):
        """Makes the error that says no."""

        def __call__(self, sentence: str, *, retry_after_s: int) -> ApiError:
            """Say no, and when to come again."""


_RETRY_AFTER_S = 2
_REFUSAL_PAUSE_S = 0.1, 0.5  # at random, so that not all come again at once


class Admission:
    """`at_work` requests at once, `waiting` more in the order they came, `patience_s` at most.

    One key has three quarters of all places at most. `refusal` makes the error of whoever is
    refused. For one event loop.
    """

    def __init__(
        self,
        at_work: int,
        waiting: int,
        patience_s: float,
        metrics: Metrics,
        *,
        refusal: Refusal = overloaded,
    ) -> None:
        self._refusal = refusal
        self._turns = asyncio.Semaphore(at_work)
        self._most_waiting = waiting
        self._patience_s = patience_s
        self._metrics = metrics
        self._most_of_one = max(1, (at_work + waiting) * 3 // 4)
        self._by_key: Counter[str] = Counter()
        self.waiting = 0

    def check(self, key: str) -> None:
        """Refuse by ApiError if a turn could not even be waited for now."""
        full = self._turns.locked() and self.waiting >= self._most_waiting
        if full or self._by_key[key] >= self._most_of_one:
            error = self._refusal(
                "Too many requests are at work and waiting", retry_after_s=_RETRY_AFTER_S
            )
            error.pause_s = random.uniform(*_REFUSAL_PAUSE_S)  # noqa: S311  no secret
            raise error

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it meanwhile; raises as `check`."""
        self.check(key)
        self._by_key[key] += 1
        try:
            await self._wait()
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._by_key[key] -= 1
            if not self._by_key[key]:
                del self._by_key[key]

    async def _wait(self) -> None:
        self.waiting += 1
        try:
            with self._metrics.timed("waiting"):
                async with asyncio.timeout(self._patience_s):
                    await self._turns.acquire()
        except TimeoutError as error:
            raise self._refusal(
                "The request had to wait too long for its turn", retry_after_s=_RETRY_AFTER_S
            ) from error
        finally:
            self.waiting -= 1
