"""The turns at servers that one worker has of those that all workers share.

However many workers there are, a server has no more than `per_host` requests at once. The catalog
keeps who has how many of them; a worker asks for its share of a server when it first needs it, and
again while it uses it, a number of servers at a time. A worker that comes later has its part once
the others have come to know of it, and given back what is over theirs: who has less than it uses
takes none until it uses no more than it has. Within the worker all who wait have about as many: a
permit goes to who has the fewest, most often who gave it back, which costs no other a wake.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from pixmill.store.shards import Hosts

Wake = Callable[[], bool]
_GATHER_S = 0.15
_EVERY_S = 2.0
_SOON_S = 0.3  # and twice as long each time, where there is none at all
_IDLE_S = 4.0
_KEPT_S = 1.0  # a permit for one who was woken


@dataclass(slots=True)
class _Host:
    """Permits of one server: how many there are, how many are in use, who waits for one."""

    permits: int = 0
    good_until: float = 0.0
    used: int = 0
    used_at: float = 0.0
    asked: bool = False
    is_over: bool = False  # more are in use than there are
    used_by: Counter[Wake] = field(default_factory=Counter)
    waiting: dict[Wake, None] = field(default_factory=dict)  # who has waited longest comes first
    late: set[Wake] = field(default_factory=set)  # who was woken, and has not come
    woken: tuple[Wake, float] | None = None

    @property
    def has_one(self) -> bool:
        """Whether there is a permit that nobody uses."""
        return self.used < self.permits and time.monotonic() <= self.good_until

    def next(self) -> Wake | None:
        """Give whom to wake, where there is a permit for one who waits."""
        if not self.waiting or not self.has_one:
            return None
        now = time.monotonic()
        first = min(self.waiting, key=self._place)
        if self.woken is None or self.woken[0] != first:
            self.woken = first, now
        elif now - self.woken[1] > _KEPT_S:  # it is busy with something else
            self.late.add(first)
            first = min(self.waiting, key=self._place)
            self.woken = first, now
        return first

    def _place(self, wake: Wake) -> tuple[bool, int]:
        return wake in self.late, self.used_by[wake]

    def take(self, wake: Wake) -> bool:
        """Take a permit, unless one waits for it who has fewer, or as many and waited before."""
        self.late.discard(wake)
        if self.has_one and self._is_first(wake):
            self.leave(wake)
            self.used += 1
            self.used_by[wake] += 1
            return True
        self.waiting.setdefault(wake)
        return False

    def _is_first(self, wake: Wake) -> bool:
        mine, behind = self._place(wake), False
        for other in self.waiting:
            if other == wake:
                behind = True
            elif self._place(other) < mine or (self._place(other) == mine and not behind):
                return False
        return True

    def give_back(self, wake: Wake) -> None:
        """Give a permit back."""
        self.used -= 1
        self.used_by[wake] -= 1
        if not self.used_by[wake]:
            del self.used_by[wake]

    def leave(self, wake: Wake) -> None:
        """Let one wait no more."""
        self.waiting.pop(wake, None)
        self.late.discard(wake)
        if self.woken and self.woken[0] == wake:
            self.woken = None


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

    def take(self, host: str, wake: Wake) -> bool:
        """Take a permit, if there is one and nobody waits for it; else wait for one."""
        with self._changed:
            known = self._of(host)
            is_taken = known.take(wake)
            woken = known.next()
        self._wake(host, woken)
        return is_taken

    def pace(self, host: str) -> float:
        """Tell which part of all permits of a server is used here."""
        with self._changed:
            known = self._known.get(host)
            return known.used / self._limit if known else 0.0

    def forget(self, host: str, wake: Wake) -> None:
        """Wait no more."""
        with self._changed:
            known = self._known.get(host)
            if known is None:
                return
            known.leave(wake)
            woken = known.next()
        self._wake(host, woken)

    def give_back(self, host: str, wake: Wake) -> None:
        """Give back a permit that was taken."""
        with self._changed:
            known = self._of(host)
            known.give_back(wake)
            if known.is_over and known.used <= known.permits:  # others wait for it
                known.is_over = known.asked = False
                self._new = True
                self._changed.notify_all()
            woken = known.next()
        if woken != wake:  # who comes for it by itself, or waits no more
            self._wake(host, woken)

    def _wake(self, host: str, wake: Wake | None) -> None:
        """Wake one who waits, without the lock, since it may ask at once; or the one behind it."""
        if wake is not None and not wake():
            self.forget(host, wake)

    def _of(self, host: str) -> _Host:
        known = self._known.get(host)
        if known is None:
            known = self._known[host] = _Host()
            self._new = True
            self._changed.notify_all()
        known.used_at = time.monotonic()
        return known

    def _work(self) -> None:
        due, soon_s = 0.0, _SOON_S
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
            self._ask(asks, idle)
            if all_of_them:
                if self._lacks():
                    due = time.monotonic() + soon_s
                    soon_s = min(_EVERY_S, 2 * soon_s)
                else:
                    due, soon_s = time.monotonic() + _EVERY_S, _SOON_S
        self._leave()

    def _lacks(self) -> bool:
        """Tell whether who waits has no permit at all: others may be giving some back."""
        with self._changed:
            return any(known.waiting and not known.permits for known in self._known.values())

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
        asks = {}
        for host, known in self._known.items():
            if all_of_them or not known.asked:
                asks[host] = known.used
                known.permits = min(known.permits, known.used)  # the rest may be given to others
        return asks, idle

    def _ask(self, asks: dict[str, int], idle: list[str]) -> None:
        if not asks and not idle:
            return
        good_until = time.monotonic() + self._lease_s
        try:
            shares = self._hosts.share(self._owner, asks, idle, self._limit, self._lease_s)
        except Exception as error:  # noqa: BLE001  whatever it is, the next time may be better
            self._told("shares of servers can not be asked for", error)
            with self._changed:
                self._new = any(not self._known[host].asked for host in asks if host in self._known)
                self._changed.wait_for(lambda: self._stopped, 1.0)
            return
        woken = {}
        with self._changed:
            for host, permits in shares.items():
                known = self._known.get(host)
                if known is not None:
                    known.permits, known.good_until, known.asked = permits, good_until, True
                    known.is_over = known.used > permits
                    woken[host] = known.next()
        for host, wake in woken.items():
            self._wake(host, wake)

    def _leave(self) -> None:
        try:
            self._hosts.leave(self._owner)
        except OutputError as error:  # they end by themselves
            self._told("shares of servers can not be given back", error)
