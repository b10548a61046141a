"""Whose turn it is: slots overall, and slots and manners for each server.

A `Gate` lets so many in at once, first come, first served. A `HostGate` also narrows when its
server answers 429 or 503 (to half, then up again by one a round of answers: AIMD, Chiu and Jain
1989) and stays shut as long as a Retry-After asks. `HostGates` keeps state only of servers in use
or in trouble, the latter up to a bound. Everything here lives in one event loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from pixmill.errors import HttpError

Origin = tuple[str, str, int]

MAX_TROUBLED_HOSTS = 4096


class Gate:
    """At most `limit` holders at once."""

    def __init__(self, limit: int) -> None:
        self.limit: float = limit
        self.active = 0
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()

    @property
    def idle(self) -> bool:
        """Whether nobody is in and nobody waits."""
        return not self.active and not self._waiting

    async def acquire(self, deadline: float) -> None:
        """Wait for a turn; give it back with `release`. `deadline` is a time of the event loop."""
        if not self._waiting and self._is_open():
            self.active += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (turn, deadline)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                self.release()
            elif entry in self._waiting:
                self._waiting.remove(entry)
            raise

    def release(self) -> None:
        """Leave, and let the next one in."""
        self.active -= 1
        self._admit()

    def _is_open(self) -> bool:
        return self.active < int(self.limit)

    def _admit(self) -> None:
        while self._waiting and self._is_open():
            turn, _ = self._waiting.popleft()
            if not turn.done():  # else canceled, its task has only not run yet
                self.active += 1
                turn.set_result(None)


class HostGate(Gate):
    """The gate to one server, which learns from its answers."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._most = limit
        self._narrowed_at = float("-inf")
        self._opens_at = float("-inf")
        self._opening: asyncio.TimerHandle | None = None
        self._status = 0

    @property
    def troubled(self) -> bool:
        """Whether there is something to remember once it is idle."""
        return self.limit < self._most or self._opens_at > asyncio.get_running_loop().time()

    async def acquire(self, deadline: float) -> None:
        """Wait as in `Gate`; `HttpError` at once where the server's pause outlasts the deadline."""
        if self._opens_at >= deadline:
            raise self._pause_is_too_long()
        if self._opening is None and self._opens_at > asyncio.get_running_loop().time():
            self._schedule_opening()
        await super().acquire(deadline)

    def went_well(self) -> None:
        """Widen a little: the server answered as it should."""
        if self.limit < self._most:
            self.limit = min(self._most, self.limit + 1 / self.limit)
            self._admit()

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
            self._opens_at = opens_at
            self._status = http_status
            self._turn_away_the_late()
            # A timer that is set already would end this pause too soon.
            if self._waiting or self._opening is not None:
                self._schedule_opening()

    def _is_open(self) -> bool:
        return super()._is_open() and self._opens_at <= asyncio.get_running_loop().time()

    def _schedule_opening(self) -> None:
        # Only while somebody waits: a timer a paused server would pile up over a long list.
        if self._opening is not None:
            self._opening.cancel()
        self._opening = asyncio.get_running_loop().call_at(self._opens_at, self._reopen)

    def _reopen(self) -> None:
        self._opening = None
        self._opens_at = float("-inf")
        self._admit()

    def _turn_away_the_late(self) -> None:
        for turn, deadline in list(self._waiting):
            if deadline <= self._opens_at and not turn.done():
                self._waiting.remove((turn, deadline))
                turn.set_exception(self._pause_is_too_long())

    def _pause_is_too_long(self) -> HttpError:
        error = HttpError(
            f"the server answered {self._status} to others and asks to wait past the deadline",
            http_status=self._status,
        )
        error.retryable = False
        return error


class HostGates:
    """The gate of each server; a gate is forgotten once it is idle and its server well."""

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._gates: OrderedDict[Origin, HostGate] = OrderedDict()
        self._troubled: OrderedDict[Origin, HostGate] = OrderedDict()

    def __len__(self) -> int:
        return len(self._gates) + len(self._troubled)

    def get(self, origin: Origin) -> HostGate:
        """Return the gate of a server. Whoever got it calls `settle` when done with it."""
        gate = self._gates.get(origin)
        if gate is None:
            gate = self._troubled.pop(origin, None) or HostGate(self._per_host)
            self._gates[origin] = gate
        return gate

    def settle(self, origin: Origin) -> None:
        """Forget the gate if nobody uses it; of those in trouble only the oldest goes."""
        gate = self._gates.get(origin)
        if gate is None or not gate.idle:
            return
        del self._gates[origin]
        if gate.troubled:
            self._troubled[origin] = gate
            if len(self._troubled) > MAX_TROUBLED_HOSTS:
                self._troubled.popitem(last=False)
