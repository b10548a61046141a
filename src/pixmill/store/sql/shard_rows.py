"""Rows of shards as the port's values, and what becomes of one whose attempt is given up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select, update

from pixmill.store.archive import clean_text
from pixmill.store.shards import (
    MAX_DEATHS,
    MAX_FAILURES,
    MOST_TOLD,
    Attempt,
    Counts,
    NewShard,
    Shard,
    ShardId,
)
from pixmill.store.sql.schema import jobs, shards

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from pixmill.store.shards import Ending

GOING_ON = ("queued", "running", "stalled")
"""States of jobs whose shards are done."""
JOB_GOES_ON = exists().where(jobs.c.id == shards.c.job_id, jobs.c.state.in_(GOING_ON))
_CAUSE_CHARS = 500


def new_place(row: Any) -> NewShard:
    """Read where a shard's lines are."""
    return NewShard(row.items, row.first_line, row.last_line, (row.input, row.place))


def shard_of(row: Any) -> Shard:
    """Read a shard from its row."""
    return Shard(
        id=ShardId(row.job_id, row.number),
        state=row.state,
        lines=new_place(row),
        attempt=row.attempt,
        attempts=row.attempts,
        deaths=row.deaths,
        alone=row.alone,
        worker=row.worker,
        counts=Counts(row.ok, row.missed, json.loads(row.failed)),
        failed_attempts=tuple(Attempt(*each) for each in json.loads(row.failed_attempts)),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def given_up(
    row: Any, cause: str, now: datetime, how: Ending, *, alone: bool = True
) -> dict[str, Any]:
    """Give the values of a shard whose attempt was given up.

    Where it `died` it is next run alone, and counted only if it was `alone`.
    """
    why = clean_text(cause, _CAUSE_CHARS)
    told = [*json.loads(row.failed_attempts), [row.worker, now.isoformat(), why]]
    deaths = row.deaths + (how == "died" and alone)
    failures = row.failures + (how == "failed")
    is_over = deaths >= MAX_DEATHS or failures >= MAX_FAILURES
    return {
        "state": "dead" if is_over else "waiting",
        "deaths": deaths,
        "alone": row.alone or how == "died",
        "attempt": None,
        "failures": failures,
        "owner": None,
        "published_at": None,
        "failed_attempts": json.dumps(told[-MOST_TOLD:]),
    }


def give_up_all(
    connection: Connection, owner: str, now: datetime, whole: int = 0, *, known: bool = True
) -> int:
    """Give up all attempts of an owner that is gone; tell how many they were.

    He had so many `whole` jobs besides. Of one who is not `known` as a worker, nothing tells that
    it died.
    """
    held = (shards.c.owner == owner) & (shards.c.state == "running")
    rows = connection.execute(select(shards).where(held).with_for_update()).all()
    for row in rows:
        # What is to be alone has whole jobs beside it all the same, or those would wait for it.
        others = len(rows) - 1 + (0 if row.alone else whole)
        beside = f" with {others} more at work" if others else ""
        died = f"its worker {row.worker} died{beside}: nothing was heard of it any more"
        cause = died if known else f"its worker {row.worker} was held to be gone when it began"
        values = given_up(row, cause, now, "died" if known else "left", alone=not others)
        this = (shards.c.job_id == row.job_id) & (shards.c.number == row.number)
        connection.execute(update(shards).where(this).values(values))
    return len(rows)
