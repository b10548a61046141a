"""Whose turn it is: slots overall, and slots and manners for each server.

A `HostGate` is a `Gate` that also narrows when its
server answers 429 or 503 (to half, then up again by one a round of answers: AIMD, Chiu and Jain
1989), stays shut as long as a Retry-After asks, and gives up those who wait where the server gives
nobody an answer any more. `HostGates` keeps state only of servers in use or in trouble, the latter
up to a bound. Everything here lives in one event loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

from pixmill.errors import FetchTimeout, HttpError
from pixmill.fetch.fair_time import FairTime
from pixmill.fetch.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.fetch.gate import Permits, Waiter

Origin = tuple[str, str, int]

MAX_TROUBLED_HOSTS = 4096
MOST_PATIENCE = 9  # times that patience may begin anew, for one who waits


class HostGate(Gate):
    """The gate to one server, which learns from its answers.

    Who waits is given up after `patience_s` in which the server has answered nobody, and after ten
    times that in any case: to wait behind others is no fault, but behind a server that hangs all of
    them would wait in turn. Its pauses are taken from their time, however many they are.

    With `permits` whoever comes in has one of them, too. Where fewer of these are used here than
    the server has turns, time runs slower in proportion, and not at all where there are none:
    nobody is given up who waits for permits only.
    """

    def __init__(
        self, limit: int, patience_s: float, permits: Permits | None = None, host: str = ""
    ) -> None:
        super().__init__(limit)
        self._permits = permits
        self._host = host
        self._wants_permit = False
        self._fair = FairTime()
        self._loop: asyncio.AbstractEventLoop | None = None  # in which those wait who want a permit
        self._most = limit
        self._patience_s = patience_s
        self._heard_at = -inf  # by its own time, as all that has to do with patience
        self._blameless = 0
        self._losing_patience: asyncio.TimerHandle | None = None
        self._narrowed_at = -inf
        self._opens_at = -inf
        self._paused_s = 0.0  # all pauses together, the present one to its end
        self._opening: asyncio.TimerHandle | None = None
        self._status = 0

    @property
    def troubled(self) -> bool:
        """Whether there is something to remember once it is idle."""
        return self.limit < self._most or self._opens_at > asyncio.get_running_loop().time()

    async def acquire_within(self, left_s: float) -> None:
        """Wait as in `acquire`; `HttpError` where the server's pause outlasts the seconds left.

        `FetchTimeout` where the server has answered nobody for too long. Neither is worth a retry.
        """
        if self.enter():
            return
        now = asyncio.get_running_loop().time()
        rest_s = max(0.0, self._opens_at - now)
        if rest_s >= left_s:
            raise self._pause_is_too_long()
        if self._opening is None and self._opens_at > now:
            self._schedule_opening()
        if self._losing_patience is None:
            self._schedule_impatience(self.time())
        await self.wait(self._paused_s - rest_s + left_s)

    def heard(self) -> None:
        """Take note that the server has answered somebody, well or not."""
        self._heard_at = self.time()

    def time(self) -> float:
        """Tell the time that counts for those who wait."""
        return self._fair.at(asyncio.get_running_loop().time())

    def rest(self) -> None:
        """Stop the clock: nobody waits any more."""
        if self._losing_patience is not None:
            self._losing_patience.cancel()
            self._losing_patience = None
        if self._permits is not None and self._wants_permit:
            self._permits.forget(self._host, self._wake)
            self._set_pace(wants_permit=False)

    @contextmanager
    def blameless(self) -> Iterator[None]:
        """Let a holder wait for what is not this server's fault."""
        self._blameless += 1
        try:
            yield
        finally:
            self._blameless -= 1
            self.heard()

    def went_well(self) -> None:
        """Widen a little: the server answered as it should."""
        if self.limit < self._most:
            self.limit = min(self._most, self.limit + 1 / self.limit)
            self.admit()

    def overloaded(self, http_status: int, asked_at: float, pause_s: float | None) -> None:
        """Narrow: the server answered 429 or 503 to a request sent at `asked_at` (loop time).

        Answers to requests sent before the last narrowing say nothing new and do not narrow again.
        """
        loop = asyncio.get_running_loop()
        if asked_at >= self._narrowed_at:
            self.limit = max(1.0, self.limit / 2)
            self._narrowed_at = loop.time()
        opens_at = loop.time() + (pause_s or 0.0)
        if pause_s and opens_at > self._opens_at:
            self._paused_s += opens_at - max(self._opens_at, loop.time())
            self._opens_at = opens_at
            self._status = http_status
            self._turn_away_the_late()
            # A timer that is set already would end this pause too soon.
            if self.waiting or self._opening is not None:
                self._schedule_opening()

    def is_open(self) -> bool:
        """Whether one more may come in: not in a pause of the server."""
        return super().is_open() and self._opens_at <= asyncio.get_running_loop().time()

    def take(self) -> bool:
        """Take a permit, if there are some; who can not is let in when there is one."""
        if self._permits is None:
            return True
        self._loop = asyncio.get_running_loop()
        is_taken = self._permits.take(self._host, self._wake)
        self._set_pace(wants_permit=not is_taken)
        return is_taken

    def _wake(self) -> bool:
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(self._permitted)
        except RuntimeError:  # the loop has ended
            return False
        return True

    def _permitted(self) -> None:
        self._set_pace(wants_permit=False)
        self.admit()
        if self._permits is not None and not self._wants_permit:
            self._permits.forget(self._host, self._wake)

    def release(self) -> None:
        """Leave, and let the next one in."""
        super().release()
        if self._wants_permit and not self.waiting:
            self.rest()

    def give_back(self) -> None:
        """Give the permit back."""
        if self._permits is not None:
            self._permits.give_back(self._host, self._wake)
            self._set_pace(wants_permit=self._wants_permit)

    def _set_pace(self, *, wants_permit: bool) -> None:
        self._wants_permit = wants_permit
        pace = 1.0
        if wants_permit and self._permits is not None:
            pace = min(1.0, self._permits.pace(self._host))
        self._fair.run(asyncio.get_running_loop().time(), pace)

    def _schedule_opening(self) -> None:
        # Only while somebody waits: a timer a paused server would pile up over a long list.
        if self._opening is not None:
            self._opening.cancel()
        self._opening = asyncio.get_running_loop().call_at(self._opens_at, self._reopen)

    def _reopen(self) -> None:
        self._opening = None
        self._opens_at = -inf
        self.heard()  # it asked for this silence
        self.admit()

    def _turn_away_the_late(self) -> None:
        for waiter in list(self.waiting):
            if waiter.paused_until_s <= self._paused_s:
                self._turn_away(waiter, self._pause_is_too_long())

    def _turn_away(self, waiter: Waiter, error: HttpError | FetchTimeout) -> None:
        self.waiting.remove(waiter)
        if not waiter.turn.done():  # else canceled, its task has only not run yet
            waiter.turn.set_exception(error)

    def _schedule_impatience(self, since: float) -> None:
        left_s = max(0.0, since + self._patience_s - self.time())
        pace = self._fair.pace  # which may have changed by then
        wait_s = min(left_s / pace, self._patience_s) if pace else self._patience_s
        loop = asyncio.get_running_loop()
        self._losing_patience = loop.call_later(wait_s, self._lose_patience)

    def _lose_patience(self) -> None:
        """Give up who has waited for too long, and come back for the others."""
        self._losing_patience = None
        now = self.time()
        pause_s = max(0.0, self._opens_at - asyncio.get_running_loop().time())
        quiet_since = now + pause_s if self._blameless or pause_s else self._heard_at
        while self.waiting:
            joined = self.waiting[0].since
            since = min(max(joined, quiet_since), joined + MOST_PATIENCE * self._patience_s)
            if since + self._patience_s > now:
                self._schedule_impatience(since)
                return
            self._turn_away(self.waiting[0], self._hangs())

    def _hangs(self) -> FetchTimeout:
        error = FetchTimeout(
            f"the server answered nobody, or hardly, for {self._patience_s:g} s while it waited"
        )
        error.retryable = False
        return error

    def _pause_is_too_long(self) -> HttpError:
        error = HttpError(
            f"the server answered {self._status} to others and asks to wait past the deadline",
            http_status=self._status,
        )
        error.retryable = False
        return error


class HostGates:
    """The gate of each server; a gate is forgotten once it is idle and its server well."""

    def __init__(self, per_host: int, patience_s: float, permits: Permits | None = None) -> None:
        self._per_host = per_host
        self._patience_s = patience_s
        self._permits = permits
        self._gates: OrderedDict[Origin, HostGate] = OrderedDict()
        self._troubled: OrderedDict[Origin, HostGate] = OrderedDict()

    def __len__(self) -> int:
        return len(self._gates) + len(self._troubled)

    def get(self, origin: Origin) -> HostGate:
        """Return the gate of a server. Whoever got it calls `settle` when done with it."""
        gate = self._gates.get(origin)
        if gate is None:
            gate = self._troubled.pop(origin, None) or self._new(origin)
            self._gates[origin] = gate
        return gate

    def _new(self, origin: Origin) -> HostGate:
        scheme, name, port = origin
        return HostGate(
            self._per_host, self._patience_s, self._permits, f"{scheme}://{name}:{port}"
        )

    def settle(self, origin: Origin) -> None:
        """Forget the gate if nobody uses it; of those in trouble only the oldest goes."""
        gate = self._gates.get(origin)
        if gate is None or not gate.idle:
            return
        del self._gates[origin]
        gate.rest()
        if gate.troubled:
            self._troubled[origin] = gate
            if len(self._troubled) > MAX_TROUBLED_HOSTS:
                self._troubled.popitem(last=False)
