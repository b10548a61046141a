"""The turns at servers that one worker has of those that all workers share.

However many workers there are, a server has no more than `per_host` requests at once. The catalog
keeps who has how many of them; a worker asks for its share of a server when it first needs it, and
again while it uses it, a number of servers at a time. A worker that comes later has its part once
the others have come to know of it, and given back what is over theirs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.store.shards import Hosts

_GATHER_S = 0.15
_EVERY_S = 2.0
_IDLE_S = 4.0


@dataclass(slots=True)
class _Host:
    """Permits of one server: how many there are, how many are in use, who waits for one."""

    permits: int = 0
    used: int = 0
    used_at: float = 0.0
    asked: bool = False
    waiting: list[Callable[[], None]] = field(default_factory=list)


class HostShares:
    """The permits of one worker, as `fetch.gate.Permits`, from `start` to `stop`.

    What could not be renewed within `lease_s` seconds, since the catalog is away, is used no more.
    """

    def __init__(
        self,
        hosts: Hosts,
        owner: str,
        *,
        limit: int,
        lease_s: float,
        told: Callable[[str, BaseException], None],
    ) -> None:
        self._hosts = hosts
        self._owner = owner
        self._limit = limit
        self._lease_s = lease_s
        self._told = told
        self._known: dict[str, _Host] = {}
        self._changed = threading.Condition()
        self._new = self._stopped = False
        self._good_until = time.monotonic() + lease_s
        self._thread = threading.Thread(target=self._work, name="pixmill-hosts", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Give all back; what is under way is under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def take(self, host: str) -> bool:
        """Take a permit, if there is one now."""
        with self._changed:
            known = self._of(host)
            if known.used >= known.permits or time.monotonic() > self._good_until:
                return False
            known.used += 1
            return True

    def give_back(self, host: str) -> None:
        """Give back a permit that was taken."""
        with self._changed:
            known = self._of(host)
            known.used -= 1
            waiting = self._freed(known)
        _wake(waiting)

    def when_free(self, host: str, wake: Callable[[], None]) -> None:
        """Have `wake` called once, when there may be a permit again."""
        with self._changed:
            known = self._of(host)
            if known.used < known.permits and time.monotonic() <= self._good_until:
                waiting = [wake]
            else:
                known.waiting.append(wake)
                waiting = []
        _wake(waiting)

    def _of(self, host: str) -> _Host:
        known = self._known.get(host)
        if known is None:
            known = self._known[host] = _Host()
            self._new = True
            self._changed.notify_all()
        known.used_at = time.monotonic()
        return known

    def _freed(self, known: _Host) -> list[Callable[[], None]]:
        if known.used < known.permits and known.waiting:
            waiting, known.waiting = known.waiting, []
            return waiting
        return []

    def _work(self) -> None:
        due = 0.0
        while True:
            with self._changed:
                left_s = max(0.0, due - time.monotonic())
                self._changed.wait_for(lambda: self._new or self._stopped, left_s)
                if self._stopped:
                    break
                if self._new and time.monotonic() < due:
                    self._changed.wait_for(lambda: self._stopped, _GATHER_S)
                all_of_them = time.monotonic() >= due
                asks, idle = self._gathered(all_of_them=all_of_them)
            if all_of_them:
                due = time.monotonic() + _EVERY_S
            self._ask(asks, idle)
        self._leave()

    def _gathered(self, *, all_of_them: bool) -> tuple[dict[str, int], list[str]]:
        """Tell which servers to ask for, with the permits in use there, and which to let go."""
        self._new = False
        now = time.monotonic()
        idle = [
            host
            for host, known in self._known.items()
            if not known.used and not known.waiting and now - known.used_at > _IDLE_S
        ]
        for host in idle:
            del self._known[host]
        asks = {
            host: known.used
            for host, known in self._known.items()
            if all_of_them or not known.asked
        }
        return asks, idle

    def _ask(self, asks: dict[str, int], idle: list[str]) -> None:
        if not asks and not idle:
            with self._changed:
                self._good_until = time.monotonic() + self._lease_s
            return
        try:
            shares = self._hosts.share(self._owner, asks, idle, self._limit, self._lease_s)
        except OutputError as error:
            self._told("shares of servers can not be asked for", error)
            with self._changed:
                self._new = any(not self._known[host].asked for host in asks if host in self._known)
                self._changed.wait_for(lambda: self._stopped, 1.0)
            return
        waiting: list[Callable[[], None]] = []
        with self._changed:
            self._good_until = time.monotonic() + self._lease_s
            for host, permits in shares.items():
                known = self._known.get(host)
                if known is not None:
                    known.permits, known.asked = permits, True
                    waiting += self._freed(known)
        _wake(waiting)

    def _leave(self) -> None:
        try:
            self._hosts.leave(self._owner)
        except OutputError as error:  # they end by themselves
            self._told("shares of servers can not be given back", error)


def _wake(waiting: list[Callable[[], None]]) -> None:
    """Call those who wait; without the lock, since they may ask at once."""
    for wake in waiting:
        wake()
