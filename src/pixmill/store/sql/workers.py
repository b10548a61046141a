"""Workers in SQL: their leases, and what becomes of the shards of one that is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, null, select, update

from pixmill.store.shards import Task, Worker
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.schema import jobs, shards, workers
from pixmill.store.sql.shard_rows import give_up_all

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database


class SqlWorkers:
    """The port `Workers` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def renew(self, worker: Worker, lease_s: float) -> None:
        """Tell that a worker is alive."""

        def renewed() -> None:
            now = self._database.now()
            held = {"seen_at": now, "lease_until": now + timedelta(seconds=lease_s)}
            this = workers.c.token == worker.token
            with self._database.writing() as connection:
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
        query = select(*columns).where(workers.c.lease_until > self._database.now())
        with self._database.reading() as connection:
            return [Worker(*row) for row in connection.execute(query.order_by(workers.c.name))]

    def tasks(self, limit: int) -> list[Task]:
        """List what they are at."""
        is_alive = workers.c.lease_until > self._database.now()
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
            .where(is_alive, shards.c.state == "running")
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
            .where(is_alive, jobs.c.state == "running")
        )
        with self._database.reading() as connection:
            found = [
                Task(*row)
                for query in (parts, wholes)
                for row in connection.execute(query.order_by("since").limit(limit))
            ]
        return sorted(found, key=lambda task: task.since)[:limit]

    def bury(self) -> int:
        """Give up what those hold whose lease is over."""
        is_over = workers.c.lease_until <= self._database.now()
        query = select(workers.c.token).where(is_over)
        # As of one that was buried, or left, and began a shard before it was back.
        unknown = shards.c.owner.not_in(select(workers.c.token))
        lost = select(shards.c.owner).where(shards.c.state == "running", unknown).distinct()
        with self._database.reading() as connection:  # nobody asks in vain for the right to write
            if not (connection.execute(query).first() or connection.execute(lost).first()):
                return 0

        def buried() -> int:
            with self._database.writing() as connection:
                over = connection.execute(query.with_for_update(skip_locked=True))
                found = over.scalars().all()
                for token in found:
                    self._bury(connection, token)
                for token in connection.execute(lost).scalars().all():
                    give_up_all(connection, token, self._database.now(), known=False)
                return len(found)

        return patiently(buried)

    def _bury(self, connection: Connection, token: str) -> None:
        others = held_jobs(connection, token)
        beside = give_up_all(connection, token, self._database.now(), others)
        if beside and others:  # nor is any of these jobs held to this death later
            its = (jobs.c.state == "running") & (jobs.c.lease_owner == token)
            connection.execute(update(jobs).where(its).values(lease_owner=None))
        connection.execute(delete(workers).where(workers.c.token == token))


def held_jobs(connection: Connection, token: str) -> int:
    """Tell how many jobs of no shards an owner has."""
    query = select(func.count()).select_from(jobs)
    query = query.where(jobs.c.state == "running", jobs.c.lease_owner == token)
    return int(connection.execute(query).scalar_one())
