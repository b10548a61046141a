"""The shards of a list, as JSON and as its job's page shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from pixmill.jobs.list_orders import KINDS
from pixmill.store.jobs import FINISHED
from pixmill.store.shards import ShardState
from pixmill.web.job_views import job_as_json, moment_as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.store import Catalog
    from pixmill.store.jobs import Job
    from pixmill.store.shards import Shard
    from pixmill.web.services import Services

STATES: tuple[ShardState, ...] = get_args(ShardState)
_MOST_CELLS = 120
_MOST_ROWS = 50


class Cell(NamedTuple):
    """A run of shards on a strip: its first and last number, and how many are in each state."""

    first: int
    last: int
    numbers: Mapping[ShardState, int]

    @property
    def done_share(self) -> float:
        """The share that is done, of 0 to 1."""
        return self.numbers["done"] / (self.last - self.first + 1)

    @property
    def title(self) -> str:
        """What the cell says in words."""
        one = f"Shard {self.first}"
        if self.first == self.last:
            return f"{one}: {next(state for state in STATES if self.numbers[state])}"
        told = [f"{self.numbers[state]:,} {state}" for state in STATES if self.numbers[state]]
        return f"Shards {self.first} to {self.last}: {', '.join(told)}"


def may_have_shards(job: Job) -> bool:
    """Whether a job is one that may be cut: a list that has not ended."""
    return job.kind in KINDS and job.state not in FINISHED


async def told_of(parts: Services, job: Job) -> dict[str, Any]:
    """Tell in JSON how a job stands, and its shards where it was cut into some."""
    told = job_as_json(job)
    if may_have_shards(job):
        numbers = await parts.ask_catalog(parts.catalog.shards.numbers, job.id)
        told |= {"shards": all_states(numbers)} if numbers else {}
    return told


def shards_shown(catalog: Catalog, job: Job) -> dict[str, Any] | None:
    """Tell what the page of a job shows of its shards; None where it was not cut."""
    runs = catalog.shards.spread(job.id, _MOST_CELLS) if may_have_shards(job) else []
    if not runs:
        return None
    cells, first = [], 0
    for run in runs:
        size = sum(run.values())
        cells.append(Cell(first, first + size - 1, all_states(run)))
        first += size
    numbers = {state: sum(cell.numbers[state] for cell in cells) for state in STATES}
    rows = [
        _row(shard)
        for found in (catalog.shards.dead, catalog.shards.running)
        for shard in found(_MOST_ROWS, job.id)
    ]
    return {
        "numbers": numbers,
        "total": first,
        "cells": cells,
        "rows": rows,
        "more": max(0, numbers["dead"] + numbers["running"] - len(rows)),
        "is_cut": job.shards is not None,
    }


def all_states(numbers: Mapping[ShardState, int]) -> dict[ShardState, int]:
    """Tell of each state, also of one that no shard is in."""
    return {state: numbers.get(state, 0) for state in STATES}


def dead_as_json(shard: Shard) -> dict[str, Any]:
    """Tell of a dead shard what its job's owner may know."""
    return {
        "job": shard.id.job_id,
        "shard": shard.id.number,
        "first_line": shard.lines.first_line,
        "last_line": shard.lines.last_line,
        "attempts": [attempt._asdict() for attempt in shard.failed_attempts],
    }


def _row(shard: Shard) -> dict[str, Any]:
    last = shard.failed_attempts[-1] if shard.failed_attempts else None
    return {
        "number": shard.id.number,
        "state": shard.state,
        "first_line": shard.lines.first_line,
        "last_line": shard.lines.last_line,
        "worker": shard.worker,
        "since": moment_as_text(shard.started_at),
        "attempts": shard.attempts,
        "cause": last.cause if last else None,
    }
