"""The contract of the catalog, over every adapter: how shards and workers are looked at."""

from __future__ import annotations

import pytest

from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob, Outcome, Progress
from pixmill.store.shards import Counts, NewShard, ShardId, Task, Worker
from tests.contract.catalogs import START, Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path, clock):
    """A catalog of each adapter with a key, of id 1."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened


def cut(catalog, number, key_id=1):
    """A job that was cut into shards; gives its id."""
    job = catalog.jobs.add(NewJob(key_id=key_id, kind="colors", spec={"options": {}}))[0]
    catalog.jobs.claim_this(job.id, "cutter", 600)
    new = [NewShard(10, 10 * at + 1, 10 * at + 10, (0, at)) for at in range(number)]
    assert catalog.shards.plan(job.id, "cutter", 0, new, complete=True)
    return job.id


def claim(catalog, job_id, number, owner="w"):
    shard = catalog.shards.claim(ShardId(job_id, number), owner, f"name of {owner}")
    assert shard is not None
    return shard


def worker(token, name="w"):
    return Worker(token, name, 2, "1.0", START, START)


def test_the_shards_of_a_job_are_counted_apart_and_in_runs(catalog):
    job_id, other = cut(catalog, 7), cut(catalog, 3)
    for number in (0, 1, 2):
        catalog.shards.commit(claim(catalog, job_id, number), Counts(ok=10))
    claim(catalog, job_id, 6)
    shards = catalog.shards
    assert shards.numbers(job_id) == {"done": 3, "running": 1, "waiting": 3}
    assert shards.numbers(other) == {"waiting": 3}
    assert shards.numbers() == {"done": 3, "running": 1, "waiting": 6}
    assert shards.spread(job_id, 3) == [{"done": 3}, {"waiting": 3}, {"running": 1}]
    assert shards.spread(job_id, 4) == [
        {"done": 2},
        {"done": 1, "waiting": 1},
        {"waiting": 2},
        {"running": 1},
    ]
    assert shards.spread(job_id, 100) == [*[{"done": 1}] * 3, *[{"waiting": 1}] * 3, {"running": 1}]
    assert shards.spread("0" * 32, 10) == []


@pytest.mark.parametrize("event", ["cancel", "stall"])
def test_of_all_shards_those_of_jobs_that_are_over_are_not_counted(catalog, event):
    job_id, other = cut(catalog, 3), cut(catalog, 2)
    claim(catalog, job_id, 0)
    catalog.jobs.end(job_id, "cutter", event, Outcome(), Progress())
    over = {"cancel": {"waiting": 2}, "stall": {"waiting": 4, "running": 1}}
    assert catalog.shards.numbers() == over[event]
    assert catalog.shards.numbers(job_id) == {"running": 1, "waiting": 2}
    assert catalog.shards.numbers(other) == {"waiting": 2}


def test_what_runs_is_listed_of_a_job_or_of_all(catalog):
    job_id, other = cut(catalog, 3), cut(catalog, 3)
    claim(catalog, job_id, 1)
    claim(catalog, other, 0)
    catalog.shards.commit(claim(catalog, job_id, 0), Counts())
    assert [shard.id for shard in catalog.shards.running(5, job_id)] == [ShardId(job_id, 1)]
    assert len(catalog.shards.running(5)) == 2
    assert len(catalog.shards.running(1)) == 1


def test_what_workers_are_at_is_told_by_worker_longest_first(catalog, clock):
    for token in ("a" * 32, "b" * 32):
        catalog.workers.renew(worker(token), 30)
    job_id = cut(catalog, 3)
    first = claim(catalog, job_id, 2, "a" * 32)
    clock.forward(1)
    whole = catalog.jobs.add(NewJob(key_id=1, kind="operations", spec={}))[0]
    begun = catalog.jobs.claim_this(whole.id, "b" * 32, 30)
    clock.forward(1)
    claim(catalog, job_id, 0, "nobody that is known")
    last = claim(catalog, job_id, 1, "b" * 32)
    assert catalog.workers.tasks(9) == [
        Task("a" * 32, job_id, "colors", 2, first.started_at),
        Task("b" * 32, whole.id, "operations", None, begun.started_at),
        Task("b" * 32, job_id, "colors", 1, last.started_at),
    ]
    assert [task.number for task in catalog.workers.tasks(2)] == [2, None]
    clock.forward(60)
    assert catalog.workers.tasks(9) == []


def test_the_jobs_of_commands_are_those_of_no_key(catalog):
    cut(catalog, 1)
    mine = [cut(catalog, 1, key_id=None) for _ in range(3)]
    assert [job.id for job in catalog.jobs.of_commands(2)] == mine[:0:-1]
