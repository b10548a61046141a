"""So many in at once, first come, first served; and turns that are shared with other processes.

Everything here lives in one event loop, but for permits, which any thread may ask for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiter(NamedTuple):
    """One who waits at a gate."""

    turn: asyncio.Future[None]
    since: float  # by the gate's time
    paused_until_s: float  # of all pauses of its server together, so many are too many for it


class Gate:
    """At most `limit` holders at once."""

    def __init__(self, limit: int) -> None:
        self.limit: float = limit
        self.active = 0
        self.waiting: deque[Waiter] = deque()

    @property
    def idle(self) -> bool:
        """Whether nobody is in and nobody waits."""
        return not self.active and not self.waiting

    def enter(self) -> bool:
        """Take a turn if there is one now; give it back with `release`."""
        if self.waiting or not (self.is_open() and self.take()):
            return False
        self.active += 1
        return True

    async def acquire(self) -> None:
        """Wait for a turn; give it back with `release`."""
        if not self.enter():
            await self.wait(inf)

    async def wait(self, paused_until_s: float) -> None:
        """Wait for a turn, behind those who wait."""
        turn = asyncio.get_running_loop().create_future()
        waiter = Waiter(turn, self.time(), paused_until_s)
        self.waiting.append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self.release()
            elif waiter in self.waiting:
                self.waiting.remove(waiter)
            raise

    def release(self) -> None:
        """Leave, and let the next one in."""
        self.active -= 1
        self.give_back()
        self.admit()

    def time(self) -> float:
        """Tell the time that counts for those who wait, in seconds."""
        return asyncio.get_running_loop().time()

    def is_open(self) -> bool:
        """Whether one more may come in, as far as this gate goes."""
        return self.active < int(self.limit)

    def take(self) -> bool:
        """Take what one who is let in needs besides."""
        return True

    def give_back(self) -> None:
        """Give back what `take` took."""

    def admit(self) -> None:
        """Let in those who may come in now."""
        while self.waiting and self.is_open():
            turn = self.waiting[0].turn
            if not turn.done():  # else canceled, its task has only not run yet
                if not self.take():
                    return
                self.active += 1
                turn.set_result(None)
            self.waiting.popleft()


class Permits(Protocol):
    """Turns at servers that are shared with others; `host` is scheme, name and port.

    Any thread may call it. Whoever takes permits is known by its `wake`.
    """

    def take(self, host: str, wake: Callable[[], bool]) -> bool:
        """Take a permit, if there is one and nobody waits for it; else wait for one.

        `wake` is called, from any thread, when there is one, which is kept for a moment; it tells
        whether anybody is there to be woken.
        """

    def pace(self, host: str) -> float:
        """Tell which part of the turns that a server gives is used here, from 0 to 1."""

    def forget(self, host: str, wake: Callable[[], bool]) -> None:
        """Wait no more."""

    def give_back(self, host: str, wake: Callable[[], bool]) -> None:
        """Give back a permit that was taken, and come for the next, or wait no more."""
