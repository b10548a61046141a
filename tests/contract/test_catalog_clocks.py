"""The contract of a catalog of several machines: their clocks differ, and no lease ends by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from pixmill.store.shards import NewShard, ShardId, Worker
from tests.contract.catalogs import START, plan

LEASE_S = 30.0
HOST = "https://example.org:443"
ME = Worker("me", "me", 2, "1.0", START, START)


@pytest.fixture
def catalog(postgres, tmp_path):
    with open_catalog(postgres, tmp_path) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened


@pytest.fixture(params=[-3600, 3600], ids=["behind", "ahead"])
def wrong(request):
    """The clock of another machine."""
    return lambda: datetime.now(UTC) + timedelta(seconds=request.param)


@pytest.fixture
def other(catalog, postgres, tmp_path, monkeypatch, wrong):
    """The catalog as that machine has it."""
    monkeypatch.setattr("pixmill.store.sql.database.utc_now", wrong)
    with open_catalog(postgres, tmp_path) as opened:
        yield opened


@pytest.fixture
def job_id(catalog):
    """A job of one shard."""
    job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
    assert catalog.jobs.claim_this(job.id, "planner", LEASE_S)
    assert plan(catalog.shards, job.id, "planner", [NewShard(1, 1, 1, (0, 0))], complete=True)
    return job.id


def test_nobody_is_held_to_be_dead_by_the_clock_of_another(catalog, other, job_id):
    for mine, others in ((catalog, other), (other, catalog)):
        mine.workers.renew(ME, LEASE_S)
        assert [worker.name for worker in others.workers.alive()] == ["me"]
        shard = mine.shards.claim(ShardId(job_id, 0), "me", "me")
        assert [task.number for task in others.workers.tasks(10)] == [0]
        assert others.workers.bury() == 0
        assert others.shards.hand_back(shard, "it was tired")


def test_the_dead_are_buried_whatever_clock_they_had(catalog, other):
    for mine, others in ((catalog, other), (other, catalog)):
        mine.workers.renew(ME, 0.0)
        assert others.workers.alive() == []
        assert others.workers.bury() == 1


def test_no_job_is_taken_from_another(catalog, other):
    for mine, others in ((catalog, other), (other, catalog)):
        job, _ = mine.jobs.add(NewJob(key_id=1, kind="operations", spec={}))
        assert mine.jobs.claim_this(job.id, "me", LEASE_S)
        assert others.jobs.claim_this(job.id, "another", LEASE_S) is None
        assert others.jobs.claim("another", LEASE_S, ("operations",)) is None
        assert mine.jobs.renew(job.id, "me", LEASE_S, job.progress)
        assert others.jobs.claim_this(job.id, "another", LEASE_S) is None
        assert others.jobs.publish(("operations",), 10, lambda _: None) == 0


def test_no_permit_is_taken_from_another(catalog, other):
    for mine, others in ((catalog, other), (other, catalog)):
        assert mine.hosts.share("me", {HOST: 0}, [], 1, LEASE_S) == {HOST: 1}
        assert others.hosts.share("other", {HOST: 0}, [], 1, LEASE_S) == {HOST: 0}
        mine.hosts.leave("me")
        others.hosts.leave("other")


def test_what_was_just_sent_is_not_sent_again(catalog, other, wrong, job_id):
    operations = catalog.jobs.add(NewJob(key_id=1, kind="operations", spec={}))[0].id
    soon = timedelta(seconds=30)
    for mine in (catalog, other):
        told = []
        mine.shards.publish(10, told.extend)
        mine.jobs.publish(("operations",), 10, told.extend)
        assert told == [ShardId(job_id, 0), operations]
        assert other.shards.recall(wrong() - soon) == 0
        assert other.jobs.recall(wrong() - soon) == 0
        assert other.shards.recall(wrong() + soon) == 1
        assert other.jobs.recall(wrong() + soon) == 1


def test_what_is_to_wait_for_a_while_waits_by_no_other_clock(catalog, other, job_id):
    for mine, others in ((catalog, other), (other, catalog)):
        shard = mine.shards.claim(ShardId(job_id, 0), "me", "me")
        assert mine.shards.hand_back(shard, "later", delay_s=20.0)
        assert others.shards.publish(10, lambda _: pytest.fail("it is to wait")) == 0
        shard = others.shards.claim(ShardId(job_id, 0), "me", "me")
        assert mine.shards.hand_back(shard, "now", delay_s=1e-6)
        assert others.shards.publish(10, lambda _: None) == 1
