"""Keeps messages in step with the catalog: what waits there is told to workers, sooner or later.

Any number of processes do it at once. A job and its shards are kept first and told of afterwards,
so a kill in between costs a second; what was told of and has not begun after a while, since the
broker has lost it, is told of again. What a dead worker held waits again once its lease is over.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from pixmill.errors import OutputError
from pixmill.jobs.queues import BULK, INTERACTIVE
from pixmill.store.opening import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixmill.jobs.cluster import Broker
    from pixmill.store import Catalog
    from pixmill.store.shards import ShardState

EVERY_S = 1.0
_KINDS = ("operations",)
_AHEAD = 3  # shards that wait with the broker, for each that can be at work
_LEAST_AHEAD = 8
_JOBS_AHEAD = 200
_LONG = timedelta(minutes=15)
_SOON = timedelta(seconds=30)
LOOK_EVERY_S = 5.0


class Look(NamedTuple):
    """How a cluster stands: messages by queue, shards by state, workers, and the longest wait.

    `queues` is None where the broker can not be asked.
    """

    queues: Mapping[str, int] | None
    shards: Mapping[ShardState, int]
    workers: int
    oldest_queued_s: float


class Relay:
    """Does it in a thread, from `start` to `stop`. `told` is given what goes wrong.

    `seen` is given how the cluster stands, now and then.

    Nobody is taken for dead for `lease_s` seconds after the catalog could not be asked, or hung:
    those who are alive had no chance to say so.
    """

    def __init__(
        self,
        catalog: Catalog,
        broker: Broker,
        *,
        lease_s: float,
        told: Callable[[str, BaseException], None],
        seen: Callable[[Look], None] | None = None,
    ) -> None:
        self._seen = seen
        self._look_at = 0.0
        self._catalog = catalog
        self._broker = broker
        self._lease_s = lease_s
        self._told = told
        self._changed = threading.Condition()
        self._woken = self._stopped = False
        self._trusted_from = time.monotonic() + lease_s
        self._thread = threading.Thread(target=self._work, name="pixmill-relay", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: something new waits."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End; what hangs is left behind."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while not self._stopped:
            began_at = time.monotonic()
            try:
                self._tend()
                self._send()
            except Exception as error:  # noqa: BLE001  whatever it is, the next turn may be better
                self._trusted_from = time.monotonic() + self._lease_s
                self._told("workers can not be told what waits", error)
            try:
                self._look()
            except Exception as error:  # noqa: BLE001  the same
                self._told("how the cluster stands can not be told", error)
            if time.monotonic() - began_at > self._lease_s / 3:  # as where the catalog hung
                self._trusted_from = time.monotonic() + self._lease_s
            with self._changed:
                self._changed.wait_for(lambda: self._woken or self._stopped, EVERY_S)
                self._woken = False

    def _tend(self) -> None:
        """Let wait again what nobody does any more."""
        if time.monotonic() >= self._trusted_from:
            self._catalog.workers.bury(self._lease_s / 3)
        now = utc_now()
        self._catalog.shards.recall(now - _LONG)
        self._catalog.jobs.recall(now - _LONG)

    def _send(self) -> None:
        jobs, shards = self._catalog.jobs, self._catalog.shards
        jobs.publish(_KINDS, _JOBS_AHEAD, self._broker.send_operations)
        slots = sum(worker.slots for worker in self._catalog.workers.alive())
        shards.publish(_LEAST_AHEAD + _AHEAD * slots, self._broker.send_shards)

    def _look(self) -> None:
        """Tell how the cluster stands; and what an empty queue should hold has been lost."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + (LOOK_EVERY_S if self._seen else _SOON.total_seconds())
        depths, now = self._depths(), utc_now()
        if depths is not None and not depths[BULK]:
            self._catalog.shards.recall(now - _SOON)
        if depths is not None and not depths[INTERACTIVE]:
            self._catalog.jobs.recall(now - _SOON)
        if self._seen is not None:
            oldest = self._catalog.jobs.oldest_queued()
            look = Look(
                queues=depths,
                shards=self._catalog.shards.numbers(),
                workers=len(self._catalog.workers.alive()),
                oldest_queued_s=(now - oldest).total_seconds() if oldest else 0.0,
            )
            self._seen(look)

    def _depths(self) -> Mapping[str, int] | None:
        try:
            return self._broker.depths()
        except OutputError as error:
            self._told("the broker can not be asked how much waits", error)
            return None
