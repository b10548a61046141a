"""Jobs in SQL: each change of state is one conditional update, so that of many who try one does."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, delete, func, insert, or_, select, update

from pixmill.errors import InternalError, UsageError
from pixmill.store.jobs import (
    FINISHED,
    MAX_DEATHS,
    MAX_QUEUED,
    MAX_SPEC_BYTES,
    Job,
    NewJob,
    OtherRequest,
    Outcome,
    Progress,
    TooManyJobs,
    check_word,
    is_job_id,
    sources_of,
    target_of,
)
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.job_rows import CHANGED, job_of
from pixmill.store.sql.schema import jobs, keys, shards
from pixmill.store.sql.webhooks import UNTOLD, WAITING, due_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from pixmill.store.jobs import Event
    from pixmill.store.sql.database import Database

_SENT_TOGETHER = 500
_DIED = "the process that ran the job died, {} times in a row with no other job at work"
_NO_LEASE = {"lease_owner": None, "lease_until": None}


class SqlJobs:
    """The port `Jobs` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewJob) -> tuple[Job, bool]:
        """Keep a job, or find the one that the same request made before."""
        check_word(new.word)
        spec = json.dumps(new.spec, sort_keys=True, separators=(",", ":"))
        if len(spec) > MAX_SPEC_BYTES:
            raise UsageError(f"what a job is to do takes more than {MAX_SPEC_BYTES} bytes")
        request = hashlib.sha256(json.dumps([new.kind, spec, new.webhook]).encode()).digest()
        return patiently(lambda: self._add(new, spec, request))

    def _add(self, new: NewJob, spec: str, request: bytes) -> tuple[Job, bool]:
        with self._database.writing() as connection:
            _order(connection, new.key_id)
            known = _known(connection, new)
            if known is not None:
                if known.request != request:
                    raise OtherRequest("this Idempotency-Key stands for another request")
                return job_of(known), False
            _check_room(connection, new.key_id)
            values = {
                "id": new.id or secrets.token_hex(16),
                "key_id": new.key_id,
                "kind": new.kind,
                "state": "queued",
                "spec": spec,
                "word": new.word,
                "request": request,
                "done": 0,
                "failed": 0,
                "total": new.total,
                "created_at": self._database.now(),
                "attempts": 0,
                "deaths": 0,
                "webhook": new.webhook,
                "webhook_attempts": 0,
                "webhook_state": "waiting" if new.webhook else None,
                "revision": 1,
            }
            connection.execute(insert(jobs).values(values))
            return job_of(_row(connection, jobs.c.id == values["id"])), True

    def find(self, id_: str, key_id: int | None = None) -> Job | None:
        """Find a job."""
        with self._database.reading() as connection:
            row = _row(connection, _this(id_, key_id))
        return None if row is None else job_of(row)

    def page(self, limit: int, key_id: int | None = None, behind: int | None = None) -> list[Job]:
        """List jobs, the newest first, those behind a place."""
        query = select(jobs).order_by(jobs.c.place.desc()).limit(limit)
        if key_id is not None:
            query = query.where(jobs.c.key_id == key_id)
        if behind is not None:
            query = query.where(jobs.c.place < behind)
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def of_commands(self, limit: int) -> list[Job]:
        """List the jobs that are of no key, the newest first."""
        query = select(jobs).where(jobs.c.key_id.is_(None)).order_by(jobs.c.place.desc())
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(query.limit(limit))]

    def claim(self, owner: str, lease_s: float, kinds: Sequence[str]) -> Job | None:
        """Take a job that waits, or whose lease is over."""
        with self._database.reading() as connection:  # nobody asks in vain for the right to write
            if self._next(connection, kinds) is None:
                return None

        def claimed() -> Job | None:
            with self._database.writing() as connection:
                while (place := self._next(connection, kinds)) is not None:
                    is_it = (jobs.c.place == place) & is_free(self._database.now())
                    row = _row(connection, is_it, locked=True)
                    if row is None:  # another has it just now
                        return None
                    if job := self._begun(connection, row, owner, lease_s):
                        return job
            return None

        return patiently(claimed)

    def claim_this(self, id_: str, owner: str, lease_s: float) -> Job | None:
        """Take this job as `claim` does."""

        def claimed() -> Job | None:
            with self._database.writing() as connection:
                is_it = _this(id_, None) & is_free(self._database.now())
                row = _row(connection, is_it, locked=True)
                return None if row is None else self._begun(connection, row, owner, lease_s)

        return patiently(claimed)

    def _begun(self, connection: Connection, row: Any, owner: str, lease_s: float) -> Job | None:
        """Let a job that is free be an owner's; or end it, where its owners died of it."""
        now = self._database.now()
        deaths = row.deaths
        if row.lease_owner is not None:
            deaths += _bury(connection, row.lease_owner, now)
        this = (jobs.c.place == row.place) & (jobs.c.revision == row.revision)
        if deaths >= MAX_DEATHS:
            outcome = Outcome(code=InternalError.code, message=_DIED.format(deaths))
            values = {"deaths": deaths, **_ending("fail", outcome, now)}
            connection.execute(update(jobs).where(this).values(values))
            return None
        values = {
            "state": target_of("claim"),
            "deaths": deaths,
            "attempts": row.attempts + 1,
            "started_at": row.started_at or now,
            "lease_owner": owner,
            "lease_until": now + timedelta(seconds=lease_s),
            "published_at": None,  # if it comes to wait again, it is sent again
            **CHANGED,
        }
        connection.execute(update(jobs).where(this).values(values))
        return job_of(_row(connection, jobs.c.place == row.place))

    def publish(self, kinds: Sequence[str], send: Callable[[Sequence[str]], None]) -> int:
        """Send the ids of jobs that wait and were not sent yet."""
        unsent = jobs.c.kind.in_(kinds) & jobs.c.published_at.is_(None)
        query = select(jobs.c.id).where(unsent, is_free(self._database.now()))
        query = query.order_by(jobs.c.place).limit(_SENT_TOGETHER)
        with self._database.reading() as connection:
            if connection.execute(query).first() is None:
                return 0
        with self._database.writing() as connection:
            locked = query.with_for_update(skip_locked=True)
            found = list(connection.execute(locked).scalars())
            if found:
                send(found)
                sent = update(jobs).where(jobs.c.id.in_(found))
                connection.execute(sent.values(published_at=self._database.now()))
            return len(found)

    def recall(self, before: datetime) -> int:
        """Have sent again what was sent before then and still waits."""
        this = is_free(self._database.now()) & (jobs.c.published_at < before)
        with self._database.writing() as connection:
            return connection.execute(update(jobs).where(this).values(published_at=None)).rowcount

    def oldest_queued(self) -> datetime | None:
        """Tell when the job was made that has waited longest."""
        query = select(func.min(jobs.c.created_at)).where(jobs.c.state == "queued")
        query = query.where(jobs.c.key_id.is_not(None))  # those of commands wait for their command
        with self._database.reading() as connection:
            return connection.execute(query).scalar()

    def drop(self, id_: str) -> None:
        """Forget a job and its shards."""
        with self._database.writing() as connection:
            connection.execute(delete(jobs).where(_this(id_, None)))

    def _next(self, connection: Connection, kinds: Sequence[str]) -> int | None:
        """Find what to claim: of the key with the fewest jobs under a lease, the oldest."""
        now = self._database.now()
        oldest = (
            select(jobs.c.key_id, func.min(jobs.c.place).label("place"))
            .where(is_free(now), jobs.c.kind.in_(kinds))
            .group_by(jobs.c.key_id)
        )
        waiting = connection.execute(oldest).all()
        if not waiting:
            return None
        running = select(jobs.c.key_id, func.count().label("number")).where(
            jobs.c.state == "running", jobs.c.lease_until > now
        )
        numbers = {
            row.key_id: row.number for row in connection.execute(running.group_by(jobs.c.key_id))
        }
        place: int = min((numbers.get(row.key_id, 0), row.place) for row in waiting)[1]
        return place

    def renew(self, id_: str, owner: str, lease_s: float, progress: Progress) -> bool:
        """Hold a job on and tell how far it is."""
        until = self._database.now() + timedelta(seconds=lease_s)
        told = progress._asdict()
        is_new = or_(*(jobs.c[name] != value for name, value in told.items()))
        values = {
            **told,
            "lease_until": until,
            "revision": jobs.c.revision + case((is_new, 1), else_=0),
            "deaths": case((jobs.c.done < progress.done, 0), else_=jobs.c.deaths),
        }
        return patiently(lambda: self._update(_held(id_, owner), values))

    def _update(self, this: ColumnElement[bool], values: dict[str, Any]) -> bool:
        with self._database.writing() as connection:
            return connection.execute(update(jobs).where(this).values(values)).rowcount == 1

    def end(
        self, id_: str, owner: str, event: Event, outcome: Outcome, progress: Progress
    ) -> Job | None:
        """Move a job on as its owner."""

        def ended() -> Job | None:
            values = {**progress._asdict(), **_ending(event, outcome, self._database.now())}
            with self._database.writing() as connection:
                query = update(jobs).where(_held(id_, owner)).values(values)
                if not connection.execute(query).rowcount:
                    return None
                return job_of(_row(connection, jobs.c.id == id_))

        return patiently(ended)

    def move(self, id_: str, event: Event, key_id: int | None = None) -> Job | None:
        """Move a job on from outside."""

        def moved() -> Job | None:
            now = self._database.now()
            values = _ending(event, Outcome(), now)
            if event == "expire":
                values = {"state": "expired", **UNTOLD, **CHANGED}
            elif target_of(event) == "queued":
                values |= {"attempts": 0, "deaths": 0, "started_at": None, "finished_at": None}
                values |= WAITING
            with self._database.writing() as connection:
                this = _this(id_, key_id) & jobs.c.state.in_(sources_of(event))
                if event == "retry":
                    row = _row(connection, this)
                    if row is None:
                        return None
                    _order(connection, row.key_id)
                    _check_room(connection, row.key_id)
                if not connection.execute(update(jobs).where(this).values(values)).rowcount:
                    return None
                return job_of(_row(connection, jobs.c.id == id_))

        return patiently(moved)

    def finished_before(self, moment: datetime, limit: int) -> list[Job]:
        """List jobs that ended before a time and are not expired, the oldest first."""
        states = sources_of("expire")
        query = select(jobs).where(jobs.c.state.in_(states), jobs.c.finished_at < moment)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(jobs.c.finished_at).limit(limit))
            return [job_of(row) for row in found]

    def forget(self, moment: datetime) -> int:
        """Drop what is known of jobs that ended before a time and are expired."""
        this = (jobs.c.state == "expired") & (jobs.c.finished_at < moment)
        with self._database.writing() as connection:
            return connection.execute(delete(jobs).where(this)).rowcount


def _this(id_: str, key_id: int | None) -> ColumnElement[bool]:
    this = jobs.c.id == (id_ if is_job_id(id_) else "")
    return this if key_id is None else this & (jobs.c.key_id == key_id)


def is_free(now: datetime) -> ColumnElement[bool]:
    """Tell a job that waits, or whose lease is over."""
    is_over = (jobs.c.state == "running") & (jobs.c.lease_until <= now)
    return or_(jobs.c.state == "queued", is_over)


def _held(id_: str, owner: str) -> ColumnElement[bool]:
    """Tell a job that runs under this owner's lease, be it over, if nobody has taken it since."""
    return (jobs.c.id == id_) & (jobs.c.state == "running") & (jobs.c.lease_owner == owner)


def _row(connection: Connection, this: ColumnElement[bool], *, locked: bool = False) -> Any:
    query = select(jobs).where(this)
    if locked:
        query = query.with_for_update(skip_locked=True)
    return connection.execute(query).one_or_none()


def _known(connection: Connection, new: NewJob) -> Any:
    if new.id is not None:
        return _row(connection, jobs.c.id == new.id)
    if new.word is None:
        return None
    return _row(connection, (jobs.c.key_id == new.key_id) & (jobs.c.word == new.word))


def _order(connection: Connection, key_id: int | None) -> None:
    """Let those who add for a key wait for each other, where a database lets many write at once."""
    connection.execute(select(keys.c.id).where(keys.c.id == key_id).with_for_update())


def _check_room(connection: Connection, key_id: int | None) -> None:
    query = select(func.count()).select_from(jobs)
    query = query.where(jobs.c.key_id == key_id, jobs.c.state.in_(("queued", "running")))
    if connection.execute(query).scalar_one() >= MAX_QUEUED:
        raise TooManyJobs(f"{MAX_QUEUED} jobs wait and run already")


def _bury(connection: Connection, owner: str, now: datetime) -> int:
    """Take the jobs from an owner that is gone; count its death where it ran one alone: 1, or 0."""
    is_its = (jobs.c.state == "running") & (jobs.c.lease_owner == owner)
    query = select(func.count()).select_from(jobs).where(is_its)
    shard = select(func.count()).select_from(shards).where(shards.c.owner == owner)
    numbers = connection.execute(query).scalar_one() + connection.execute(shard).scalar_one()
    alone = int(numbers == 1)
    values = {"lease_owner": None, "deaths": jobs.c.deaths + alone}
    connection.execute(update(jobs).where(is_its, jobs.c.lease_until <= now).values(values))
    return alone


def _ending(event: Event, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Give the values of a job that is no longer at work."""
    state, result = target_of(event), outcome.result
    values = {
        "state": state,
        "result": result.name if result else None,
        "result_bytes": result.bytes if result else None,
        "result_type": result.media_type if result else None,
        "code": outcome.code,
        "message": outcome.message,
        "finished_at": now if state in FINISHED else None,
        **_NO_LEASE,
        **CHANGED,
    }
    return values | (due_at(now) if state in {*FINISHED, "stalled"} else {})
