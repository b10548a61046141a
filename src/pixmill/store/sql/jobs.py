"""Jobs in SQL: each change of state is one conditional update, so that of many who try one does."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pixmill.errors import OutputError, UsageError
from pixmill.store.jobs import (
    MAX_QUEUED,
    MAX_SPEC_BYTES,
    Job,
    NewJob,
    OtherRequest,
    Outcome,
    TooManyJobs,
    check_word,
    sources_of,
    target_of,
)
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.job_leases import SqlLeases, ending
from pixmill.store.sql.job_rows import CHANGED, is_free, job_of, row_of, this_job
from pixmill.store.sql.schema import jobs, keys, shards
from pixmill.store.sql.webhooks import UNTOLD, WAITING

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from pixmill.store.jobs import Event


class SqlJobs(SqlLeases):
    """The port `Jobs` over a database."""

    def add(self, new: NewJob) -> tuple[Job, bool]:
        """Keep a job, or find the one that the same request made before."""
        check_word(new.word)
        spec = json.dumps(new.spec, sort_keys=True, separators=(",", ":"))
        if len(spec) > MAX_SPEC_BYTES:
            raise UsageError(f"what a job is to do takes more than {MAX_SPEC_BYTES} bytes")
        request = hashlib.sha256(json.dumps([new.kind, spec, new.webhook]).encode()).digest()
        try:
            return patiently(lambda: self._add(new, spec, request))
        except OutputError as error:
            # Those who add for no key do not wait for each other, so another was first just now.
            if new.id is None or not isinstance(error.__cause__, IntegrityError):
                raise
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
                "created_at": self._database.time(connection),
                "attempts": 0,
                "deaths": 0,
                "webhook": new.webhook,
                "webhook_attempts": 0,
                "webhook_state": "waiting" if new.webhook else None,
                "revision": 1,
            }
            connection.execute(insert(jobs).values(values))
            return job_of(row_of(connection, jobs.c.id == values["id"])), True

    def find(self, id_: str, key_id: int | None = None) -> Job | None:
        """Find a job."""
        with self._database.reading() as connection:
            row = row_of(connection, this_job(id_, key_id))
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

    def drop(self, id_: str) -> None:
        """Forget a job and its shards."""
        with self._database.writing() as connection:
            connection.execute(delete(jobs).where(this_job(id_, None)))

    def move(self, id_: str, event: Event, key_id: int | None = None) -> Job | None:
        """Move a job on from outside."""

        def moved() -> Job | None:
            with self._database.writing() as connection:
                values = _moved(event, self._database.time(connection))
                this = this_job(id_, key_id) & jobs.c.state.in_(sources_of(event))
                if event == "retry":
                    row = row_of(connection, this)
                    if row is None:
                        return None
                    _order(connection, row.key_id)
                    _check_room(connection, row.key_id)
                if not connection.execute(update(jobs).where(this).values(values)).rowcount:
                    return None
                return job_of(row_of(connection, jobs.c.id == id_))

        return patiently(moved)

    def finished_before(self, moment: datetime, limit: int) -> list[Job]:
        """List jobs that ended before a time and are not expired, the oldest first."""
        states = sources_of("expire")
        query = select(jobs).where(jobs.c.state.in_(states), jobs.c.finished_at < moment)
        query = query.where(jobs.c.key_id.is_not(None))
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(jobs.c.finished_at).limit(limit))
            return [job_of(row) for row in found]

    def abandoned_before(self, moment: datetime, limit: int) -> list[Job]:
        """List jobs of commands from before a time that nobody has, and whose shards rest since."""
        with self._database.reading() as connection:
            query = select(jobs).where(self._is_abandoned(connection, moment))
            found = connection.execute(query.order_by(jobs.c.place).limit(limit))
            return [job_of(row) for row in found]

    def abandon(self, id_: str, moment: datetime, owner: str, lease_s: float) -> bool:
        """Take such a job."""
        with self._database.writing() as connection:
            until = self._database.time(connection) + timedelta(seconds=lease_s)
            this = this_job(id_, None) & self._is_abandoned(connection, moment)
            values = {"state": "running", "lease_owner": owner, "lease_until": until, **CHANGED}
            return connection.execute(update(jobs).where(this).values(values)).rowcount == 1

    def _is_abandoned(self, connection: Connection, moment: datetime) -> ColumnElement[bool]:
        before = self._database.by_all(connection, moment)
        is_left = is_free(self._database.time(connection))
        is_left |= jobs.c.state.in_(("stalled", "canceled"))
        goes_on = exists().where(
            shards.c.job_id == jobs.c.id,
            (shards.c.state == "running") | (shards.c.finished_at >= before),
        )
        return jobs.c.key_id.is_(None) & is_left & (jobs.c.created_at < before) & ~goes_on

    def forget(self, moment: datetime) -> int:
        """Drop what is known of jobs that ended before a time and are expired."""
        this = (jobs.c.state == "expired") & (jobs.c.finished_at < moment)
        with self._database.writing() as connection:
            return connection.execute(delete(jobs).where(this)).rowcount


def _moved(event: Event, now: datetime) -> dict[str, Any]:
    """Give the values of a job that is moved on from outside."""
    if event == "expire":
        return {"state": "expired", **UNTOLD, **CHANGED}
    values = ending(event, Outcome(), now)
    if target_of(event) == "queued":
        values |= {"attempts": 0, "deaths": 0, "started_at": None, "finished_at": None}
        values |= WAITING | {"published_at": None}
    return values


def _known(connection: Connection, new: NewJob) -> Any:
    if new.id is not None:
        return row_of(connection, jobs.c.id == new.id)
    if new.word is None:
        return None
    return row_of(connection, (jobs.c.key_id == new.key_id) & (jobs.c.word == new.word))


def _order(connection: Connection, key_id: int | None) -> None:
    """Let those who add for a key wait for each other, where a database lets many write at once."""
    connection.execute(select(keys.c.id).where(keys.c.id == key_id).with_for_update())


def _check_room(connection: Connection, key_id: int | None) -> None:
    query = select(func.count()).select_from(jobs)
    query = query.where(jobs.c.key_id == key_id, jobs.c.state.in_(("queued", "running")))
    if connection.execute(query).scalar_one() >= MAX_QUEUED:
        raise TooManyJobs(f"{MAX_QUEUED} jobs wait and run already")
