"""A shard is done once, and an attempt that can not be brought to its end is handed back."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from pixmill.batch.memory import MemoryPlan
from pixmill.batch.options import Shared
from pixmill.errors import OutputError
from pixmill.jobs import shard_work as module
from pixmill.jobs.shard_files import put_document, put_items, read_part
from pixmill.jobs.shard_orders import ShardOrder
from pixmill.jobs.shard_work import ShardWork, Site
from pixmill.jobs.worker_metrics import WorkerMetrics
from pixmill.record import Item
from pixmill.settings import Settings
from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from pixmill.store.memory import MemoryArchive, MemoryBlobs
from pixmill.store.shards import MAX_DEATHS, Counts, NewShard, ShardId
from tests.contract.catalogs import plan
from tests.origin import Origin, answer
from tests.unit.shard_jobs import csv_list, job_of

OWNER, NAME = "me", "worker me"
PLAN = MemoryPlan(bodies=1 << 20, rows=1 << 20, decode=1 << 20)
SHARDS = 3
ITEMS = 2


class Blobs(MemoryBlobs):
    """Calls something before a blob is opened or sent, or after it was put, by a word of names."""

    def __init__(self, spool):
        super().__init__()
        self._spool = spool
        self.calls = {}

    @property
    def spool(self):
        return self._spool

    def _call(self, what, name):
        for word in [word for how, word in self.calls if how == what and word in name]:
            self.calls.pop((what, word))()

    def open(self, name):
        self._call("open", name)
        return super().open(name)

    def put(self, name, content):
        self._call("send", name)
        super().put(name, content)
        self._call("put", name)


class Shaky:
    """Shards of a catalog that breaks now and then: before a call was heard, or behind it."""

    def __init__(self, shards):
        self._shards = shards
        self.before, self.behind = [], []

    def __getattr__(self, name):
        def call(*arguments, **more):
            if name in self.before:
                self.before.remove(name)
                raise OutputError("the catalog can not be used")
            answer = getattr(self._shards, name)(*arguments, **more)
            if name in self.behind:
                self.behind.remove(name)
                raise OutputError("the connection broke")
            return answer

        return call


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def shards(catalog):
    return catalog.shards


@pytest.fixture
def blobs(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    yield Blobs(spool)
    assert list(spool.iterdir()) == []


@pytest.fixture
def job_id(tmp_path, catalog, blobs):
    """A job of shards whose items fail without a network."""
    job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
    catalog.jobs.claim_this(job.id, "planner", 3600.0)
    for number in range(SHARDS):
        put_items(blobs, ShardId(job.id, number), items(number))
    new = [NewShard(ITEMS, n * ITEMS + 1, (n + 1) * ITEMS, (0, n)) for n in range(SHARDS)]
    plan(catalog.shards, job.id, "planner", new, complete=True)
    order = ShardOrder.of(job_of(csv_list(tmp_path, 1), tmp_path / "o.jsonl"), "")
    put_document(blobs, job.id, "order", order.written())
    return job.id


def items(number):
    first = number * ITEMS + 1
    return [Item(line, "x", (("id", f"{line}"),), error="broken") for line in (first, first + 1)]


@pytest.fixture
def told():
    return []


@pytest.fixture
def shaky(shards):
    return Shaky(shards)


@pytest.fixture
def busy(blobs, shaky, told):
    """It as a worker has it."""
    settings = Settings(shards=1, allow_networks=["127.0.0.0/8"])
    site = Site(
        settings, SimpleNamespace(shards=shaky), blobs, MemoryArchive, Shared(None, PLAN, 1),
        None, OWNER, NAME,
    )  # fmt: skip
    work = ShardWork(site, lambda what, error: told.append((what, str(error))), WorkerMetrics())
    yield work
    work.stopping = True
    work.close()


@pytest.fixture
def work(busy, monkeypatch):
    """It, where each call returns as soon as its shard is over."""
    monkeypatch.setattr(module, "few_of", lambda _: -1)
    monkeypatch.setattr(busy, "_rest", lambda: None)
    return busy


def number_done(work):
    labels = {"outcome": "done"}
    return work._metrics.registry.get_sample_value("pixmill_shards_total", labels)


def parts(blobs):
    return [info.name for info in blobs.all("parts")]


def causes(shards, id_):
    return [attempt.cause for attempt in shards.find(id_).failed_attempts]


def bury(shards, shard_id):
    """Give up the attempt that runs, as others do where its worker seems to be dead."""
    (shard,) = [each for each in shards.held(OWNER) if each.id == shard_id]
    assert shards.hand_back(shard, "its worker died", how="died")


def test_a_shard_is_done_and_its_part_counts(work, shards, blobs, job_id):
    id_ = ShardId(job_id, 1)
    work.do(id_)
    shard = shards.find(id_)
    assert (shard.state, shard.worker, shard.attempts) == ("done", NAME, 1)
    assert shard.counts == Counts(0, 0, {"invalid_url": 2})
    rows = "".join(read_part(blobs, shard, "rows"))
    assert rows.count("\n") == 2
    assert rows.startswith('{"line":3,"url":"x","status":"failed"')
    errors = "".join(read_part(blobs, shard, "errors"))
    assert errors.splitlines()[1] == "3,x,invalid_url,,0,broken"
    assert number_done(work) == 1
    work.look()


def test_a_message_that_comes_twice_or_late_is_nothing(work, catalog, shards, blobs, job_id):
    id_ = ShardId(job_id, 0)
    for _ in range(2):
        work.do(id_)
    assert shards.find(id_).attempts == 1
    work.do(ShardId(job_id, SHARDS))
    work.do(ShardId("f" * 32, 0))
    other = shards.claim(ShardId(job_id, 1), "other", "other")
    work.do(other.id)
    assert shards.find(other.id) == other
    catalog.jobs.move(job_id, "cancel")
    work.do(ShardId(job_id, 2))
    assert shards.find(ShardId(job_id, 2)).state == "waiting"
    assert (number_done(work), len(parts(blobs))) == (1, 2)


def test_what_can_not_be_done_here_and_now_is_handed_back_for_a_while(
    work, shards, blobs, told, job_id
):
    id_ = ShardId(job_id, 0)
    blobs.delete(f"shards/{job_id}/order.json")
    work.do(id_)
    shard = shards.find(id_)
    assert (shard.state, shard.deaths, shard.alone) == ("waiting", 0, False)
    assert "order.json is not there" in causes(shards, id_)[0]
    assert told[0][0] == f"shard 0 of job {job_id} was handed back"
    assert shards.publish(100, lambda ids: None) == SHARDS - 1  # not before some seconds are over


def test_what_could_never_be_done_is_handed_back_however_often(work, shards, blobs, job_id):
    id_ = ShardId(job_id, 0)
    blobs.delete(f"shards/{job_id}/order.json")
    shard = shards.claim(id_, OWNER, NAME)
    for attempts in (1, 7, 1023, 1024, 10**6):
        object.__setattr__(shard, "attempts", attempts)
        work._attempt(shard, threading.Event())
    assert "order.json" in causes(shards, id_)[0]


def test_a_defect_counts_against_the_shard_and_not_for_ever(work, shards, told, job_id):
    id_ = ShardId(job_id, 0)
    work._site = work._site._replace(settings=None)
    for deaths in range(1, MAX_DEATHS + 1):
        work.do(id_)
        assert shards.find(id_).deaths == deaths
    assert shards.find(id_).state == "dead"
    assert causes(shards, id_)[0].startswith("a defect of pixmill: AttributeError: ")
    assert told[0][0] == f"shard 0 of job {job_id} met a defect"


def test_items_that_are_not_those_of_the_shard_are_never_its_rows(work, shards, blobs, job_id):
    """As where one who has lost the job cut its list otherwise, and wrote over them."""
    id_ = ShardId(job_id, 0)
    for others in (items(1), items(0)[:1], items(0) + items(1)):
        put_items(blobs, id_, others)
        shard = shards.claim(id_, OWNER, NAME)
        work._attempt(shard, threading.Event())
        assert shards.find(id_).state == "waiting"
    assert parts(blobs) == []
    put_items(blobs, id_, items(0))
    work.do(id_)
    assert shards.find(id_).state == "done"


def test_a_worker_that_ends_begins_nothing_and_hands_back_what_it_has(work, shards, blobs, job_id):
    def stop():
        work.stopping = True

    id_ = ShardId(job_id, 0)
    blobs.calls["open", "0000000.jsonl"] = stop
    work.do(id_)
    shard = shards.find(id_)
    assert (shard.state, shard.deaths, causes(shards, id_)) == (
        "waiting", 0, ["its worker was stopped"],
    )  # fmt: skip
    assert shards.publish(100, lambda ids: None) == SHARDS  # at once
    work.do(id_)
    assert shards.find(id_).attempts == 1
    assert parts(blobs) == []


def test_what_was_given_up_by_others_is_left(work, shards, blobs, job_id):
    id_ = ShardId(job_id, 0)

    def lose():
        work.look()
        bury(shards, id_)
        work.look()

    blobs.calls["open", "0000000.jsonl"] = lose
    work.do(id_)
    assert causes(shards, id_) == ["its worker died"]
    assert parts(blobs) == []
    work.look()
    work.do(id_)  # the next attempt is not taken for the lost one
    assert shards.find(id_).state == "done"


def test_what_is_of_a_job_that_is_over_is_left(work, catalog, shards, blobs, job_id):
    def cancel():
        catalog.jobs.move(job_id, "cancel")
        work.look()

    blobs.calls["open", "0000000.jsonl"] = cancel
    work.do(ShardId(job_id, 0))
    assert causes(shards, ShardId(job_id, 0)) == ["its job is over, or another worker has it"]
    assert parts(blobs) == []


@pytest.fixture
def hanging(blobs, job_id):
    """The second line of the first shard hangs until this is set."""
    release = threading.Event()

    async def hold(exchange):
        await asyncio.to_thread(release.wait, 60)
        await answer(status=404)(exchange)

    with Origin() as origin:
        first, second = items(0)
        held = second._replace(url=origin.on("/held", hold), error=None)
        put_items(blobs, ShardId(job_id, 0), [first, held])
        yield release
        release.set()


def until(is_so):
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_shard_that_waits_for_the_last_of_its_lines_gives_its_place_up(
    busy, shards, hanging, job_id
):
    first, second = ShardId(job_id, 0), ShardId(job_id, 1)
    busy.do(first)  # returns though its server hangs
    assert shards.find(first).state == "running"
    busy.do(second)
    until(lambda: shards.find(second).state == "done")
    assert shards.find(first).state == "running"
    hanging.set()
    until(lambda: shards.find(first).state == "done")
    assert shards.find(first).counts.failed == {"invalid_url": 1, "http_error": 1}


def test_no_more_are_begun_than_may_be_waited_for(busy, shards, hanging, job_id):
    busy._threads._max_workers = 1
    threading.Thread(target=busy.do, args=[ShardId(job_id, 0)]).start()
    until(lambda: shards.find(ShardId(job_id, 0)).state == "running")
    late = threading.Thread(target=busy.do, args=[ShardId(job_id, 1)])
    late.start()
    late.join(0.3)
    assert shards.find(ShardId(job_id, 1)).state == "waiting"
    hanging.set()
    late.join(30)
    until(lambda: shards.find(ShardId(job_id, 1)).state == "done")


def test_a_shard_that_is_alone_keeps_its_place(busy, shards, hanging, job_id):
    id_ = ShardId(job_id, 0)
    shards.hand_back(shards.claim(id_, "another", "another"), "it died", how="died")
    thread = threading.Thread(target=busy.do, args=[id_])
    thread.start()
    until(lambda: shards.find(id_).state == "running")
    thread.join(1.0)
    assert thread.is_alive()
    hanging.set()
    thread.join(30)
    assert shards.find(id_).state == "done"


@pytest.mark.usefixtures("hanging")
def test_what_only_waits_is_handed_back_at_the_end(busy, shards, job_id):
    id_ = ShardId(job_id, 0)
    busy.do(id_)
    busy.stopping = True
    busy.close()
    assert causes(shards, id_) == ["its worker was stopped"]


def test_a_worker_in_which_shards_fail_leaves_them_to_others_for_a_while(
    busy, shards, blobs, job_id, monkeypatch
):
    monkeypatch.setattr(module, "_MOST_DOUBLINGS", -1)  # half a second
    order = blobs.open(f"shards/{job_id}/order.json").read(0, 1 << 20)
    blobs.delete(f"shards/{job_id}/order.json")
    began = time.monotonic()
    busy.do(ShardId(job_id, 0))
    assert time.monotonic() - began >= 0.5
    put_document(blobs, job_id, "order", order)
    busy.do(ShardId(job_id, 1))
    until(lambda: shards.find(ShardId(job_id, 1)).state == "done")
    assert busy._failures == 0


def test_a_part_that_comes_too_late_is_dropped(work, shards, blobs, job_id):
    id_ = ShardId(job_id, 0)
    blobs.calls["put", ".rows"] = lambda: bury(shards, id_)
    work.do(id_)
    assert (number_done(work), parts(blobs), shards.find(id_).state) == (0, [], "waiting")


def test_a_commit_that_was_heard_and_not_answered_counts(work, shards, shaky, blobs, job_id):
    id_ = ShardId(job_id, 0)
    shaky.behind = ["commit"]
    work.do(id_)
    assert shards.find(id_).state == "done"
    assert len(parts(blobs)) == 2
    assert causes(shards, id_) == []


def test_what_is_done_is_not_thrown_away_where_catalog_and_store_are_away_at_its_end(
    work, shards, shaky, blobs, job_id
):
    id_ = ShardId(job_id, 0)
    shaky.before = ["commit", "commit"]

    def away():
        raise OutputError("the store is away")

    blobs.calls["send", ".rows"] = away
    work.do(id_)
    shard = shards.find(id_)
    assert (shard.state, shard.attempts, causes(shards, id_)) == ("done", 1, [])
    assert "".join(read_part(blobs, shard, "rows")).count("\n") == ITEMS


def test_what_could_not_be_written_down_is_written_down_later(work, shards, shaky, blobs, job_id):
    id_ = ShardId(job_id, 0)
    blobs.delete(f"shards/{job_id}/order.json")
    shaky.before = ["hand_back"] * 3
    work.do(id_)
    assert shards.find(id_).state == "running"
    for _ in range(2):
        with pytest.raises(OutputError):
            work.look()
    assert shards.find(id_).state == "running"
    work.look()
    assert shards.find(id_).state == "waiting"
    (cause,) = causes(shards, id_)
    assert "order.json" in cause
    work.look()
    assert len(causes(shards, id_)) == 1


def test_what_was_begun_without_ones_knowing_is_handed_back(work, shards, shaky, job_id):
    id_ = ShardId(job_id, 0)
    shaky.behind = ["claim"]
    with pytest.raises(OutputError):
        work.do(id_)
    work.do(id_)  # the message is tried again: it runs, as it seems
    assert shards.find(id_).state == "running"
    work.look()
    assert shards.find(id_).state == "running"  # it may be on its way to be known
    work.look()
    assert causes(shards, id_) == ["its worker never came to know that it had begun"]
    work.do(id_)
    assert shards.find(id_).state == "done"


def test_what_is_at_work_is_never_taken_for_what_nobody_knows(work, shards, blobs, job_id):
    id_ = ShardId(job_id, 0)

    def look():
        for _ in range(4):
            work.look()

    blobs.calls["open", "0000000.jsonl"] = look
    work.do(id_)
    assert (shards.find(id_).state, causes(shards, id_)) == ("done", [])


def test_what_is_to_be_alone_by_the_time_it_is_begun_is_begun_again_alone(work, shards, job_id):
    id_, taken = ShardId(job_id, 0), []
    turns = work._turns.taken

    @contextmanager
    def late(*, alone):
        taken.append(alone)
        if len(taken) == 1:  # between the look at the shard and its beginning
            shards.hand_back(shards.claim(id_, "other", "other"), "it died", how="died")
        with turns(alone=alone):
            yield

    work._turns.taken = late
    work.do(id_)
    assert taken == [False, True]
    assert shards.find(id_).state == "done"
    assert causes(shards, id_) == ["it died", "it is to be done alone"]
