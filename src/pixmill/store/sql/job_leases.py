"""Leases on jobs in SQL: who has which, for how long, and who is told that one waits."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, or_, select, tuple_, update

from pixmill.errors import InternalError
from pixmill.store.jobs import FINISHED, MAX_DEATHS, Outcome, target_of
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.job_rows import CHANGED, is_free, job_of, row_of, this_job
from pixmill.store.sql.schema import jobs
from pixmill.store.sql.shard_rows import give_up_all
from pixmill.store.sql.webhooks import due_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from pixmill.store.jobs import Event, Job, Progress
    from pixmill.store.sql.database import Database

_SENT_TOGETHER = 500
_NO_LEASE = {"lease_owner": None, "lease_until": None}
_DIED = "the process that ran the job died, {} times in a row with no other job at work"


class SqlLeases:
    """The part of the port `Jobs` that leases are asked by."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, owner: str, lease_s: float, kinds: Sequence[str]) -> Job | None:
        """Take a job that waits, or whose lease is over."""
        with self._database.reading() as connection:  # nobody asks in vain for the right to write
            if self._next(connection, kinds) is None:
                return None

        def claimed() -> Job | None:
            with self._database.writing() as connection:
                while (place := self._next(connection, kinds)) is not None:
                    is_it = (jobs.c.place == place) & is_free(self._database.time(connection))
                    row = row_of(connection, is_it, "free")
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
                is_it = this_job(id_, None) & is_free(self._database.time(connection))
                # It may be that it is noted just now that it was told of, and it is not told again.
                row = row_of(connection, is_it, "own")
                return None if row is None else self._begun(connection, row, owner, lease_s)

        return patiently(claimed)

    def _begun(self, connection: Connection, row: Any, owner: str, lease_s: float) -> Job | None:
        """Let a job that is free be an owner's; or end it, where its owners died of it."""
        now = self._database.time(connection)
        deaths = row.deaths
        if row.lease_owner is not None:
            deaths += _bury(connection, row.lease_owner, now)
        this = (jobs.c.place == row.place) & (jobs.c.revision == row.revision)
        # A command's process may be killed as often as one likes: it is begun by hand each time.
        if deaths >= MAX_DEATHS and row.key_id is not None:
            outcome = Outcome(code=InternalError.code, message=_DIED.format(deaths))
            values = {"deaths": deaths, **ending("fail", outcome, now)}
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
        return job_of(row_of(connection, jobs.c.place == row.place))

    def publish(
        self, kinds: Sequence[str], most: int, send: Callable[[Sequence[str]], None]
    ) -> int:
        """Send the ids of jobs that wait and were not sent yet, those of all keys in turn."""
        with self._database.reading() as connection:  # most often there is none
            if not self._unsent(connection, kinds, 1):
                return 0
        with self._database.turn("sending jobs") as is_mine:
            return self._send(kinds, most, send) if is_mine else 0

    def _send(self, kinds: Sequence[str], most: int, send: Callable[[Sequence[str]], None]) -> int:
        with self._database.reading() as connection:
            waits = is_free(self._database.time(connection)) & jobs.c.kind.in_(kinds)
            query = select(func.count()).select_from(jobs)
            sent = connection.execute(query.where(waits, jobs.c.published_at.is_not(None)))
            room = min(most - sent.scalar_one(), _SENT_TOGETHER)
            found = self._unsent(connection, kinds, room)
        if found:
            send([row.id for row in found])  # which may take long, and nobody waits for it
            patiently(lambda: self._note_sent(found))
        return len(found)

    def _unsent(self, connection: Connection, kinds: Sequence[str], room: int) -> list[Any]:
        """List the jobs to be sent: the oldest of each key, then the next of each."""
        unsent = jobs.c.kind.in_(kinds) & jobs.c.published_at.is_(None)
        turn = func.row_number().over(partition_by=jobs.c.key_id, order_by=jobs.c.place)
        query = select(jobs.c.id, jobs.c.place, jobs.c.revision)
        query = query.where(unsent, is_free(self._database.time(connection)))
        return list(connection.execute(query.order_by(turn, jobs.c.place).limit(max(0, room))))

    def _note_sent(self, found: list[Any]) -> None:
        """Note it of those to which nothing has happened since, as that one had them already."""
        these = tuple_(jobs.c.place, jobs.c.revision).in_(
            [(row.place, row.revision) for row in found]
        )
        with self._database.writing() as connection:
            now = self._database.time(connection)
            told = update(jobs).where(these, is_free(now))
            connection.execute(told.values(published_at=now))

    def recall(self, before: datetime) -> int:
        """Have sent again what was sent before then and still waits."""
        with self._database.writing() as connection:
            moment = self._database.by_all(connection, before)
            this = is_free(self._database.time(connection)) & (jobs.c.published_at < moment)
            return connection.execute(update(jobs).where(this).values(published_at=None)).rowcount

    def oldest_queued(self) -> datetime | None:
        """Tell when the job was made that has waited longest."""
        query = select(func.min(jobs.c.created_at)).where(jobs.c.state == "queued")
        query = query.where(jobs.c.key_id.is_not(None))  # those of commands wait for their command
        with self._database.reading() as connection:
            return connection.execute(query).scalar()

    def _next(self, connection: Connection, kinds: Sequence[str]) -> int | None:
        """Find what to claim: of the key with the fewest jobs under a lease, the oldest."""
        now = self._database.time(connection)
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
        told = progress._asdict()
        is_new = or_(*(jobs.c[name] != value for name, value in told.items()))
        values = {
            **told,
            "revision": jobs.c.revision + case((is_new, 1), else_=0),
            "deaths": case((jobs.c.done < progress.done, 0), else_=jobs.c.deaths),
        }

        def renewed() -> bool:
            with self._database.writing() as connection:
                until = self._database.time(connection) + timedelta(seconds=lease_s)
                query = update(jobs).where(_held(id_, owner)).values(values)
                return connection.execute(query.values(lease_until=until)).rowcount == 1

        return patiently(renewed)

    def end(
        self, id_: str, owner: str, event: Event, outcome: Outcome, progress: Progress
    ) -> Job | None:
        """Move a job on as its owner."""

        def ended() -> Job | None:
            with self._database.writing() as connection:
                now = self._database.time(connection)
                values = {**progress._asdict(), **ending(event, outcome, now)}
                query = update(jobs).where(_held(id_, owner)).values(values)
                if not connection.execute(query).rowcount:
                    return None
                return job_of(row_of(connection, jobs.c.id == id_))

        return patiently(ended)


def _held(id_: str, owner: str) -> ColumnElement[bool]:
    """Tell a job that runs under this owner's lease, be it over, if nobody has taken it since."""
    return (jobs.c.id == id_) & (jobs.c.state == "running") & (jobs.c.lease_owner == owner)


def _bury(connection: Connection, owner: str, now: datetime) -> int:
    """Take the jobs from an owner that is gone; count its death where it ran one alone: 1, or 0."""
    is_its = (jobs.c.state == "running") & (jobs.c.lease_owner == owner)
    query = select(func.count()).select_from(jobs).where(is_its)
    number = connection.execute(query).scalar_one()
    # Now, so that none of them is taken for one that ran alone, once its worker is buried.
    beside = give_up_all(connection, owner, now, number)
    alone = int(number + beside == 1)
    values = {"lease_owner": None, "deaths": jobs.c.deaths + alone}
    connection.execute(update(jobs).where(is_its, jobs.c.lease_until <= now).values(values))
    return alone


def ending(event: Event, outcome: Outcome, now: datetime) -> dict[str, Any]:
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
