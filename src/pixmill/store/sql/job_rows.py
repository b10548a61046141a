"""Rows of jobs as the port's values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import or_, select

from pixmill.store.jobs import Job, Outcome, Progress, Result, Webhook, is_job_id
from pixmill.store.sql.schema import jobs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

CHANGED = {"revision": jobs.c.revision + 1}
"""What every change sets besides."""


def job_of(row: Any) -> Job:
    """Read a job from its row."""
    result = Result(row.result, row.result_bytes, row.result_type) if row.result else None
    webhook = Webhook(row.webhook, row.webhook_attempts, row.webhook_state) if row.webhook else None
    return Job(
        id=row.id,
        key_id=row.key_id,
        kind=row.kind,
        state=row.state,
        spec=json.loads(row.spec),
        progress=Progress(row.done, row.failed, row.total),
        outcome=Outcome(result, row.code, row.message),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        attempts=row.attempts,
        revision=row.revision,
        place=row.place,
        webhook=webhook,
        shards=row.shards,
    )


def this_job(id_: str, key_id: int | None = None) -> ColumnElement[bool]:
    """Tell a job by its id, if it is of the key where one is given."""
    this = jobs.c.id == (id_ if is_job_id(id_) else "")
    return this if key_id is None else this & (jobs.c.key_id == key_id)


def is_free(now: datetime) -> ColumnElement[bool]:
    """Tell a job that waits, or whose lease is over."""
    is_over = (jobs.c.state == "running") & (jobs.c.lease_until <= now)
    return or_(jobs.c.state == "queued", is_over)


def row_of(
    connection: Connection, this: ColumnElement[bool], lock: Literal["free", "own"] | None = None
) -> Any:
    """Find the row of a job, and keep it until the transaction ends with a `lock`.

    It is one that nobody else has (`free`), or is waited for until it is so (`own`).
    """
    query = select(jobs).where(this)
    if lock is not None:
        query = query.with_for_update(skip_locked=lock == "free")
    return connection.execute(query).one_or_none()
