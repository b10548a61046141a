"""How many requests may be at work on images, and how many may wait for that.

Whoever comes beyond both is refused at once: a queue without end only makes everybody late.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pixmill.web.errors import overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pixmill.web.metrics import Metrics

_RETRY_AFTER_S = 2


class Admission:
    """`at_work` requests at once, `waiting` more in the order they came, `patience_s` at most.

    For one event loop.
    """

    def __init__(self, at_work: int, waiting: int, patience_s: float, metrics: Metrics) -> None:
        self._turns = asyncio.Semaphore(at_work)
        self._most_waiting = waiting
        self._patience_s = patience_s
        self._metrics = metrics
        self.waiting = 0

    def check(self) -> None:
        """Refuse with ApiError 503 if a turn could not even be waited for now."""
        if self._turns.locked() and self.waiting >= self._most_waiting:
            raise overloaded(
                "Too many requests are at work and waiting", retry_after_s=_RETRY_AFTER_S
            )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it meanwhile; raises as `check`."""
        self.check()
        self.waiting += 1
        try:
            with self._metrics.timed("waiting"):
                async with asyncio.timeout(self._patience_s):
                    await self._turns.acquire()
        except TimeoutError as error:
            raise overloaded(
                "The request had to wait too long for its turn", retry_after_s=_RETRY_AFTER_S
            ) from error
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._turns.release()
