"""A table made by way of workers is the table that one process makes, whatever comes between."""

from __future__ import annotations

import csv
import threading
from itertools import count

import pytest
from sqlalchemy import delete, update

from pixmill.batch.checkpoint import Checkpoint
from pixmill.batch.job import checkpoint_path, run_job
from pixmill.color.palette_files import read_palette
from pixmill.errors import InputError, JobStalled, OutputError
from pixmill.jobs import merging, planning, sharding
from pixmill.jobs.shard_files import read_document
from pixmill.jobs.sharding import drop_shards
from pixmill.matching import Matcher
from pixmill.store import open_catalog
from pixmill.store.memory import MemoryBlobs
from pixmill.store.shards import MAX_DEATHS, ShardId
from pixmill.store.sql import schema
from tests.unit.product_records import PALETTE
from tests.unit.shard_jobs import (
    FAILED,
    GROWTH,
    ROWS,
    SHARDS,
    Cluster,
    Holder,
    Watcher,
    csv_list,
    files,
    here,
    job_of,
)


class Killed(BaseException):
    """What happens to a process."""


@pytest.fixture(autouse=True)
def restless(monkeypatch):
    """Small shards, and nobody waits."""
    monkeypatch.setattr(planning, "_GROWTH", GROWTH)
    monkeypatch.setattr(planning, "_TOLD_TOGETHER", 1)
    monkeypatch.setattr(sharding, "_LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(sharding, "_REST", 0)


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def cluster(tmp_path, catalog):
    return Cluster(catalog, MemoryBlobs(), tmp_path)


@pytest.fixture
def again(tmp_path, catalog):
    """Call it for another job, of the same list."""
    return lambda: Cluster(catalog, MemoryBlobs(), tmp_path)


@pytest.fixture
def urls(tmp_path):
    return csv_list(tmp_path)


@pytest.fixture
def expected(tmp_path, urls):
    """What one process makes of the list as CSV."""
    return made_here(tmp_path, urls, "here.csv")


def made_here(tmp_path, path, name):
    output = tmp_path / name
    assert run_job(job_of(path, output), Watcher(), here).complete
    return files(output)


def cut(cluster, urls, output):
    """Have the whole list cut, and nothing done of it."""

    def stop(watcher):
        if cluster.catalog.shards.planned(cluster.id).complete:
            watcher.run.stop()

    assert not cluster.run(job_of(urls, output), Watcher(stop)).complete


def do_all(cluster, urls, output):
    """Have all shards done, and none of them merged."""
    cut(cluster, urls, output)
    assert cluster.work() == SHARDS
    assert Checkpoint.load(checkpoint_path(output)).line == 0


@pytest.fixture(params=[1, 3, 50])
def together(request, monkeypatch):
    """How many shards are merged between two looks at those that are done."""
    monkeypatch.setattr(sharding, "_MERGED_TOGETHER", request.param)


@pytest.fixture(params=[0.0, 3600.0], ids=["commits each", "commits none"])
def commits_each(request, monkeypatch):
    """Whether what was merged is committed shard by shard, or not before all that is done."""
    monkeypatch.setattr(merging, "_DONE_BEFORE_COMMIT_S", request.param)
    return not request.param


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_table_of_workers_is_that_of_one_process(tmp_path, urls, cluster, ending):
    output, watcher = tmp_path / f"o.{ending}", Watcher(lambda _: cluster.work())
    report = cluster.run(job_of(urls, output), watcher)
    assert files(output) == made_here(tmp_path, urls, f"here.{ending}")
    assert report.complete
    assert (report.ok, report.failed) == (ROWS - FAILED, {"http_error": FAILED})
    assert cluster.catalog.shards.standing(cluster.id).states == {"done": SHARDS}
    assert (watcher.progress.images, watcher.progress.share) == (ROWS, 1.0)


def test_workers_may_be_at_it_while_it_is_cut_and_merged(tmp_path, urls, cluster, expected):
    output, over = tmp_path / "o.csv", threading.Event()

    def work():
        while not over.is_set():
            if not cluster.work(2):
                over.wait(0.002)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert cluster.run(job_of(urls, output), Watcher()).complete
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert files(output) == expected


def test_shards_that_are_done_out_of_order_are_merged_in_order(tmp_path, urls, cluster, expected):
    output, waiting, lines = tmp_path / "o.csv", list(range(SHARDS)), []
    cut(cluster, urls, output)

    def last(_):
        """Do the last of those that wait."""
        lines.append(Checkpoint.load(checkpoint_path(output)).line)
        id_ = ShardId(cluster.id, waiting.pop())
        cluster.do(cluster.catalog.shards.claim(id_, "w", "worker"))

    assert cluster.run(job_of(urls, output), Watcher(last)).complete
    assert lines == [0] * SHARDS
    assert files(output) == expected


@pytest.mark.parametrize("rows", [0, 1])
def test_a_short_list_is_a_table_too(tmp_path, cluster, rows):
    urls = csv_list(tmp_path, rows)
    output = tmp_path / "o.csv"
    report = cluster.run(job_of(urls, output))
    assert (report.complete, report.ok + sum(report.failed.values())) == (True, rows)
    assert files(output) == made_here(tmp_path, urls, "here.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_job_that_is_stopped_at_every_shard_goes_on_from_there(tmp_path, urls, cluster, ending):
    output, stops = tmp_path / f"o.{ending}", 0

    def one(watcher):
        if cluster.work(1):
            watcher.run.stop()

    while not (report := cluster.run(job_of(urls, output), Watcher(one))).complete:
        stops += 1
        assert not output.exists()
    assert stops == SHARDS
    assert report.ok + sum(report.failed.values()) == ROWS
    assert files(output) == made_here(tmp_path, urls, f"here.{ending}")


@pytest.mark.usefixtures("together")
def test_a_stop_at_any_moment_of_merging_leaves_a_table_to_go_on_with(
    tmp_path, urls, again, expected
):
    for moment in count():
        cluster, output, watcher = again(), tmp_path / f"o{moment}.csv", Watcher()
        do_all(cluster, urls, output)
        holder = Holder(lambda watcher=watcher: watcher.run.stop(), moment)
        complete = cluster.run(job_of(urls, output), watcher, holder).complete
        assert complete == output.exists()
        if holder.checks <= moment:
            break
        assert cluster.run(job_of(urls, output)).complete
        assert files(output) == expected, moment
    assert moment >= SHARDS
    assert files(output) == expected


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_kill_at_any_moment_of_merging_costs_nothing(tmp_path, urls, again, commits_each, ending):
    expected = made_here(tmp_path, urls, f"here.{ending}")

    def kill():
        raise Killed

    for moment in count():
        cluster, output = again(), tmp_path / f"o{moment}.{ending}"
        do_all(cluster, urls, output)
        holder = Holder(kill, moment)
        try:
            cluster.run(job_of(urls, output), holder=holder)
        except Killed:
            line = Checkpoint.load(checkpoint_path(output)).line
            assert (line > 0) == (commits_each and moment > 1)
            cluster.run(job_of(urls, output))
        assert files(output) == expected, moment
        if holder.checks <= moment:
            break
    assert moment > SHARDS


def test_what_goes_wrong_with_the_holder_or_the_list_ends_it(tmp_path, urls, cluster, expected):
    output = tmp_path / "o.csv"

    def lost():
        raise OutputError("another has it")

    with pytest.raises(OutputError, match="another has it"):
        cluster.run(job_of(urls, output), holder=Holder(lost, 2))
    job = job_of(urls, output)
    gone = urls.rename(tmp_path / "gone.csv")
    with pytest.raises(InputError):
        cluster.run(job)
    gone.rename(urls)
    assert cluster.run(job_of(urls, output)).complete
    assert files(output) == expected


def test_a_catalog_that_lost_its_last_moments_is_told_of_them_again(
    tmp_path, urls, cluster, expected, monkeypatch
):
    """As one whose copy takes over, or that keeps commits to itself for a while."""
    monkeypatch.setattr(planning, "_PAUSE_S", 0.01)
    told, ends, shards = count(), count(), cluster.catalog.shards
    plan = shards.plan

    def forgetful(job_id, *arguments, complete):
        done = plan(job_id, *arguments, complete=complete)
        if next(told) in {3, 5, 8} or (complete and next(ends) < 2):
            with shards._database.writing() as connection:
                last = shards.planned(job_id).shards - 1
                table = schema.shards.c
                its = (table.job_id == job_id) & (table.number == last)
                connection.execute(delete(schema.shards).where(its))
                connection.execute(update(schema.jobs).values(shards=None))
        return done

    monkeypatch.setattr(shards, "plan", forgetful)
    output = tmp_path / "o.csv"
    assert cluster.run(job_of(urls, output), Watcher(lambda _: cluster.work())).complete
    assert files(output) == expected
    assert next(told) > SHARDS
    assert next(ends) > 2


@pytest.mark.parametrize("table", ["rows", "errors"])
def test_a_part_that_is_gone_is_made_again(tmp_path, urls, cluster, expected, table):
    output = tmp_path / "o.csv"
    do_all(cluster, urls, output)
    shard = cluster.catalog.shards.find(ShardId(cluster.id, 3))
    cluster.blobs.delete(f"parts/{cluster.id}/0000003-{shard.attempt}.{table}")
    report = cluster.run(job_of(urls, output))
    assert (report.complete, report.ok + sum(report.failed.values())) == (True, ROWS)
    assert files(output) == expected
    assert cluster.catalog.shards.find(shard.id).attempts == 2


@pytest.mark.parametrize("table", ["rows", "errors"])
def test_where_a_part_is_gone_with_its_items_it_is_told_and_nothing_is_left_out(
    tmp_path, urls, cluster, expected, table
):
    """As of a folder that is not mounted."""
    output = tmp_path / "o.csv"
    do_all(cluster, urls, output)
    shard = cluster.catalog.shards.find(ShardId(cluster.id, 3))
    name = f"parts/{cluster.id}/0000003-{shard.attempt}.{table}"
    gone = [name, f"shards/{cluster.id}/0000003.jsonl.gz"]
    kept = {each: cluster.blobs.open(each).read(0, 1 << 20) for each in gone}
    for each in gone:
        cluster.blobs.delete(each)
    with pytest.raises(OutputError, match=name):
        cluster.run(job_of(urls, output))
    assert not output.exists()
    for each, content in kept.items():
        cluster.blobs.put(each, content)
    assert cluster.run(job_of(urls, output)).complete
    assert files(output) == expected
    assert cluster.catalog.shards.find(shard.id).attempts == 1


def test_what_is_dead_stalls_the_job_once_all_else_is_done(tmp_path, urls, cluster, expected):
    output, standings = tmp_path / "o.csv", []
    cluster.poisoned = {2, 5}

    def work(_):
        standings.append(cluster.catalog.shards.standing(cluster.id).states)
        cluster.work(1)

    with pytest.raises(JobStalled) as stalled:
        cluster.run(job_of(urls, output), Watcher(work))
    told = str(stalled.value)
    assert told.startswith("all is done but shard 2 (lines ")
    assert ": it died of 2; shard 5 (lines " in told
    assert told.endswith(
        f": it died of 5. Once the cause is gone: pixmill jobs redrive {cluster.id}"
    )
    standing = cluster.catalog.shards.standing(cluster.id)
    assert standing.states == {"dead": 2, "done": SHARDS - 2}
    assert any("dead" in states and "waiting" in states for states in standings)
    # What stands before the dead is merged and stays.
    line = cluster.catalog.shards.find(ShardId(cluster.id, 1)).lines.last_line
    assert Checkpoint.load(checkpoint_path(output)).line == line
    with pytest.raises(JobStalled):
        cluster.run(job_of(urls, output))
    cluster.poisoned = set()
    cluster.catalog.shards.redrive(cluster.id)
    report = cluster.run(job_of(urls, output))
    assert (report.complete, report.ok + sum(report.failed.values())) == (True, ROWS)
    assert files(output) == expected


def test_of_many_dead_only_some_are_named(tmp_path, urls, cluster):
    cluster.poisoned = set(range(SHARDS))
    with pytest.raises(JobStalled, match=r"it died of 4; and 3 more\. Once"):
        cluster.run(job_of(urls, tmp_path / "o.csv"))


class Slow:
    """A source that stops before an item until it may go on."""

    def __init__(self, source, before):
        self._source, self._before = source, before
        self.may_go_on = threading.Event()

    def __getattr__(self, name):
        return getattr(self._source, name)

    def items(self, after=None):
        for number, item in enumerate(self._source.items(after)):
            if number == self._before:
                assert self.may_go_on.wait(30)
            yield item


def test_while_its_list_is_not_cut_nothing_is_stalled(tmp_path, urls, cluster):
    cluster.poisoned = {0}
    source, seen = Slow(job_of(urls, tmp_path / "o.csv").source, 5), []

    def work(_):
        cluster.work()
        seen.append(cluster.catalog.shards.standing(cluster.id).states == {"dead": 1, "done": 1})
        if sum(seen) == 3:
            source.may_go_on.set()

    with pytest.raises(JobStalled):
        cluster.run(job_of(urls, tmp_path / "o.csv", source=source), Watcher(work))
    standing = cluster.catalog.shards.standing(cluster.id)
    assert standing.states == {"dead": 1, "done": SHARDS - 1}


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_while_one_is_not_done_nothing_is_stalled(tmp_path, urls, cluster, state):
    output, last = tmp_path / "o.csv", ShardId("", SHARDS - 1)
    cut(cluster, urls, output)
    last = last._replace(job_id=cluster.id)
    slow = cluster.catalog.shards.claim(last, "w", "worker")
    cluster.poisoned = {0}
    for _ in range(MAX_DEATHS):
        cluster.work()
    if state == "waiting":
        cluster.catalog.shards.hand_back(slow, "later", delay_s=3600.0)
    ticks = count()

    def stop(watcher):
        if next(ticks) == 3:
            watcher.run.stop()

    assert not cluster.run(job_of(urls, output), Watcher(stop)).complete
    states = cluster.catalog.shards.standing(cluster.id).states
    assert states == {"dead": 1, state: 1, "done": SHARDS - 2}


def test_failures_are_told_as_one_process_tells_them(tmp_path, urls, cluster):
    local, watcher = Watcher(), Watcher(lambda _: cluster.work())
    run_job(job_of(urls, tmp_path / "here.csv"), local, here)
    cluster.run(job_of(urls, tmp_path / "o.csv"), watcher)

    def told(record):
        return record.line, record.url, record.failure, record.http_status, record.attempts

    failures = [told(record) for record in local.records if record.failure]
    assert [told(record) for record in watcher.records] == failures
    assert len(failures) == FAILED
    assert any("\n" in url for _, url, *_ in failures)


def test_the_failure_of_a_url_of_any_length_is_told(tmp_path, cluster):
    urls = tmp_path / "urls.txt"
    long = "http://a/" + "x" * 500_000
    urls.write_text(f"http://a/1\nhttp://a/2\n{long}\n")
    before = csv.field_size_limit(131_072)  # as it is, where no CSV was read
    try:
        watcher = Watcher(lambda _: cluster.work())
        assert cluster.run(job_of(urls, tmp_path / "o.csv"), watcher).complete
    finally:
        csv.field_size_limit(before)
    assert long in [record.url for record in watcher.records]
    assert files(tmp_path / "o.csv") == made_here(tmp_path, urls, "here.csv")


def test_a_look_that_took_long_is_followed_by_no_longer_rest_than_a_while(monkeypatch):
    monkeypatch.setattr(sharding, "_LOOK_EVERY_S", 0.25)
    monkeypatch.setattr(sharding, "_REST", 10)
    rests = [sharding._rest_after(taken_s) for taken_s in (0.001, 0.1, 600.0)]
    assert rests == pytest.approx([0.25, 1.0, 5.0])


def test_a_resumed_job_counts_on_from_where_it_was(tmp_path, urls, cluster):
    output = tmp_path / "o.csv"

    def some(watcher):
        if cluster.catalog.shards.planned(cluster.id).complete and cluster.work(3):
            watcher.run.stop()

    assert not cluster.run(job_of(urls, output), Watcher(some)).complete
    cluster.work()
    seen = []
    watcher = Watcher(lambda watcher: seen.append(watcher.progress.share))
    report = cluster.run(job_of(urls, output), watcher)
    assert report.complete
    assert (watcher.progress.ok, watcher.progress.failed) == (ROWS - FAILED, {"http_error": FAILED})
    assert watcher.progress.images == 0  # all was done before it came
    shares = [share for share in seen if share is not None]
    assert shares == sorted(shares)


def test_workers_are_given_the_order_and_the_palette(tmp_path, urls, cluster):
    matcher = Matcher(PALETTE, "oklab", 0.5, "mean")
    job = job_of(urls, tmp_path / "o.csv")
    run = job.run.__class__(
        matcher=matcher, wanted=job.run.wanted._replace(n=0, summarizer="mean"), retries=1
    )
    job = job_of(urls, tmp_path / "o.csv", run=run)
    cluster.carrier()(job, Checkpoint(None, {}))
    document = read_document(cluster.blobs, cluster.id, "palette")
    assert read_palette(document, "shop", "json").entries == PALETTE.entries
    assert b'"retries": 1' in read_document(cluster.blobs, cluster.id, "order")


def test_what_is_dropped_leaves_nothing(tmp_path, urls, cluster, again):
    other = again()
    do_all(cluster, urls, tmp_path / "o.csv")
    do_all(other, urls, tmp_path / "p.csv")
    drop_shards(cluster.catalog, cluster.blobs, cluster.id)
    assert [*cluster.blobs.all("shards"), *cluster.blobs.all("parts")] == []
    assert cluster.catalog.shards.planned(cluster.id).shards == 0
    assert cluster.catalog.shards.standing(other.id).states == {"done": SHARDS}
