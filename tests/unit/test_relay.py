"""What waits in the catalog is told to workers, and nobody is buried who could not be heard."""

from __future__ import annotations

import queue
from types import SimpleNamespace

import pytest

from pixmill.errors import OutputError
from pixmill.jobs import relay as module
from pixmill.jobs.relay import Relay
from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from pixmill.store.shards import Counts, NewShard, ShardId, Worker
from pixmill.store.sql import job_leases
from tests.contract.catalogs import START, Clock, plan

LEASE_S = 30.0
SHARDS = 60


class Broker:
    """Takes what is sent, unless it is down."""

    def __init__(self):
        self.shards, self.operations = [], []
        self.heard = queue.SimpleQueue()
        self.down = False
        self.waiting = 1  # messages in each queue

    def send_shards(self, ids):
        self._take(self.shards, ids)

    def send_operations(self, ids):
        self._take(self.operations, ids)

    def depths(self):
        if self.down:
            raise OutputError("the broker can not be used")
        return {"interactive": self.waiting, "bulk": self.waiting, "dead": 0}

    def _take(self, place, ids):
        if self.down:
            raise OutputError("the broker can not be used")
        place += ids
        self.heard.put(len(ids))


@pytest.fixture
def clock(monkeypatch):
    """The clock of the catalog and of the relay; seconds by it are those since its start."""
    clock = Clock()
    monkeypatch.setattr(module, "utc_now", clock)

    def monotonic():
        return (clock() - START).total_seconds()

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    return clock


@pytest.fixture
def catalog(tmp_path, clock):
    with open_catalog(None, tmp_path / "data", clock=clock) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def told():
    return []


@pytest.fixture
def relay(catalog, broker, told):
    """One that is not started: each of its rounds is made by `turn`."""
    return Relay(catalog, broker, lease_s=LEASE_S, told=lambda what, error: told.append(str(error)))


def turn(relay):
    """Make one round of its thread, here."""
    condition, relay._stopped = relay._changed, False

    def stop(*_):
        relay._stopped = True

    relay._changed = _Once(stop)
    try:
        relay._work()
    finally:
        relay._changed = condition


class _Once:
    """A condition that is over as soon as it is waited for."""

    def __init__(self, wait_for):
        self.wait_for = wait_for

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


@pytest.fixture
def job_id(catalog):
    job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
    catalog.jobs.claim_this(job.id, "planner", 1e6)
    new = [NewShard(1, number + 1, number + 1, (0, number)) for number in range(SHARDS)]
    plan(catalog.shards, job.id, "planner", new, complete=True)
    return job.id


def operations(catalog, kind="operations"):
    return catalog.jobs.add(NewJob(key_id=1, kind=kind, spec={}))[0].id


def renew(catalog, token="w", slots=2, lease_s=LEASE_S):
    catalog.workers.renew(Worker(token, token, slots, "1", START, START), lease_s)


def claim(catalog, job_id, number=0, owner="w"):
    shard = catalog.shards.claim(ShardId(job_id, number), owner, owner)
    assert shard
    return shard


def state(catalog, job_id, number=0):
    return catalog.shards.find(ShardId(job_id, number)).state


def test_workers_are_told_of_what_waits_a_little_ahead(catalog, broker, relay, clock, job_id):
    turn(relay)
    assert [id_.number for id_ in broker.shards] == list(range(8))  # so that the first finds some
    renew(catalog, "a", slots=2)
    renew(catalog, "b", slots=3)
    turn(relay)
    assert len(broker.shards) == 8 + 3 * 5
    turn(relay)
    assert len(broker.shards) == len(set(broker.shards)) == 23
    claim(catalog, job_id, 0, "a")
    clock.forward(LEASE_S / 2)
    renew(catalog, "a", slots=2)
    clock.forward(LEASE_S / 2)  # the other is not heard of any more
    turn(relay)
    assert len(broker.shards) == 23
    for number in range(1, 10):
        claim(catalog, job_id, number, "a")
    turn(relay)
    assert len(broker.shards) == 10 + 8 + 3 * 2


def test_workers_are_told_of_all_jobs_of_operations_and_of_no_other_kind(
    catalog, broker, relay, monkeypatch
):
    monkeypatch.setattr(job_leases, "_SENT_TOGETHER", 2)
    operations(catalog, "colors")
    ids = [operations(catalog) for _ in range(5)]
    for number in (2, 4, 5, 5):
        turn(relay)
        assert broker.operations == ids[:number]


def test_of_jobs_no_more_are_told_than_are_soon_begun(catalog, broker, relay, monkeypatch):
    monkeypatch.setattr(module, "_JOBS_AHEAD", 3)
    ids = [operations(catalog) for _ in range(5)]
    for _ in range(2):
        turn(relay)
        assert broker.operations == ids[:3]
    catalog.jobs.claim_this(ids[0], "me", LEASE_S)
    turn(relay)
    assert broker.operations == ids[:4]


def test_what_an_empty_queue_should_hold_is_told_again(catalog, broker, relay, clock, job_id):
    id_ = operations(catalog)
    turn(relay)
    claim(catalog, job_id, 0)
    renew(catalog, slots=0, lease_s=1e6)
    broker.waiting = 0
    for seconds, number in ((29, 1), (2, 7)):
        broker.shards.clear()
        broker.operations.clear()
        clock.forward(seconds)
        turn(relay)
        turn(relay)  # what one round finds lost the next one sends
        assert len(broker.shards) == number  # the ninth in place of the first; then the others
    assert broker.operations == [id_]


def test_what_was_told_long_ago_is_told_again(catalog, broker, relay, clock, job_id):
    id_ = operations(catalog)
    turn(relay)
    renew(catalog, slots=0, lease_s=1e6)
    broker.shards.clear()
    broker.operations.clear()
    clock.forward(15 * 60 - 1)
    turn(relay)
    assert (broker.operations, broker.shards) == ([], [])
    clock.forward(2)
    turn(relay)
    assert broker.operations == [id_]
    assert [each.number for each in broker.shards] == list(range(8))


def test_how_the_cluster_stands_is_told(catalog, broker, clock, job_id):
    looks = []
    relay = Relay(catalog, broker, lease_s=LEASE_S, told=lambda *_: None, seen=looks.append)
    renew(catalog)
    claim(catalog, job_id, 0)
    commit = catalog.shards.commit
    assert commit(claim(catalog, job_id, 1), Counts(ok=1))
    broker.waiting = 7
    turn(relay)
    (look,) = looks
    assert look.queues == {"interactive": 7, "bulk": 7, "dead": 0}
    assert look.shards == {"waiting": SHARDS - 2, "running": 1, "done": 1}
    assert look.workers == 1


def test_the_dead_are_buried(catalog, broker, relay, clock, job_id):
    renew(catalog)
    claim(catalog, job_id)
    clock.forward(LEASE_S + 1)
    turn(relay)
    assert state(catalog, job_id) == "waiting"
    assert ShardId(job_id, 0) in broker.shards  # and what they held is told of at once


def test_nobody_is_buried_in_the_first_lease(catalog, broker, told, clock, job_id):
    renew(catalog, lease_s=1.0)
    claim(catalog, job_id)
    clock.forward(1e6)
    relay = Relay(catalog, broker, lease_s=LEASE_S, told=lambda *_: None)
    clock.forward(LEASE_S - 1)
    turn(relay)
    assert state(catalog, job_id) == "running"
    clock.forward(1)
    turn(relay)
    assert state(catalog, job_id) == "waiting"


def test_nobody_is_buried_in_the_lease_after_an_outage(catalog, relay, told, clock, job_id):
    """Those who are alive could not say so either."""
    clock.forward(LEASE_S)
    renew(catalog)
    claim(catalog, job_id)
    catalog.jobs.recall = outage
    for _ in range(4):  # past the worker's lease
        clock.forward(LEASE_S / 4)
        turn(relay)
    del catalog.jobs.recall
    assert len(told) == 4
    clock.forward(LEASE_S - 1)
    turn(relay)
    assert state(catalog, job_id) == "running"
    clock.forward(2)
    turn(relay)
    assert state(catalog, job_id) == "waiting"


@pytest.mark.parametrize("where", ["tend", "send", "look"])
def test_nobody_is_buried_in_the_lease_after_the_catalog_hung(catalog, relay, clock, job_id, where):
    """Whatever hung then, those who are alive may have been kept from saying so."""
    clock.forward(LEASE_S)
    renew(catalog)
    claim(catalog, job_id)
    owner, name = {
        "tend": (catalog.jobs, "recall"),
        "send": (catalog.workers, "alive"),
        "look": (relay._broker, "depths"),
    }[where]
    ask = getattr(owner, name)

    def hang(*arguments):
        clock.forward(LEASE_S + 5)
        return ask(*arguments)

    setattr(owner, name, hang)
    turn(relay)
    delattr(owner, name)
    clock.forward(LEASE_S - 1)
    turn(relay)
    assert state(catalog, job_id) == "running"
    clock.forward(2)
    turn(relay)
    assert state(catalog, job_id) == "waiting"


def outage(*_):
    raise OutputError("the catalog can not be used")


def test_what_could_not_be_told_is_told_later(catalog, broker, relay, told, job_id):
    id_ = operations(catalog)
    broker.down = True
    turn(relay)
    assert set(told) == {"the broker can not be used"}
    broker.down = False
    turn(relay)
    assert broker.operations == [id_]
    assert len(broker.shards) == 8


def test_it_looks_as_soon_as_it_is_woken_and_ends_when_it_is_told_to(
    catalog, broker, told, monkeypatch
):
    monkeypatch.setattr(module, "EVERY_S", 3600.0)
    relay = Relay(catalog, broker, lease_s=LEASE_S, told=lambda *_: None)
    first = operations(catalog)
    relay.start()
    assert broker.heard.get(timeout=30) == 1
    for _ in range(3):
        second = operations(catalog)
        relay.wake()
        assert broker.heard.get(timeout=30) == 1
    assert (broker.operations[0], broker.operations[-1]) == (first, second)
    relay.stop()
    assert not relay._thread.is_alive()


@pytest.mark.usefixtures("job_id")
def test_a_defect_ends_no_relay(broker, relay, told, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(broker, "send_shards", fail)
        patch.setattr(broker, "depths", fail)
        turn(relay)
    assert told == ["a defect"] * 2
    assert broker.shards == []
    turn(relay)
    assert broker.shards


def test_of_two_relays_each_job_is_told_by_one(catalog, broker, relay, told):
    other = Relay(catalog, broker, lease_s=LEASE_S, told=lambda *_: None)
    ids = [operations(catalog) for _ in range(3)]
    for each in (relay, other, relay):
        turn(each)
    assert broker.operations == ids
