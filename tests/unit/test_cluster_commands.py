"""A command's job: the same command is at the same job, and leaves nothing once it is complete."""

from __future__ import annotations

import io
import time
from datetime import timedelta

import pytest
from pyarrow.parquet import read_table

from pixmill.batch.checkpoint import Checkpoint
from pixmill.batch.job import checkpoint_path, run_job
from pixmill.batch.retry import retry_job
from pixmill.errors import JobStalled, OutputError, OutputLocked, ResumeRefused
from pixmill.jobs import planning, sharding
from pixmill.jobs.commands import ClusterCarrier, _job_id
from pixmill.jobs.expiry import Expiry
from pixmill.jobs.shard_files import read_document
from pixmill.jobs.shard_orders import ShardOrder
from pixmill.settings import Settings
from pixmill.store import open_catalog
from pixmill.store.memory import MemoryBlobs
from pixmill.store.opening import utc_now
from pixmill.store.shards import MAX_DEATHS, Counts
from tests.unit import shard_jobs
from tests.unit.shard_jobs import (
    FAILED,
    GROWTH,
    MOST,
    ROWS,
    SHARDS,
    Cluster,
    Watcher,
    csv_list,
    files,
    here,
    job_of,
)
from tests.unit.sink_records import succeeded


class Killed(BaseException):
    """What happens to a process."""


class Worker(Cluster):
    """One for whichever job there is."""

    def __init__(self, catalog, blobs, folder):
        self.catalog, self.blobs, self._folder = catalog, blobs, folder
        self.poisoned = set()

    @property
    def id(self):
        (job,) = self.catalog.jobs.page(2)
        return job.id


@pytest.fixture(autouse=True)
def restless(monkeypatch):
    monkeypatch.setattr(planning, "_GROWTH", GROWTH)
    monkeypatch.setattr(planning, "_TOLD_TOGETHER", 1)
    monkeypatch.setattr(sharding, "_LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(sharding, "_REST", 0)


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def blobs():
    return MemoryBlobs()


@pytest.fixture
def worker(catalog, blobs, tmp_path):
    return Worker(catalog, blobs, tmp_path)


@pytest.fixture
def carrier(catalog, blobs):
    return ClusterCarrier(Settings(shard_lines=MOST), catalog, blobs, lambda *_: None, lambda: None)


@pytest.fixture
def order(tmp_path):
    """Call it to have the order of the command, as if it was typed anew."""
    urls = csv_list(tmp_path)

    def typed(output=tmp_path / "o.csv", **changes):
        return job_of(urls, output, **changes)

    return typed


@pytest.fixture
def bench(catalog, blobs, carrier, worker, order):
    return catalog, blobs, carrier, worker, order


def is_whole(order):
    output = order().output
    elsewhere = output.with_name("here.csv")
    assert run_job(order(elsewhere), Watcher(), here).complete
    return files(output) == files(elsewhere)


def leaves_nothing(catalog, blobs):
    left = [*blobs.all("shards"), *blobs.all("parts"), *catalog.jobs.page(10)]
    return left == []


def stopped(carrier, worker, order, shards=1, **changes):
    """Run the command until so many shards are done."""

    def some(watcher):
        if worker.work(shards):
            watcher.run.stop()

    return carrier.run(order(**changes), Watcher(some))


def test_a_command_that_is_complete_leaves_its_table_alone(bench):
    catalog, blobs, carrier, worker, order = bench
    seen = []

    def work(_):
        (job,) = catalog.jobs.page(10)
        seen.append((job.id, job.key_id, job.kind, job.state))
        worker.work()

    report = carrier.run(order(), Watcher(work))
    assert (report.complete, report.ok + sum(report.failed.values())) == (True, ROWS)
    assert set(seen) == {(_job_id(order()), None, "command", "running")}
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)
    assert carrier.run(order(), Watcher()).did_nothing
    assert leaves_nothing(catalog, blobs)


def test_a_command_that_was_stopped_goes_on_with_what_was_done_meanwhile(bench):
    catalog, blobs, carrier, worker, order = bench
    assert not stopped(carrier, worker, order).complete
    (job,) = catalog.jobs.page(10)
    assert (job.id, job.state) == (_job_id(order()), "queued")
    worker.work()
    attempts = catalog.shards.standing(job.id)
    assert attempts.states["done"] >= 1
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)


def test_only_one_command_is_at_a_job(bench):
    catalog, _blobs, carrier, worker, order = bench
    stopped(carrier, worker, order)
    assert catalog.jobs.claim_this(worker.id, "another", 60.0)
    with pytest.raises(OutputLocked, match=f"another command is at the same job, {worker.id}"):
        carrier.run(order(), Watcher())
    assert catalog.jobs.find(worker.id).state == "running"


def test_a_command_that_lost_its_job_ends_and_merges_nothing_more(bench, monkeypatch):
    catalog, blobs, carrier, worker, order = bench
    monkeypatch.setattr("pixmill.jobs.commands._RENEWALS", 1e6)  # it looks all the time

    def cancel(_):
        if catalog.jobs.find(worker.id).state == "running":
            catalog.jobs.move(worker.id, "cancel")

    with pytest.raises(OutputError, match="was canceled, or another command has it"):
        carrier.run(order(), Watcher(cancel))
    assert catalog.jobs.find(worker.id).state == "canceled"
    monkeypatch.undo()
    # The same command again is begun anew, on what stands of the table.
    monkeypatch.setattr(sharding, "_LOOK_EVERY_S", 0.001)
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)


def test_a_stalled_command_says_so_until_it_is_redriven(bench):
    catalog, blobs, carrier, worker, order = bench
    worker.poisoned = {3}
    with pytest.raises(JobStalled, match="all is done but shard 3"):
        carrier.run(order(), Watcher(lambda _: worker.work()))
    job = catalog.jobs.find(worker.id)
    assert (job.state, job.outcome.code) == ("stalled", "internal")
    with pytest.raises(JobStalled, match="all is done but shard 3"):
        carrier.run(order(), Watcher(lambda _: pytest.fail("it was begun")))
    worker.poisoned = set()
    assert catalog.shards.redrive(job.id) == 1
    catalog.jobs.move(job.id, "redrive")
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)


def test_overwriting_forgets_what_was_done(tmp_path, catalog, carrier, worker, order):
    stopped(carrier, worker, order, SHARDS)
    before = catalog.jobs.find(worker.id).created_at
    seen = []

    def work(_):
        seen.append(catalog.jobs.find(worker.id).created_at)
        worker.work()

    assert carrier.run(order(overwrite=True), Watcher(work)).complete
    assert set(seen)
    assert before not in seen
    assert is_whole(order)


def test_what_was_done_counts_where_the_table_was_taken_away(tmp_path, carrier, worker, order):
    stopped(carrier, worker, order, SHARDS)
    worker.work()
    for path in [checkpoint_path(tmp_path / "o.csv"), *tmp_path.glob("o*.part")]:
        path.unlink()
    done = worker.catalog.shards.standing(worker.id).counts
    assert done != Counts()
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    assert is_whole(order)


def all_well(item):
    return succeeded(item.line, item.url, extra=item.extra)


@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
@pytest.mark.parametrize("elsewhere", [1, 7, 8, ROWS])
def test_a_table_that_went_on_without_the_cluster_loses_nothing_by_it(
    bench, tmp_path, name, elsewhere
):
    """As where the same command is run without a broker in between, and ends within a shard."""
    catalog, blobs, carrier, worker, order = bench
    output = tmp_path / name

    def some(watcher):
        worker.work(2)
        if watcher.progress.ok + sum(watcher.progress.failed.values()):
            watcher.run.stop()

    assert not carrier.run(order(output), Watcher(some)).complete
    seen = Watcher()

    def stop_here(record):
        seen.records.append(record)
        if len(seen.records) == elsewhere:
            seen.run.stop()

    seen.seen = stop_here
    run_job(order(output), seen, here)
    assert carrier.run(order(output), Watcher(lambda _: worker.work())).complete
    whole = tmp_path / f"here-{name}"
    assert run_job(order(whole), Watcher(), here).complete
    if name == "o.parquet":  # what was stopped is in other row groups
        assert read_table(output) == read_table(whole)
    else:
        assert files(output) == files(whole)
    assert leaves_nothing(catalog, blobs)


def test_a_retry_that_went_on_without_the_cluster_loses_no_line(bench, monkeypatch):
    _catalog, _blobs, carrier, worker, order = bench
    assert run_job(order(), Watcher(), here).complete
    monkeypatch.setattr(shard_jobs, "record_of", all_well)
    job = order()

    def some(watcher):
        if worker.work(1):
            watcher.run.stop()

    class One(Watcher):
        def seen(self, record):
            self.run.stop()

    assert not retry_job(job, Watcher(some), carrier.run).complete
    assert not retry_job(job, One(), lambda again, watcher: run_job(again, watcher, here)).complete
    report = retry_job(job, Watcher(lambda _: worker.work()), carrier.run)
    assert (report.complete, report.ok, report.failed) == (True, ROWS, {})
    assert is_whole(order)


def test_a_table_that_went_on_alone_and_was_taken_away_is_made_whole(bench):
    catalog, blobs, carrier, worker, order = bench
    stopped(carrier, worker, order, 2)
    catalog.jobs.move(worker.id, "cancel")
    stopped(carrier, worker, order, 1)
    for path in order().output.parent.glob("o*"):
        path.unlink()
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)


def test_a_job_that_was_canceled_goes_on_where_its_table_ends_with_other_shards(bench):
    catalog, blobs, carrier, worker, order = bench

    def some(watcher):
        worker.work(3)
        if Checkpoint.load(checkpoint_path(order().output)).line:
            watcher.run.stop()

    assert not carrier.run(order(), Watcher(some)).complete
    catalog.jobs.move(worker.id, "cancel")
    numbers = []

    def work(_):
        numbers.append(catalog.shards.planned(worker.id).shards)
        worker.work()

    carrier = ClusterCarrier(Settings(shard_lines=1), catalog, blobs, lambda *_: None, lambda: None)
    assert carrier.run(order(), Watcher(work)).complete
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)
    assert max(numbers) < ROWS  # what stands in the table is not done again


def test_a_command_that_was_killed_at_its_very_end_leaves_nothing_once_it_is_run_again(
    bench, monkeypatch
):
    catalog, blobs, carrier, worker, order = bench

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("pixmill.jobs.commands.drop_shards", kill)
        with pytest.raises(Killed):
            carrier.run(order(), Watcher(lambda _: worker.work()))
    assert order().output.exists()
    assert not leaves_nothing(catalog, blobs)
    assert carrier.run(order(), Watcher()).did_nothing
    assert leaves_nothing(catalog, blobs)
    assert is_whole(order)


def test_a_finished_command_takes_nothing_from_another_that_is_at_its_job(bench):
    """As on another machine, where the same list lies at the same place."""
    catalog, _blobs, carrier, worker, order = bench
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    stopped(carrier, worker, order, overwrite=True)
    id_ = worker.id
    assert catalog.jobs.claim_this(id_, "another", 60.0)
    finished = checkpoint_path(order().output)
    assert not finished.read_text().count('"finished"')
    finished.unlink()
    for path in order().output.parent.glob("o*"):
        path.unlink()
    run_job(order(), Watcher(), here)
    assert carrier.run(order(), Watcher()).did_nothing
    assert catalog.jobs.find(id_).state == "running"
    assert catalog.shards.planned(id_).shards


def test_the_same_list_options_and_output_are_the_same_job(tmp_path, order):
    assert _job_id(order()) == _job_id(order(overwrite=True))
    (tmp_path / "more").mkdir()
    others = [
        order(bearing={"n": 3}),
        order(tmp_path / "p.csv"),
        job_of(csv_list(tmp_path / "more", ROWS + 1), tmp_path / "o.csv"),
    ]
    assert len({_job_id(each) for each in [order(), *others]}) == 4


def test_the_catalog_is_told_how_far_a_command_is(bench, monkeypatch):
    catalog, _blobs, carrier, worker, order = bench
    monkeypatch.setattr("pixmill.jobs.commands._RENEWALS", 1e6)  # it renews all the time
    told = []

    def work(_):
        job = catalog.jobs.find(worker.id)
        told.append((job.progress.done, job.progress.failed))
        if not worker.work(1) and told[-1][0] < ROWS:
            time.sleep(0.01)

    assert carrier.run(order(), Watcher(work)).complete
    assert any(0 < done < ROWS for done, _ in told)
    assert told == sorted(told)
    assert all(failed <= FAILED for _, failed in told)


@pytest.mark.parametrize("state", ["queued", "canceled", "stalled"])
def test_a_job_whose_command_never_comes_again_is_dropped_with_its_files(bench, state):
    catalog, blobs, carrier, worker, order = bench
    worker.poisoned = {3} if state == "stalled" else set()
    if state == "stalled":
        with pytest.raises(JobStalled):
            carrier.run(order(), Watcher(lambda _: worker.work()))
    else:
        stopped(carrier, worker, order)
    if state == "canceled":
        catalog.jobs.move(worker.id, "cancel")
    assert catalog.jobs.find(worker.id).state == state
    expiry = Expiry(catalog, blobs)
    assert expiry.expire_before(utc_now() - timedelta(minutes=1)) == 0
    assert [*blobs.all("shards")]
    assert expiry.expire_before(utc_now()) == 1
    assert [*blobs.all("shards"), *blobs.all("parts")] == []
    assert catalog.jobs.page(10) == []
    worker.poisoned = set()
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)


def test_a_command_may_be_killed_as_often_as_one_likes(bench):
    catalog, blobs, carrier, worker, order = bench
    stopped(carrier, worker, order)
    done = catalog.shards.standing(worker.id).states["done"]
    for number in range(2 * MAX_DEATHS):
        assert catalog.jobs.claim_this(worker.id, f"killed {number}", 0.0) is not None
    assert catalog.shards.standing(worker.id).states["done"] == done
    assert carrier.run(order(), Watcher(lambda _: worker.work())).complete
    assert is_whole(order)
    assert leaves_nothing(catalog, blobs)


def test_a_run_that_goes_on_elsewhere_keeps_its_name(bench, tmp_path):
    """Or what was half done of a shard would arrive again, as another run's."""
    _catalog, blobs, carrier, worker, order = bench
    table = {"stage": object()}

    def run_name():
        return ShardOrder.read(read_document(blobs, worker.id, "order")).run

    stopped(carrier, worker, order, **table)
    first = run_name()
    assert first
    for path in tmp_path.glob("o*"):  # the folder of another machine
        path.unlink()
    stopped(carrier, worker, order, **table)
    assert run_name() == first
    stopped(carrier, worker, order, overwrite=True, **table)
    assert run_name() not in {"", first}


def test_a_stream_is_refused(tmp_path, carrier, order, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"http://a/\n")))
    from pixmill.batch.source import SourceOptions, open_source  # noqa: PLC0415

    source = open_source(["-"], SourceOptions())
    with pytest.raises(ResumeRefused, match="put it into a file"):
        carrier.run(order(source=source), Watcher())
    assert not list(tmp_path.glob("o.csv*"))
