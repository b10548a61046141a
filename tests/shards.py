"""Lists that were cut into shards, put into a catalog through its ports: as workers leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.jobs.list_orders import COMMAND, ListOptions
from pixmill.store.jobs import MAX_DEATHS, NewJob, Outcome, Progress
from pixmill.store.opening import utc_now
from pixmill.store.shards import Counts, NewShard, ShardId, Worker

if TYPE_CHECKING:
    from pixmill.store import Catalog
    from pixmill.store.jobs import Job
    from pixmill.store.shards import Shard

LINES = 100
CAUSE = "its worker died: nothing was heard of it any more"
_OWNER = "whoever cuts"


def cut(catalog: Catalog, number: int, key_id: int | None = 1, *, complete: bool = True) -> Job:
    """A list that runs, held by nobody in particular for an hour, and cut into shards."""
    options = ListOptions(n=5).as_json("colors")
    new = NewJob(key_id=key_id, kind="colors", spec={"options": options, "list": "lists/none.txt"})
    if key_id is None:
        spec = {"product": "colors", "output": "/srv/tables/catalog.csv"}
        new = NewJob(key_id=None, kind=COMMAND, spec=spec, total=0)
    job = catalog.jobs.add(new)[0]
    assert catalog.jobs.claim_this(job.id, _OWNER, 3600)
    shards = [
        NewShard(LINES, LINES * at + 1, LINES * (at + 1), (0, LINES * at)) for at in range(number)
    ]
    assert catalog.shards.plan(job.id, _OWNER, 0, shards, complete=complete)
    progress = Progress(0, 0, 0 if key_id is None else LINES * number)
    catalog.jobs.renew(job.id, _OWNER, 3600, progress)
    return catalog.jobs.find(job.id) or job


def stall(catalog: Catalog, job: Job) -> None:
    """Nothing of it is left but dead shards."""
    outcome = Outcome(code="internal", message=f"all is done but shard 0: {CAUSE}")
    assert catalog.jobs.end(job.id, _OWNER, "stall", outcome, Progress(LINES, 1, 2 * LINES))


def begin(catalog: Catalog, job: Job, number: int, worker: Worker) -> Shard:
    """A worker begins a shard."""
    shard = catalog.shards.claim(ShardId(job.id, number), worker.token, worker.name)
    assert shard is not None
    return shard


def do(catalog: Catalog, job: Job, number: int, worker: Worker) -> None:
    """A worker does a shard."""
    shard = begin(catalog, job, number, worker)
    assert catalog.shards.commit(shard, Counts(ok=LINES - 1, failed={"timeout": 1}))


def kill(catalog: Catalog, job: Job, number: int, worker: Worker, cause: str = CAUSE) -> None:
    """A shard kills its worker, again and again, until it is dead."""
    for _ in range(MAX_DEATHS):
        shard = begin(catalog, job, number, worker)
        assert catalog.shards.hand_back(shard, cause, how="died")


def at_work(catalog: Catalog, name: str, slots: int = 4, lease_s: float = 3600) -> Worker:
    """A worker that is alive."""
    now = utc_now()
    worker = Worker((name.encode().hex() * 32)[:32], name, slots, "1.0", now, now)
    catalog.workers.renew(worker, lease_s)
    return worker
