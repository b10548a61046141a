"""Ends of jobs that are to be told, in SQL: when they are due, who tells them, what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, not_, select, update

from pixmill.store.sql.contention import patiently
from pixmill.store.sql.job_rows import CHANGED, job_of
from pixmill.store.sql.schema import jobs

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from pixmill.store.jobs import Job
    from pixmill.store.sql.database import Database

_HAS_ONE = jobs.c.webhook.is_not(None)
_IS_DUE = jobs.c.webhook_state == "due"

WAITING: dict[str, Any] = {
    "webhook_at": None,
    "webhook_state": case((_HAS_ONE, "waiting"), else_=None),
    "webhook_attempts": 0,
}
"""The values of a job that is to come to another end."""

UNTOLD: dict[str, Any] = {
    "webhook_at": None,
    "webhook_state": case((_IS_DUE, "given_up"), else_=jobs.c.webhook_state),
}
"""The values of a job whose end is not to be told any more."""


def due_at(now: datetime) -> dict[str, Any]:
    """Give the values of a job whose end is to be told."""
    return {
        "webhook_at": case((_HAS_ONE, now), else_=None),
        "webhook_state": case((_HAS_ONE, "due"), else_=None),
        "webhook_attempts": 0,
    }


class SqlWebhooks:
    """The port `Webhooks` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, lease_s: float, besides: Collection[str] = ()) -> Job | None:
        """Take a job whose end is to be told now."""
        with self._database.reading() as connection:  # nobody asks in vain for the right to write
            if self._due(connection, besides) is None:
                return None
        return patiently(lambda: self._claim(lease_s, besides))

    def told(self, job: Job, *, delivered: bool, again_s: float | None = None) -> None:
        """Note that the end was told, or when to try again."""
        attempts = jobs.c.webhook_attempts + 1
        values: dict[str, Any] = {"webhook_attempts": attempts, "webhook_at": None, **CHANGED}
        if delivered or again_s is None:
            values["webhook_state"] = "delivered" if delivered else "given_up"
        this = (jobs.c.id == job.id) & (jobs.c.revision == job.revision) & _IS_DUE

        def noted() -> None:
            with self._database.writing() as connection:
                if "webhook_state" not in values:
                    again = timedelta(seconds=again_s or 0.0)
                    values["webhook_at"] = self._database.time(connection) + again
                connection.execute(update(jobs).where(this).values(values))

        patiently(noted)

    def _claim(self, lease_s: float, besides: Collection[str]) -> Job | None:
        with self._database.writing() as connection:
            due = self._due(connection, besides)
            if due is None:
                return None
            this = (jobs.c.place == due.place) & (jobs.c.webhook_at == due.webhook_at)
            again = self._database.time(connection) + timedelta(seconds=lease_s)
            taken = connection.execute(update(jobs).where(this).values(webhook_at=again)).rowcount
            return job_of(due) if taken else None

    def _due(self, connection: Connection, besides: Collection[str]) -> Any:
        query = select(jobs).where(jobs.c.webhook_at <= self._database.time(connection))
        for beginning in besides:
            query = query.where(not_(jobs.c.webhook.startswith(beginning, autoescape=True)))
        return connection.execute(query.order_by(jobs.c.webhook_at).limit(1)).one_or_none()
