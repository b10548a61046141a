"""Shards of jobs that many workers share, and the workers: the port of shards and their attempts.

A shard is a run of lines of a job's list. It is done by one attempt at a time; whoever began the
attempt is its owner, and holds it for as long as the owner itself is held to be alive (`Workers`).
Its part of the table is committed once, by the attempt that has it then: an attempt that was given
up meanwhile commits nothing. That a shard waits is told to the workers by messages, which may be
lost or come twice; what is so stands here alone.

A worker that dies costs each of its shards an attempt. Which of several killed it is not known, so
each of them is next run alone; one that dies alone so `MAX_DEATHS` times is dead, until `redrive`,
as is one that failed `MAX_FAILURES` times.

Every method of the ports raises OutputError where the database can not be used. All are
synchronous, and any number of threads and processes may call them at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

ShardState = Literal["waiting", "running", "done", "dead"]
MAX_DEATHS = 3
MAX_FAILURES = 20
MOST_TOLD = 10  # of a shard's attempts


class ShardId(NamedTuple):
    """A shard: the job's id, and its number from 0."""

    job_id: str
    number: int


class NewShard(NamedTuple):
    """A shard to be: its number of items, its lines, and the place of its last item in the list."""

    items: int
    first_line: int
    last_line: int
    place: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of items: those of `ok` without a match are `missed`; failures by their codes."""

    ok: int = 0
    missed: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        """Add what became of others."""
        failed = dict(self.failed)
        for code, number in other.failed.items():
            failed[code] = failed.get(code, 0) + number
        return Counts(self.ok + other.ok, self.missed + other.missed, failed)


Ending = Literal["left", "failed", "died"]
"""How an attempt comes to be given up: its worker left it, could not do it, or died of it."""


class Attempt(NamedTuple):
    """An attempt that did not end well: who made it, when it was given up (UTC), and why."""

    worker: str
    ended_at: str
    cause: str


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as it stands. `attempt` names the one that runs, or the one whose part counts.

    `alone` says that no other may run beside it, since a worker died of it or of its neighbors.
    `failed_attempts` are the last of those that did not end well. Times are in UTC.
    """

    id: ShardId
    state: ShardState
    lines: NewShard
    attempt: str | None
    attempts: int
    deaths: int
    alone: bool
    worker: str | None
    counts: Counts
    failed_attempts: tuple[Attempt, ...]
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What was cut of a list so far: how many shards, the last of them, whether that was all."""

    shards: int
    last: NewShard | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How many shards of a job are in each state, and what became of the items of those done."""

    states: Mapping[ShardState, int]
    counts: Counts


class Shards(Protocol):
    """The shards of all jobs."""

    def plan(
        self, job_id: str, owner: str, first: int, new: Sequence[NewShard], *, complete: bool
    ) -> bool:
        """Add shards, of which the first has the number `first`; may be called again.

        `complete` says that these were the last. False where the owner does not have the job any
        more, or there are fewer shards before or others behind: nothing is added then.
        """

    def planned(self, job_id: str) -> Plan:
        """Tell what was planned so far."""

    def publish(self, most: int, send: Callable[[Sequence[ShardId]], None]) -> int:
        """Send what waits and was not sent yet, of all jobs in turn; tell how many there were.

        No more than `most` of jobs that go on wait, sent and not begun. They count as sent once
        `send` has returned. Where another sends at the same moment nothing is done; nothing else
        waits for one who sends.
        """

    def recall(self, before: datetime) -> int:
        """Have sent again what was sent before then and has not begun; tell how many there are."""

    def claim(self, id_: ShardId, owner: str, worker: str) -> Shard | None:
        """Begin an attempt on a shard that waits; None where it does not, or its job is over.

        `worker` is the name that the owner is told by.
        """

    def hand_back(
        self, shard: Shard, cause: str, *, delay_s: float = 0.0, how: Ending = "left"
    ) -> bool:
        """Give up an attempt: the shard waits again, after a delay. False where it was over before.

        One that was `left` may be so any number of times.
        """

    def commit(self, shard: Shard, counts: Counts) -> bool:
        """Let an attempt's part be the shard's; False where the attempt was given up before.

        It may be said again, and counts once.
        """

    def redo(self, shard: Shard) -> bool:
        """Let a shard that is done wait again, as where its part is gone; whether it was so."""

    def held(self, owner: str) -> list[Shard]:
        """List what an owner has: attempts that are not given up, and of no job that is over."""

    def find(self, id_: ShardId) -> Shard | None:
        """Find a shard."""

    def following(self, job_id: str, line: int, limit: int) -> list[Shard]:
        """List the shards of a job that begin behind a line, in order."""

    def standing(self, job_id: str, behind: int = 0) -> Standing:
        """Tell how a job's shards stand, with the counts of those that begin behind a line."""

    def numbers(self, job_id: str | None = None) -> Mapping[ShardState, int]:
        """Tell how many shards are in each state, of a job or of all that are not over."""

    def spread(self, job_id: str, most: int) -> list[Mapping[ShardState, int]]:
        """Tell the same of runs of a job's shards, in order: of equal runs, at most so many."""

    def running(self, limit: int, job_id: str | None = None) -> list[Shard]:
        """List shards that are done just now, of a job or of all."""

    def dead(self, limit: int, job_id: str | None = None) -> list[Shard]:
        """List dead shards, of a job or of all."""

    def redrive(self, job_id: str) -> int:
        """Let the dead shards of a job wait again, as if they were new; tell how many."""

    def drop(self, job_id: str) -> None:
        """Forget the shards of a job, and that it was planned."""


class Worker(NamedTuple):
    """A process that does shards: its token, what it is called, and how many it does at once."""

    token: str
    name: str
    slots: int
    version: str
    started_at: datetime
    seen_at: datetime


class Task(NamedTuple):
    """What a worker is at, and since when: a shard of a job, or, without a number, all of it."""

    token: str
    job_id: str
    kind: str
    number: int | None
    since: datetime


class Workers(Protocol):
    """Who is at work, and where the files of all are."""

    def place(self) -> int | None:
        """Give the mark of the place where the files of all are; None where none is known yet."""

    def settle(self, place: int) -> None:
        """Let a place be that of all, unless one is known."""

    def renew(self, worker: Worker, lease_s: float) -> None:
        """Tell that a worker is alive, for `lease_s` seconds from now."""

    def leave(self, token: str) -> None:
        """Tell that a worker has ended in order and holds nothing."""

    def alive(self) -> list[Worker]:
        """List those whose lease is not over, by name."""

    def tasks(self, limit: int) -> list[Task]:
        """List what they are at, the longest first."""

    def bury(self, within_s: float = inf) -> int:
        """Give up what those hold whose lease is over, and forget them; tell how many they were.

        Nobody is, where more than so many seconds pass until the time is known: what kept this
        from being asked may have kept the living from renewing theirs.
        """


class Hosts(Protocol):
    """Servers that workers ask, and how many requests at once each worker may have there."""

    def share(
        self,
        owner: str,
        asks: Mapping[str, int],
        idle: Sequence[str],
        limit: int,
        lease_s: float,
    ) -> dict[str, int]:
        """Ask for permits of servers, given those in use, and give back those of idle ones.

        All owners together have `limit` permits of a server, shared equally as soon as all have
        asked again and nobody uses more than its part; of more owners than permits each has one in
        turn, for a third of a lease. Tells how many the owner may use of each from now on, for
        `lease_s` seconds: where more are in use it is to take none until fewer are. While it asks
        it is to use no more than it said, since others may be given the rest.
        """

    def leave(self, owner: str) -> None:
        """Give back all that an owner has."""
