"""What is to be done in the background, and what became of it: the port of jobs and their states.

Owns every change of state that there is, in one table. What a kind of job does is told by its
`spec`, a JSON document whose meaning is left to whoever runs it; its result is a blob. A job runs
only under a lease, which its owner renews: whoever lost it may neither finish the job nor tell of
it, so that of two who believe that they run a job only one is heard.

Every method of the port raises OutputError where the database can not be used. All are synchronous,
and any number of threads and processes may call them at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, get_args

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

State = Literal["queued", "running", "stalled", "succeeded", "failed", "canceled", "expired"]
Event = Literal[
    "claim", "release", "succeed", "fail", "stall", "redrive", "cancel", "retry", "expire"
]
STATES: tuple[State, ...] = get_args(State)
WebhookState = Literal["waiting", "due", "delivered", "given_up"]
WEBHOOK_STATES: tuple[WebhookState, ...] = get_args(WebhookState)

TRANSITIONS: dict[tuple[State, Event], State] = {
    ("queued", "claim"): "running",
    ("running", "claim"): "running",  # by another, once the lease is over
    ("running", "release"): "queued",  # handed back, as at the end of a process
    ("running", "succeed"): "succeeded",
    ("running", "fail"): "failed",
    ("running", "stall"): "stalled",
    ("running", "cancel"): "canceled",
    ("queued", "cancel"): "canceled",
    ("stalled", "cancel"): "canceled",
    ("stalled", "redrive"): "queued",
    ("failed", "retry"): "queued",
    ("succeeded", "retry"): "queued",  # for what failed of it
    ("succeeded", "expire"): "expired",
    ("failed", "expire"): "expired",
    ("canceled", "expire"): "expired",
}
"""Each state that an event may find a job in, and the state it leads to."""

FINISHED: tuple[State, ...] = ("succeeded", "failed", "canceled", "expired")
MAX_QUEUED = 10_000  # jobs of one key that wait or run
MAX_DEATHS = 3  # in a row, none of which got further, of processes that ran nothing else
MAX_SPEC_BYTES = 64 << 10
_ID = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[!-~]{1,200}")


class OtherRequest(UsageError):
    """The key has sent another request under this idempotency key."""


class TooManyJobs(UsageError):
    """The key has as many jobs waiting and running as it may have."""


class Result(NamedTuple):
    """The blob that a job made."""

    name: str
    bytes: int
    media_type: str


class Progress(NamedTuple):
    """How much of a job is done: items of `total`, and how many of those done failed."""

    done: int = 0
    failed: int = 0
    total: int = 0


class Outcome(NamedTuple):
    """What became of a job: a result, or a code of section 6 and a sentence for its owner."""

    result: Result | None = None
    code: str | None = None
    message: str | None = None


class Webhook(NamedTuple):
    """Who is to be told of the end: the URL, how often that was tried, and whether it is over."""

    url: str
    attempts: int = 0
    state: WebhookState = "waiting"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands at `revision`, which grows with every change. Times are in UTC.

    `attempts` counts how often it was begun. The job of a command is of no key. `shards` is how
    many it was cut into, once that is done.
    """

    id: str
    key_id: int | None
    kind: str
    state: State
    spec: dict[str, Any]
    progress: Progress
    outcome: Outcome
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    revision: int
    place: int
    webhook: Webhook | None = None
    shards: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be: `word` is the idempotency key of the request, `webhook` a URL.

    One that comes with an `id` is the same job whenever it comes with it again.
    """

    key_id: int | None
    kind: str
    spec: dict[str, Any]
    total: int = 1
    word: str | None = None
    webhook: str | None = None
    id: str | None = None


class Jobs(Protocol):
    """Jobs of all keys. Where a `key_id` is given, jobs of others are as if they were not there."""

    def add(self, new: NewJob) -> tuple[Job, bool]:
        """Keep a job, or find the one that the same request made before; whether it is new.

        OtherRequest where the word stands for another request, TooManyJobs beyond MAX_QUEUED,
        UsageError for a spec or a word that is too long.
        """

    def find(self, id_: str, key_id: int | None = None) -> Job | None:
        """Find a job."""

    def page(self, limit: int, key_id: int | None = None, behind: int | None = None) -> list[Job]:
        """List jobs, the newest first, those behind a `place`."""

    def of_commands(self, limit: int) -> list[Job]:
        """List the jobs that are of no key, the newest first."""

    def claim(self, owner: str, lease_s: float, kinds: Sequence[str]) -> Job | None:
        """Take a job that waits, or whose lease is over, for `lease_s` seconds; None without any.

        The key that has the fewest jobs running comes first, of a key the oldest job. A job whose
        process died MAX_DEATHS times is failed instead.
        """

    def claim_this(self, id_: str, owner: str, lease_s: float) -> Job | None:
        """Take this job as `claim` does; None where it does not wait, or is failed instead."""

    def publish(
        self, kinds: Sequence[str], most: int, send: Callable[[Sequence[str]], None]
    ) -> int:
        """Send the ids of jobs that wait, or whose lease is over, and were not sent yet.

        Those of all keys in turn, and no more than that `most` wait, sent and not begun. They count
        as sent once `send` has returned. Tells how many there were. Where another sends at the same
        moment nothing is done; nothing else waits for one who sends.
        """

    def recall(self, before: datetime) -> int:
        """Have sent again what was sent before then and still waits; tell how many there are."""

    def oldest_queued(self) -> datetime | None:
        """Tell when the job was made that has waited longest; None where none waits."""

    def drop(self, id_: str) -> None:
        """Forget a job and its shards, whatever its state."""

    def renew(self, id_: str, owner: str, lease_s: float, progress: Progress) -> bool:
        """Hold a job on and tell how far it is; False where the owner has it no longer."""

    def end(
        self, id_: str, owner: str, event: Event, outcome: Outcome, progress: Progress
    ) -> Job | None:
        """Move a job on as its owner (release, succeed, fail, stall); None where it is not his."""

    def move(self, id_: str, event: Event, key_id: int | None = None) -> Job | None:
        """Move a job on from outside (cancel, retry, redrive, expire).

        None where there is none such, or its state knows no such event. TooManyJobs where one is to
        be done again of a key that has MAX_QUEUED waiting and running.
        """

    def finished_before(self, moment: datetime, limit: int) -> list[Job]:
        """List jobs of keys that ended before a time and are not expired, the oldest first."""

    def abandoned_before(self, moment: datetime, limit: int) -> list[Job]:
        """List jobs of commands from before a time that nobody has, and whose shards rest since."""

    def abandon(self, id_: str, moment: datetime, owner: str, lease_s: float) -> bool:
        """Take such a job, for whoever deletes what there is of it; whether it was one yet."""

    def forget(self, moment: datetime) -> int:
        """Drop what is known of jobs that ended before a time and are expired; tell how many."""


class Webhooks(Protocol):
    """Ends of jobs that are to be told: that of a job that stalled is one, of an expired none."""

    def claim(self, lease_s: float, besides: Collection[str] = ()) -> Job | None:
        """Take a job whose end is to be told now; it is due again after `lease_s` seconds.

        None whose webhook begins with one of `besides`.
        """

    def told(self, job: Job, *, delivered: bool, again_s: float | None = None) -> None:
        """Note that the end of a job that was claimed was told, or when to try again; None: never.

        Nothing is noted of a job that has gone on since it was claimed.
        """


def sources_of(event: Event) -> tuple[State, ...]:
    """Return the states that an event may find a job in."""
    return tuple(state for state, known in TRANSITIONS if known == event)


def target_of(event: Event) -> State:
    """Return the state that an event leads to."""
    (target,) = {state for (_, known), state in TRANSITIONS.items() if known == event}
    return target


def may_retry(job: Job) -> bool:
    """Whether something of a job failed, which a retry does again."""
    return job.state == "failed" or (job.state == "succeeded" and job.progress.failed > 0)


def is_job_id(text: str) -> bool:
    """Whether a text looks as the id of a job does."""
    return _ID.fullmatch(text) is not None


def check_word(word: str | None) -> None:
    """Raise UsageError unless it may be an idempotency key."""
    if word is not None and not _WORD.fullmatch(word):
        raise UsageError("an Idempotency-Key is 1 to 200 printable ASCII characters, no space")
