"""Rows of shards as the port's values, and what becomes of one whose attempt is given up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixmill.store.archive import clean_text
from pixmill.store.shards import (
    MAX_DEATHS,
    MOST_TOLD,
    Attempt,
    Counts,
    NewShard,
    Shard,
    ShardId,
)

if TYPE_CHECKING:
    from datetime import datetime

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
    row: Any, cause: str, now: datetime, *, died: bool, alone: bool = True
) -> dict[str, Any]:
    """Give the values of a shard whose attempt was given up.

    Where it `died` it is next run alone, and counted only if it was `alone`.
    """
    why = clean_text(cause, _CAUSE_CHARS)
    told = [*json.loads(row.failed_attempts), [row.worker, now.isoformat(), why]]
    deaths = row.deaths + (died and alone)
    return {
        "state": "dead" if deaths >= MAX_DEATHS else "waiting",
        "deaths": deaths,
        "alone": row.alone or died,
        "attempt": None,
        "owner": None,
        "published_at": None,
        "failed_attempts": json.dumps(told[-MOST_TOLD:]),
    }
