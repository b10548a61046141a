"""Workers in SQL: their leases, and what becomes of the shards of one that is gone."""

from __future__ import annotations

import time
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, null, select, update

from pixmill.store.shards import Task, Worker
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.schema import SECRETS_COUNTER, counters, jobs, shards, workers
from pixmill.store.sql.shard_rows import give_up_all

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database

_PLACE = "place"


class SqlWorkers:
    """The port `Workers` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place(self) -> int | None:
        """Give the mark of the place where the files of all are."""
        query = select(counters.c.value).where(counters.c.name == _PLACE)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def settle(self, place: int) -> None:
        """Let a place be that of all, unless one is known."""

        def settled() -> None:
            with self._database.writing() as connection:
                turn = select(counters.c.name).where(counters.c.name == SECRETS_COUNTER)
                connection.execute(turn.with_for_update())  # so that of two one waits
                known = select(counters.c.name).where(counters.c.name == _PLACE)
                if connection.execute(known).first() is None:
                    connection.execute(insert(counters).values(name=_PLACE, value=place))

        patiently(settled)

    def renew(self, worker: Worker, lease_s: float) -> None:
        """Tell that a worker is alive."""

        def renewed() -> None:
            this = workers.c.token == worker.token
            with self._database.writing() as connection:
                now = self._database.time(connection)
                held = {"seen_at": now, "lease_until": now + timedelta(seconds=lease_s)}
                if not connection.execute(update(workers).where(this).values(held)).rowcount:
                    connection.execute(insert(workers).values({**worker._asdict(), **held}))

        patiently(renewed)

    def leave(self, token: str) -> None:
        """Tell that a worker has ended in order."""
        with self._database.writing() as connection:
            connection.execute(delete(workers).where(workers.c.token == token))

    def alive(self) -> list[Worker]:
        """List those whose lease is not over."""
        columns = [workers.c[name] for name in Worker._fields]
        query = select(*columns)
        with self._database.reading() as connection:
            query = query.where(workers.c.lease_until > self._database.time(connection))
            return [Worker(*row) for row in connection.execute(query.order_by(workers.c.name))]

    def tasks(self, limit: int) -> list[Task]:
        """List what they are at."""
        parts = (
            select(
                workers.c.token,
                shards.c.job_id,
                jobs.c.kind,
                shards.c.number,
                shards.c.started_at.label("since"),
            )
            .join_from(workers, shards, shards.c.owner == workers.c.token)
            .join(jobs, jobs.c.id == shards.c.job_id)
            .where(shards.c.state == "running")
        )
        wholes = (
            select(
                workers.c.token,
                jobs.c.id.label("job_id"),
                jobs.c.kind,
                null().label("number"),
                jobs.c.started_at.label("since"),
            )
            .join_from(workers, jobs, jobs.c.lease_owner == workers.c.token)
            .where(jobs.c.state == "running")
        )
        with self._database.reading() as connection:
            is_alive = workers.c.lease_until > self._database.time(connection)
            found = [
                Task(*row)
                for query in (parts, wholes)
                for row in connection.execute(query.where(is_alive).order_by("since").limit(limit))
            ]
        return sorted(found, key=lambda task: task.since)[:limit]

    def bury(self, within_s: float = inf) -> int:
        """Give up what those hold whose lease is over."""
        # As of one that was buried, or left, and began a shard before it was back.
        unknown = shards.c.owner.not_in(select(workers.c.token))
        lost = select(shards.c.owner).where(shards.c.state == "running", unknown).distinct()
        asked_at = time.monotonic()
        with self._database.reading() as connection:  # nobody asks in vain for the right to write
            now = self._database.time(connection)
            if time.monotonic() - asked_at > within_s:
                return 0
            # At this moment, whatever keeps the rest waiting.
            query = select(workers.c.token).where(workers.c.lease_until <= now)
            if not (connection.execute(query).first() or connection.execute(lost).first()):
                return 0

        def buried() -> int:
            with self._database.writing() as connection:
                over = connection.execute(query.with_for_update(skip_locked=True))
                found = over.scalars().all()
                for token in found:
                    _bury(connection, token, now)
                for token in connection.execute(lost).scalars().all():
                    give_up_all(connection, token, now, known=False)
                return len(found)

        return patiently(buried)


def _bury(connection: Connection, token: str, now: datetime) -> None:
    others = held_jobs(connection, token)
    beside = give_up_all(connection, token, now, others)
    if beside and others:  # nor is any of these jobs held to this death later
        its = (jobs.c.state == "running") & (jobs.c.lease_owner == token)
        connection.execute(update(jobs).where(its).values(lease_owner=None))
    connection.execute(delete(workers).where(workers.c.token == token))


def held_jobs(connection: Connection, token: str) -> int:
    """Tell how many jobs of no shards an owner has."""
    query = select(func.count()).select_from(jobs)
    query = query.where(jobs.c.state == "running", jobs.c.lease_owner == token)
    return int(connection.execute(query).scalar_one())
