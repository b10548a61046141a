"""How a cluster stands, as `/cluster` tells it: what the catalog knows, and what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixmill.web.job_views import job_as_json, moment_as_text
from pixmill.web.shard_views import all_states, dead_as_json

if TYPE_CHECKING:
    from pixmill.store import Catalog
    from pixmill.store.shards import Task, Worker
    from pixmill.web.cluster_watch import Watch

_MOST_TASKS = 1000
_MOST_DEAD = 50
_MOST_COMMANDS = 50
_OF_COMMANDS = (
    "id", "state", "product", "output", "progress", "message", "created_at", "started_at",
)  # fmt: skip


def cluster_as_json(catalog: Catalog, watch: Watch | None) -> dict[str, Any]:
    """Tell how the cluster stands; without a `watch` this service has no broker."""
    queues = watch.queues() if watch else None
    tasks: dict[str, list[Task]] = {}
    for task in catalog.workers.tasks(_MOST_TASKS):
        tasks.setdefault(task.token, []).append(task)
    return {
        "broker": watch is not None,
        "workers": [
            _worker_as_json(worker, tasks.get(worker.token, []))
            for worker in catalog.workers.alive()
        ],
        "queues": None if queues is None else dict(queues),
        "shards": all_states(catalog.shards.numbers()),
        "dead": [dead_as_json(shard) for shard in catalog.shards.dead(_MOST_DEAD)],
        "commands": [
            {name: told[name] for name in _OF_COMMANDS}
            for told in map(job_as_json, catalog.jobs.of_commands(_MOST_COMMANDS))
        ],
    }


def _worker_as_json(worker: Worker, tasks: list[Task]) -> dict[str, Any]:
    return {
        "name": worker.name,
        "version": worker.version,
        "slots": worker.slots,
        "started_at": moment_as_text(worker.started_at),
        "seen_at": moment_as_text(worker.seen_at),
        "at_work": [
            {
                "job": task.job_id,
                "kind": task.kind,
                "shard": task.number,
                "since": moment_as_text(task.since),
            }
            for task in tasks
        ],
    }
