"""Rows of jobs as the port's values."""

from __future__ import annotations

import json
from typing import Any

from pixmill.store.jobs import Job, Outcome, Progress, Result, Webhook
from pixmill.store.sql.schema import jobs

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
