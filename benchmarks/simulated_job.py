"""A list job over many workers, played event by event.

A shard goes through its URLs no faster than its downloads go by themselves, evenly until few are
left and evenly from then on, and with its share of its worker's processors and network, which go to
the shards at work in equal parts. When few are left it makes room for another. It is
claimed and committed at the one catalog, which also answers what every worker asks again and again;
one coordinator cuts the list and merges parts in their order. A worker that crashes loses what it
had; that is done anew once the lease is over, each shard alone on its worker.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Self

import numpy as np
from benchmarks.simulated_shards import Lots

from pixmill.jobs.turns import TAILS, few_of

if TYPE_CHECKING:
    from benchmarks.simulated_shards import Pattern, World

BUSY = 0.8  # a part that is busy for so much of the time is what is short
_TINY = 1e-9
_RELAY_S = 1.0


@dataclass
class Outcome:
    """How a job went. Times in seconds; parts of the time that each kind of thing was busy."""

    urls: int = 0
    failed: int = 0
    urls_again: int = 0  # of shards that a crash undid
    shards: int = 0
    crashes: int = 0
    makespan_s: float = 0.0
    bytes: float = 0.0
    cpu_s: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)
    shard_s: list[float] = field(default_factory=list, repr=False)

    @property
    def urls_s(self) -> float:
        """URLs a second, over the whole job."""
        return self.urls / self.makespan_s if self.makespan_s else 0.0

    @property
    def short(self) -> str:
        """What is short: the first to ask for where it is to be faster."""
        if not self.busy:
            return "nothing"
        name = max(self.busy, key=lambda each: self.busy[each])
        return name if self.busy[name] >= BUSY else "waiting for servers"

    def percentile_s(self, percent: float) -> float:
        """A percentile of the times of shards, from claim to commit."""
        return float(np.percentile(self.shard_s, percent)) if self.shard_s else 0.0


@dataclass(slots=True, eq=False)
class _Attempt:
    """A shard at work. `left` of it, 1 to 0, goes down by `rate` a second, at most by `pace`.

    It does so `until` few of its URLs are left, and from then on, as its tail, until none is.
    """

    number: int
    pattern: Pattern
    alone: bool
    began_s: float
    until: float
    pace: float
    left: float = 1.0
    rate: float = 0.0

    @classmethod
    def begun(
        cls, number: int, pattern: Pattern, now: float, extra_s: float, *, alone: bool
    ) -> Self:
        few = min(1.0, few_of(pattern.urls) / pattern.urls)
        attempt = cls(
            number, pattern, alone, now, few, (1 - few) / max(_TINY, pattern.few_s + extra_s)
        )
        if few == 1:
            attempt.become_tail(extra_s)
        return attempt

    def become_tail(self, extra_s: float = 0.0) -> None:
        self.left = self.until
        self.pace = self.left / max(_TINY, self.pattern.wait_s - self.pattern.few_s + extra_s)
        self.until = 0.0


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker. `life` counts its crashes: what was to happen to an earlier one does not."""

    cores: float
    bits_s: float
    life: int = 0
    up: bool = True
    held: list[_Attempt] = field(default_factory=list)  # claimed and not committed
    at_work: list[_Attempt] = field(default_factory=list)
    waiting: tuple[int, bool] | None = None  # a shard that is to be alone
    resting: bool = False
    as_of_s: float = 0.0
    plans: int = 0  # how often the next end was foretold

    def has_room(self, slots: int) -> bool:
        tails = sum(not attempt.until for attempt in self.held)
        return len(self.held) - tails < slots and len(self.held) < slots + TAILS


def simulated(world: World) -> Outcome:
    """Play a job to its end."""
    return _Job(world).played()


class _Job:
    def __init__(self, world: World) -> None:
        self.world = world
        self.sizes = world.sizes()
        self.lots = Lots(world)
        rng = np.random.default_rng(world.seed)
        self.rng = rng
        self.drawn = rng.integers(0, 2**31, len(self.sizes)).tolist()
        self.planned_s = (np.cumsum(self.sizes) * world.plan_us_a_line / 1e6).tolist()
        each_bits_s = min(world.network_mbit_s, world.site_mbit_s / max(1, world.workers)) * 1e6
        slow = round(world.slow_part * world.workers)
        self.workers = [
            _Worker(
                world.cores * (world.slow_factor if at >= world.workers - slow else 1), each_bits_s
            )
            for at in range(world.workers)
        ]
        self.events: list[tuple[float, int, str, _Worker | None, int, _Attempt | None]] = []
        self.wake_s = inf
        self.count = self.next = self.merged = 0
        self.again: list[tuple[float, int]] = []
        self.idle: deque[_Worker] = deque()
        self.done_s: dict[int, float] = {}
        self.catalog_free_s = self.catalog_busy_s = self.merge_free_s = 0.0
        questions = world.workers * world.catalog_ms_a_worker_second / 1000 / world.catalog_cores
        # Who asks has to wait himself where the catalog is slow, so it is never taken whole.
        self.catalog_left = 1 / (1 + questions)
        self.outcome = Outcome(shards=len(self.sizes))

    def played(self) -> Outcome:
        world = self.world
        for worker in self.workers:
            self._expect_crash(worker, 0.0)
        for at_s, number in world.crashes_at:
            self._later(at_s, "due", self.workers[number])
        for worker in self.workers:
            self._fill(worker, 0.0)
        while self.merged < len(self.sizes):
            now, _, kind, worker, life, attempt = heapq.heappop(self.events)
            if worker is None:
                self._wake(now)
            elif kind == "due":
                if worker.up:
                    self._crash(worker, now, None)
            elif life == (worker.plans if kind == "end" else worker.life):
                getattr(self, f"_{kind}")(worker, now, attempt)
        return self._told()

    def _later(
        self, at_s: float, kind: str, worker: _Worker | None = None, attempt: _Attempt | None = None
    ) -> None:
        self.count += 1
        life = 0 if worker is None else worker.life
        heapq.heappush(self.events, (at_s, self.count, kind, worker, life, attempt))

    # What waits, and who takes it.

    def _take(self, now: float) -> tuple[int, bool] | None:
        """Take the next shard, and tell whether it is to be alone."""
        if self.again and self.again[0][0] <= now:
            return heapq.heappop(self.again)[1], True
        if self.next < len(self.sizes) and self.planned_s[self.next] <= now:
            self.next += 1
            return self.next - 1, False
        return None

    def _fill(self, worker: _Worker, now: float) -> None:
        """Give a worker all that it can begin."""
        while worker.up and worker.has_room(self.world.slots):
            if worker.held and (worker.waiting or worker.held[0].alone):
                return
            found, worker.waiting = worker.waiting or self._take(now), None
            if found is None:
                self._rest(worker, now)
                return
            if found[1] and worker.held:
                worker.waiting = found
                return
            self._claim(worker, now, found[0], alone=found[1])

    def _claim(self, worker: _Worker, now: float, number: int, *, alone: bool) -> None:
        pattern = self.lots.pattern(self.sizes[number], self.drawn[number])
        attempt = _Attempt.begun(number, pattern, now, self.world.shard_extra_s, alone=alone)
        worker.held.append(attempt)
        self._later(self._catalog(now), "start", worker, attempt)

    def _rest(self, worker: _Worker, now: float) -> None:
        """Let a worker wait for what will be there to take."""
        if not worker.resting:
            worker.resting = True
            self.idle.append(worker)
        coming = [self.again[0][0]] if self.again else []
        if self.next < len(self.sizes):
            coming.append(self.planned_s[self.next])
        if coming:
            self._wake_at(max(now, min(coming)))

    def _wake_at(self, at_s: float) -> None:
        if at_s < self.wake_s:
            self.wake_s = at_s
            self._later(at_s, "wake")

    def _wake(self, now: float) -> None:
        """Let those who wait take what there is."""
        if now >= self.wake_s:
            self.wake_s = inf
        for _ in range(len(self.idle)):
            before = len(self.idle)
            worker = self.idle.popleft()
            worker.resting = False
            if worker.up:
                self._fill(worker, now)
            if len(self.idle) == before:  # it found nothing, so nobody will
                return

    # One shard on its worker.

    def _start(self, worker: _Worker, now: float, attempt: _Attempt) -> None:
        self._advance(worker, now)
        worker.at_work.append(attempt)
        self._share(worker, now)

    def _advance(self, worker: _Worker, now: float) -> None:
        """Let the time go by for what is at work."""
        gone_s, worker.as_of_s = now - worker.as_of_s, now
        for attempt in worker.at_work:
            part = min(attempt.left, attempt.rate * gone_s)
            attempt.left -= part
            self.outcome.cpu_s += part * attempt.pattern.cpu_s
            self.outcome.bytes += part * attempt.pattern.bytes

    def _share(self, worker: _Worker, now: float) -> None:
        """Divide processors and network anew, and foretell who is done first."""
        left, number = worker.cores, len(worker.at_work)
        bits_s = 0.0
        for attempt in sorted(worker.at_work, key=lambda each: each.pattern.cpu_s * each.pace):
            attempt.rate = attempt.pace
            if attempt.pattern.cpu_s > 0:
                attempt.rate = min(attempt.rate, left / number / attempt.pattern.cpu_s)
            left -= attempt.rate * attempt.pattern.cpu_s
            number -= 1
            bits_s += attempt.rate * attempt.pattern.bytes * 8
        if bits_s > worker.bits_s:
            for attempt in worker.at_work:
                attempt.rate *= worker.bits_s / bits_s
        worker.plans += 1
        if worker.at_work:
            at_s, _, first = min(
                (now + (each.left - each.until) / each.rate, each.number, each)
                for each in worker.at_work
            )
            self.count += 1
            heapq.heappush(self.events, (at_s, self.count, "end", worker, worker.plans, first))

    def _end(self, worker: _Worker, now: float, attempt: _Attempt) -> None:
        self._advance(worker, now)
        if attempt.until:
            attempt.become_tail()
            self._share(worker, now)
            self._fill(worker, now)
            return
        worker.at_work.remove(attempt)
        self._later(self._catalog(now), "commit", worker, attempt)
        self._share(worker, now)

    def _commit(self, worker: _Worker, now: float, attempt: _Attempt) -> None:
        worker.held.remove(attempt)
        outcome, pattern = self.outcome, attempt.pattern
        outcome.urls += pattern.urls
        outcome.failed += pattern.failed
        outcome.shard_s.append(now - attempt.began_s)
        self._merge(attempt.number, now)
        self._fill(worker, now)

    # Crashes.

    def _expect_crash(self, worker: _Worker, now: float) -> None:
        if self.world.crashes_an_hour:
            hours = float(self.rng.exponential(1 / self.world.crashes_an_hour))
            self._later(now + 3600 * hours, "crash", worker)

    def _crash(self, worker: _Worker, now: float, _: object) -> None:
        self._advance(worker, now)
        self.outcome.crashes += 1
        known_s = now + self.world.lease_s + _RELAY_S
        for attempt in worker.held:
            heapq.heappush(self.again, (known_s, attempt.number))
            self.outcome.urls_again += attempt.pattern.urls
        if worker.waiting:
            heapq.heappush(self.again, (now, worker.waiting[0]))
        worker.held, worker.at_work, worker.waiting = [], [], None
        worker.up, worker.life, worker.plans = False, worker.life + 1, worker.plans + 1
        self._later(now + self.world.restart_s, "restart", worker)
        self._wake_at(known_s)

    def _restart(self, worker: _Worker, now: float, _: object) -> None:
        worker.up = True
        self._expect_crash(worker, now)
        self._fill(worker, now)

    # What there is one of.

    def _catalog(self, now: float) -> float:
        """Take half of a shard's turn at the catalog; tell when it is over."""
        used_s = self.world.catalog_ms_a_shard / 1000 / self.world.catalog_cores / 2
        self.catalog_busy_s += used_s
        self.catalog_free_s = max(now, self.catalog_free_s) + used_s / self.catalog_left
        return self.catalog_free_s

    def _merge(self, number: int, now: float) -> None:
        self.done_s[number] = now
        while self.merged in self.done_s:
            begin_s = max(self.merge_free_s, self.done_s.pop(self.merged))
            rows_s = self.sizes[self.merged] * self.world.merge_us_a_row / 1e6
            self.merge_free_s = begin_s + rows_s
            self.merged += 1

    def _told(self) -> Outcome:
        outcome, world = self.outcome, self.world
        outcome.makespan_s = time_s = self.merge_free_s
        if time_s:
            cores = sum(worker.cores for worker in self.workers)
            bits_s = sum(worker.bits_s for worker in self.workers)
            outcome.busy = {
                "processors": outcome.cpu_s / cores / time_s,
                "network": outcome.bytes * 8 / bits_s / time_s,
                "catalog": self.catalog_busy_s / time_s + 1 - self.catalog_left,
                "cutting the list": world.urls * world.plan_us_a_line / 1e6 / time_s,
                "merging": world.urls * world.merge_us_a_row / 1e6 / time_s,
            }
        return outcome
