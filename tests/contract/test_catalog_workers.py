"""The contract of the catalog, over every adapter: workers, and what is left by those who died."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from pixmill.store import open_catalog
from pixmill.store.jobs import MAX_DEATHS as MAX_DEATHS_OF_JOBS
from pixmill.store.jobs import NewJob, Progress
from pixmill.store.shards import MAX_DEATHS, Counts, NewShard, ShardId, Worker
from pixmill.store.sql import workers as module
from tests.contract.catalogs import START, Clock, plan, race

LEASE_S = 30.0
SHARDS = 6
KINDS = ("operations",)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path, clock):
    """A catalog of each adapter, with one key."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened


@pytest.fixture
def workers(catalog):
    return catalog.workers


@pytest.fixture
def job_id(catalog):
    """A job of some shards."""
    job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
    assert catalog.jobs.claim_this(job.id, "planner", 1e6)
    new = [NewShard(1, number + 1, number + 1, (0, number)) for number in range(SHARDS)]
    assert plan(catalog.shards, job.id, "planner", new, complete=True)
    return job.id


def worker(token="me", name=None, slots=2):
    return Worker(token, name or f"worker {token}", slots, "1.0", START, START)


def claim(catalog, job_id, number=0, owner="me"):
    shard = catalog.shards.claim(ShardId(job_id, number), owner, f"worker {owner}")
    assert shard
    return shard


def operations(catalog, owner="me"):
    """The id of a job of operations that an owner has."""
    job, _ = catalog.jobs.add(NewJob(key_id=1, kind="operations", spec={}))
    assert catalog.jobs.claim_this(job.id, owner, LEASE_S)
    return job.id


def found(catalog, job_id, number=0):
    return catalog.shards.find(ShardId(job_id, number))


def test_who_is_at_work_is_told_for_the_time_of_its_lease(workers, clock):
    assert workers.alive() == []
    workers.renew(worker("b", "second", slots=4), LEASE_S)
    clock.forward(10)
    workers.renew(worker("a", "first"), LEASE_S)
    first, second = workers.alive()
    assert (first.token, first.name, first.slots, first.version) == ("a", "first", 2, "1.0")
    assert (second.token, second.name, second.slots) == ("b", "second", 4)
    assert START < second.seen_at < START + timedelta(seconds=1)
    assert first.started_at == START
    clock.forward(LEASE_S - 10)
    assert [each.name for each in workers.alive()] == ["first"]
    clock.forward(10)
    assert workers.alive() == []


def test_a_lease_that_is_renewed_holds_on(workers, clock):
    for _ in range(3):
        workers.renew(worker(), LEASE_S)
        clock.forward(LEASE_S - 1)
        assert workers.bury() == 0
    (one,) = workers.alive()
    assert one.started_at == START
    assert one.seen_at > START + timedelta(seconds=LEASE_S)


def test_two_of_one_name_are_two(workers):
    for token in ("a", "b"):
        workers.renew(worker(token, "twin"), LEASE_S)
    workers.leave("a")
    assert [each.token for each in workers.alive()] == ["b"]


def test_who_leaves_is_not_told_any_more_and_not_buried(workers, clock):
    workers.renew(worker(), LEASE_S)
    workers.leave("me")
    workers.leave("me")
    assert workers.alive() == []
    clock.forward(LEASE_S)
    assert workers.bury() == 0


def test_what_the_living_hold_is_left_alone(catalog, workers, clock, job_id):
    workers.renew(worker("dead"), LEASE_S)
    clock.forward(LEASE_S - 1)
    workers.renew(worker("alive"), LEASE_S)
    claim(catalog, job_id, 0, "dead")
    kept = claim(catalog, job_id, 1, "alive")
    assert workers.bury() == 0
    clock.forward(1)
    assert workers.bury() == 1
    assert workers.bury() == 0
    assert catalog.shards.held("dead") == []
    assert catalog.shards.held("alive") == [kept]
    assert [each.token for each in workers.alive()] == ["alive"]


def test_who_died_of_one_shard_alone_counts_against_it(catalog, workers, clock, job_id):
    for deaths in range(1, MAX_DEATHS + 1):
        workers.renew(worker(), LEASE_S)
        shard = claim(catalog, job_id)
        clock.forward(LEASE_S)
        assert workers.bury() == 1
        shard = found(catalog, job_id)
        assert (shard.deaths, shard.alone, shard.attempt) == (deaths, True, None)
        assert shard.state == ("dead" if deaths == MAX_DEATHS else "waiting")
        assert shard.failed_attempts[-1].worker == "worker me"
        assert "its worker worker me died:" in shard.failed_attempts[-1].cause


def test_who_died_of_one_of_many_counts_against_none_but_each_is_to_be_alone(
    catalog, workers, clock, job_id
):
    for _ in range(MAX_DEATHS + 1):
        workers.renew(worker(), LEASE_S)
        for number in range(3):
            claim(catalog, job_id, number)
        clock.forward(LEASE_S)
        assert workers.bury() == 1
        for number in range(3):
            shard = found(catalog, job_id, number)
            assert (shard.state, shard.deaths, shard.alone) == ("waiting", 0, True)
            assert "with 2 more at work" in shard.failed_attempts[-1].cause
    assert not found(catalog, job_id, 3).alone


def test_shards_of_other_jobs_are_beside_it_too(catalog, workers, clock, job_id):
    other, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
    catalog.jobs.claim_this(other.id, "planner", 1e6)
    plan(catalog.shards, other.id, "planner", [NewShard(1, 1, 1, (0, 0))], complete=True)
    workers.renew(worker(), LEASE_S)
    claim(catalog, job_id)
    claim(catalog, other.id)
    clock.forward(LEASE_S)
    workers.bury()
    for id_ in (job_id, other.id):
        assert (found(catalog, id_).deaths, found(catalog, id_).alone) == (0, True)


def test_what_was_done_before_a_death_was_not_beside_it(catalog, workers, clock, job_id):
    workers.renew(worker(), LEASE_S)
    catalog.shards.commit(claim(catalog, job_id, 0), Counts(1))
    catalog.shards.hand_back(claim(catalog, job_id, 1), "it was tired")
    shard = claim(catalog, job_id, 2)
    clock.forward(LEASE_S)
    workers.bury()
    assert found(catalog, job_id, 2).deaths == 1
    assert found(catalog, job_id, 0).state == "done"
    assert not found(catalog, job_id, 1).alone
    assert not catalog.shards.commit(shard, Counts(1))


def test_nobody_counts_a_death_beside_a_job_of_operations(catalog, workers, clock, job_id):
    workers.renew(worker(), LEASE_S)
    claim(catalog, job_id)
    operations(catalog)
    clock.forward(LEASE_S)
    assert workers.bury() == 1
    shard = found(catalog, job_id)
    assert (shard.state, shard.deaths, shard.alone) == ("waiting", 0, True)
    assert "with 1 more at work" in shard.failed_attempts[-1].cause


def test_a_job_of_operations_that_is_over_was_not_beside_it(catalog, workers, clock, job_id):
    workers.renew(worker(), LEASE_S)
    id_ = operations(catalog)
    catalog.jobs.move(id_, "cancel")
    claim(catalog, job_id)
    clock.forward(LEASE_S)
    workers.bury()
    assert found(catalog, job_id).deaths == 1


@pytest.mark.parametrize("first", ["shard", "job"])
def test_whichever_is_taken_first_a_job_beside_a_shard_never_counts_the_death(
    catalog, workers, clock, job_id, first
):
    """The shard does once it is to be alone: operations, which wait for none, are always there."""
    id_ = operations(catalog)
    catalog.jobs.end(id_, "me", "release", catalog.jobs.find(id_).outcome, Progress())
    for attempt in range(1, MAX_DEATHS + 2):
        owner = f"process {attempt}"
        workers.renew(worker(owner), LEASE_S)
        claim(catalog, job_id, 0, owner)
        if attempt == 1 or first == "shard":
            job = catalog.jobs.claim_this(id_, owner, LEASE_S)
            assert job, f"it was held to its process's death after {attempt - 1}"
        clock.forward(LEASE_S)
        if first == "job":
            assert catalog.jobs.claim_this(id_, f"process {attempt + 1}", LEASE_S)
        workers.bury()
        shard = found(catalog, job_id)
        state = "dead" if attempt > MAX_DEATHS else "waiting"
        assert (shard.state, shard.deaths, shard.alone) == (state, attempt - 1, True)


def test_a_job_of_operations_that_died_alone_still_counts(catalog, workers, clock, job_id):
    id_ = operations(catalog)
    catalog.jobs.end(id_, "me", "release", catalog.jobs.find(id_).outcome, Progress())
    for attempt in range(MAX_DEATHS_OF_JOBS):
        workers.renew(worker(f"process {attempt}"), LEASE_S)
        assert catalog.jobs.claim_this(id_, f"process {attempt}", LEASE_S)
        clock.forward(LEASE_S)
        assert workers.bury() == 1
    assert catalog.jobs.claim_this(id_, "next", LEASE_S) is None
    assert catalog.jobs.find(id_).state == "failed"


def test_of_many_who_bury_at_once_one_does(catalog, workers, clock, job_id):
    for number in range(3):
        owner = f"owner {number}"
        workers.renew(worker(owner), LEASE_S)
        claim(catalog, job_id, number, owner)
    clock.forward(LEASE_S)
    assert sum(race(*[workers.bury] * 4)) == 3
    for number in range(3):
        shard = found(catalog, job_id, number)
        assert (shard.deaths, len(shard.failed_attempts)) == (1, 1)


def test_nobody_is_buried_where_the_catalog_was_slow_to_tell_the_time(
    catalog, workers, clock, job_id, monkeypatch
):
    """Others may have been kept from renewing by the same."""
    workers.renew(worker(), LEASE_S)
    shard = claim(catalog, job_id)
    with monkeypatch.context() as patching:
        patching.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock().timestamp()))
        stall(catalog._database, clock, patching, LEASE_S + 5)
        assert workers.bury(LEASE_S / 3) == 0
    workers.renew(worker(), LEASE_S)
    assert workers.bury(LEASE_S / 3) == 0
    assert catalog.shards.held("me") == [shard]
    clock.forward(LEASE_S)
    assert workers.bury(LEASE_S / 3) == 1


def test_nobody_is_buried_for_what_passed_while_others_were_buried(
    catalog, workers, clock, monkeypatch
):
    """As where the catalog hangs between its answer who is dead, and their burial."""
    for token in ("dead", "alive"):
        workers.renew(worker(token), LEASE_S)
        clock.forward(LEASE_S / 2)
    writing = catalog._database.writing

    def late():
        clock.forward(LEASE_S)
        return writing()

    with monkeypatch.context() as patching:
        patching.setattr(catalog._database, "writing", late)
        assert workers.bury() == 1
    assert workers.bury() == 1  # it was left to tell that it lives, and did not


def test_a_renewal_that_waited_holds_from_its_end(catalog, workers, clock, monkeypatch):
    with monkeypatch.context() as patching:
        stall(catalog._database, clock, patching, LEASE_S + 5)
        workers.renew(worker(), LEASE_S)
    clock.forward(LEASE_S - 1)
    assert [each.token for each in workers.alive()] == ["me"]


def stall(database, clock, patching, seconds):
    """Let transactions begin late."""

    def late(begin):
        def begin_late():
            clock.forward(seconds)
            return begin()

        return begin_late

    for name in ("reading", "writing"):
        patching.setattr(database, name, late(getattr(database, name)))


def test_who_was_buried_alive_is_back_with_its_next_renewal_and_has_lost_what_it_held(
    catalog, workers, clock, job_id
):
    workers.renew(worker(), LEASE_S)
    shard = claim(catalog, job_id)
    clock.forward(LEASE_S)
    workers.bury()
    workers.renew(worker(), LEASE_S)
    assert [each.token for each in workers.alive()] == ["me"]
    assert catalog.shards.held("me") == []
    assert not catalog.shards.commit(shard, Counts(1))
    assert catalog.shards.commit(claim(catalog, job_id), Counts(1))


@pytest.mark.parametrize("gone", ["left", "buried"])
def test_what_was_begun_by_one_who_is_not_known_does_not_stay_with_it(
    catalog, workers, clock, job_id, gone
):
    """As where a worker that was held to be dead takes a shard, and then dies before it is back."""
    workers.renew(worker("other"), LEASE_S * 9)
    workers.renew(worker(), LEASE_S)
    if gone == "left":
        workers.leave("me")
    else:
        clock.forward(LEASE_S)
        workers.bury()
    claim(catalog, job_id, 0, "me")
    kept = claim(catalog, job_id, 1, "other")
    workers.bury()
    shard = found(catalog, job_id)
    assert (shard.state, shard.deaths, shard.alone) == ("waiting", 0, False)
    assert found(catalog, job_id, 1) == kept


def test_what_a_dead_worker_held_is_sent_again(catalog, workers, clock, job_id):
    sent = []
    catalog.shards.publish(100, sent.extend)
    workers.renew(worker(), LEASE_S)
    claim(catalog, job_id, 2)
    clock.forward(LEASE_S)
    workers.bury()
    sent.clear()
    assert catalog.shards.publish(100, sent.extend) == 1
    assert sent == [ShardId(job_id, 2)]


def test_the_first_place_that_is_settled_is_that_of_all(catalog):
    workers = catalog.workers
    assert workers.place() is None
    for mark in (2**62 - 1, 5):
        workers.settle(mark)
        assert workers.place() == 2**62 - 1
