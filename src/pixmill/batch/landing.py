"""Brings results from the pool's thread into the event loop, many at a time.

Waking the loop once for every image costs more than all else it does with a result; nothing waits
for one so urgently, since the pool holds the next images already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

GATHER_S = 0.01


class Landing(Generic[T]):
    """For the tasks of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._landed: deque[tuple[asyncio.Future[T], Future[T]]] = deque()
        self._expected = False

    async def wait(self, future: Future[T]) -> T:
        """Return the future's result, or raise its error, within about `GATHER_S` of its end.

        Who is canceled cancels the future: nobody needs it done any more.
        """
        waiter: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(lambda done: self._land(waiter, done))
        try:
            return await waiter
        except asyncio.CancelledError:
            future.cancel()
            raise

    def _land(self, waiter: asyncio.Future[T], future: Future[T]) -> None:
        """Take a future that is done; called by whichever thread finished it."""
        self._landed.append((waiter, future))
        if not self._expected:
            self._expected = True
            try:
                self._loop.call_soon_threadsafe(self._loop.call_later, GATHER_S, self._hand_out)
            except RuntimeError:  # the loop is closed, and with it whoever waited
                self._landed.clear()

    def _hand_out(self) -> None:
        self._expected = False  # first: what lands from now on calls again
        while self._landed:
            waiter, future = self._landed.popleft()
            if waiter.done():
                continue
            if future.cancelled():
                waiter.cancel()
            elif (error := future.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(future.result())
