"""What is told of shards in SQL: which are sent next, and which are sent again.

One sends at a time, and nothing waits for it: a broker may take long, or give out a message before
its sender knows that it has it. A sender that ends in between leaves what it sent to be sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, or_, select, tuple_, update

from pixmill.store.shards import ShardId
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.schema import jobs, shards
from pixmill.store.sql.shard_rows import GOING_ON, JOB_GOES_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from pixmill.store.sql.database import Database

_SENT_TOGETHER = 500
_WAITS = shards.c.state == "waiting"
_SENT = _WAITS & shards.c.published_at.is_not(None)


class SqlShardMessages:
    """The part of the port `Shards` that messages are sent by."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, most: int, send: Callable[[Sequence[ShardId]], None]) -> int:
        """Send what waits and was not sent yet, of all jobs in turn."""
        with self._database.reading() as connection:  # most often there is nothing
            if not self._unsent(connection):
                return 0
        with self._database.turn("sending shards") as is_mine:
            return self._send(most, send) if is_mine else 0

    def _send(self, most: int, send: Callable[[Sequence[ShardId]], None]) -> int:
        with self._database.reading() as connection:
            query = select(func.count()).select_from(shards).where(_SENT, JOB_GOES_ON)
            room = min(most - connection.execute(query).scalar_one(), _SENT_TOGETHER)
            found = self._next(connection, self._unsent(connection), room) if room > 0 else []
        if found:
            send([ShardId(row.job_id, row.number) for row in found])
            patiently(lambda: self._note_sent(found))
        return len(found)

    def _unsent(self, connection: Connection) -> list[str]:
        """List the jobs that have shards to be sent."""
        waiting = exists().where(shards.c.job_id == jobs.c.id, *self._is_unsent(connection))
        query = select(jobs.c.id).where(jobs.c.state.in_(GOING_ON), waiting)
        return list(connection.execute(query.order_by(jobs.c.place)).scalars())

    def _is_unsent(self, connection: Connection) -> tuple[ColumnElement[bool], ...]:
        now = self._database.time(connection)
        due = or_(shards.c.not_before.is_(None), shards.c.not_before <= now)
        return _WAITS, shards.c.published_at.is_(None), due

    def _next(self, connection: Connection, job_ids: list[str], room: int) -> list[Any]:
        """Choose the next shards of jobs, as many of each."""
        is_unsent = self._is_unsent(connection)
        found = []
        for job_id in job_ids:
            query = select(shards.c.job_id, shards.c.number, shards.c.attempts)
            query = query.where(shards.c.job_id == job_id, *is_unsent)
            found.append(connection.execute(query.order_by(shards.c.number).limit(room)).all())
        turns = [rows[turn] for turn in range(room) for rows in found if turn < len(rows)]
        return turns[:room]

    def _note_sent(self, found: list[Any]) -> None:
        """Note it of those that nobody has begun since, as one who had the message already."""
        these = tuple_(shards.c.job_id, shards.c.number, shards.c.attempts).in_(
            [(row.job_id, row.number, row.attempts) for row in found]
        )
        query = update(shards).where(these, _WAITS)
        with self._database.writing() as connection:
            connection.execute(query.values(published_at=self._database.time(connection)))

    def recall(self, before: datetime) -> int:
        """Have sent again what was sent before then and has not begun."""
        with self._database.writing() as connection:
            moment = self._database.by_all(connection, before)
            query = update(shards).where(_SENT, shards.c.published_at < moment)
            return connection.execute(query.values(published_at=None)).rowcount
