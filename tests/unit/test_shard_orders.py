"""The order of a job comes to its workers as it is, and one of another version is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pixmill.analysis import Wanted
from pixmill.batch import RunOptions
from pixmill.batch.sink import TableOptions
from pixmill.color.palette import Palette
from pixmill.color.palette_files import write_palette
from pixmill.errors import OutputError, UsageError
from pixmill.imaging.probe import Limits
from pixmill.ingest.arrivals import Arrivals, Sender
from pixmill.ingest.keeper import ArchiveKeeper
from pixmill.jobs.shard_orders import ShardOrder, matcher_of
from pixmill.matching import Matcher
from pixmill.settings import Settings
from pixmill.store.memory import MemoryArchive
from tests.unit.product_records import PALETTE
from tests.unit.shard_jobs import csv_list, job_of

RUN = RunOptions(
    wanted=Wanted(n=7, alpha="ignore", md5=False),
    limits=Limits(max_pixels=1234, max_side=56),
    max_bytes=789,
    timeout_s=1.5,
    retries=9,
    dedupe=False,
    fetchers=3,
    workers=17,
)


@pytest.fixture
def order_of(tmp_path):
    """Call it with an ending and what is ordered to have the order as its workers read it."""

    def order(ending="csv", run=RUN, name="", **changes):
        job = job_of(csv_list(tmp_path, 1), tmp_path / f"o.{ending}", run=run, **changes)
        written = ShardOrder.of(job, name).written()
        read = ShardOrder.read(written)
        assert read.written() == written
        return job, read

    return order


def test_what_bears_on_the_rows_is_the_orders_and_the_rest_a_workers_own(order_of):
    job, order = order_of()
    settings = Settings(workers=2, fetchers=5, timeout=60, retries=0, max_pixels=10)
    options = order.options(settings, wanted=order.wanted_of("/spool"))
    assert options.wanted == job.run.wanted
    assert options.limits == job.run.limits
    for name in ("max_bytes", "timeout_s", "retries", "dedupe"):
        assert getattr(options, name) == getattr(job.run, name), name
    assert (options.workers, options.fetchers) == (2, 5)


@pytest.mark.parametrize(
    ("ending", "rows"), [("csv", "csv"), ("CSV", "csv"), ("jsonl", "jsonl"), ("parquet", "jsonl")]
)
def test_parts_have_the_form_of_the_table_or_lines_of_json(order_of, ending, rows):
    assert order_of(ending)[1].rows == rows


@pytest.mark.parametrize("product", ["colors", "clusters", "match", "arrival"])
def test_the_options_of_the_table_come_along_but_for_the_header(order_of, product):
    table = TableOptions(n=5, counts=True, header=True, keep_columns=("id", "a,b"), product=product)
    job, order = order_of(table=table)
    assert job.table == table
    assert order.table_options() == replace(table, header=False)
    assert isinstance(order.table_options().keep_columns, tuple)


def test_clusters_are_asked_for_as_they_are_here(order_of):
    wanted = Wanted(n=0, md5=True, summarizer="background", k=9)
    _, order = order_of("jsonl", run=replace(RUN, wanted=wanted))
    assert order.wanted_of("/spool") == wanted
    assert order.match is None


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(PALETTE, "ciede2000", 2.5, "mean"),
        Matcher(PALETTE),
        Matcher(PALETTE, "oklab", 0.0, "background"),
        Matcher(Palette.css(), "lab"),
    ],
)
def test_a_match_comes_along_with_its_palette(order_of, matcher):
    wanted = Wanted(n=0, summarizer=matcher.summarizer)
    _, order = order_of(run=replace(RUN, wanted=wanted, matcher=matcher))
    document = write_palette(matcher.palette, "json")
    again = matcher_of(order, document)
    assert again.identity() == matcher.identity()
    assert again == matcher
    assert order.wanted_of("") == wanted


def test_a_palette_that_is_none_is_refused(order_of):
    _, order = order_of(
        run=replace(RUN, wanted=Wanted(summarizer="kmeans"), matcher=Matcher(PALETTE))
    )
    with pytest.raises(UsageError):
        matcher_of(order, b"[]")


@pytest.mark.parametrize("name", [None, "cam-1"])
@pytest.mark.parametrize("originals", [False, True])
def test_an_ingest_comes_along_with_its_sender_and_its_run(order_of, name, originals):
    keeper = ArchiveKeeper(MemoryArchive(), originals=originals)
    wanted = Wanted(n=5, summarizer="kmeans", grey="/spool/of/the/command")
    _, order = order_of(
        run=replace(RUN, wanted=wanted, keeper=keeper),
        stage=Arrivals(keeper, Sender(name)),
        name="run-7",
    )
    assert order.ingest == {"sender": name, "originals": originals}
    assert order.run == "run-7"
    assert order.wanted_of("/own/spool") == wanted._replace(grey="/own/spool")


def test_what_is_no_ingest_has_no_greys(order_of):
    _, order = order_of(run=replace(RUN, wanted=Wanted(grey="/somewhere")))
    assert order.wanted_of("/own/spool").grey is None


def documents(document):
    """What other versions may have written, or a disk made of it."""
    yield from (b"", b"\xff", b"null", b"[]", b"5", b'"order"', document[:-1])
    told = json.loads(document)
    for name in told:
        if name not in {"run", "match", "ingest"}:  # those have a default
            yield json.dumps({key: value for key, value in told.items() if key != name}).encode()
    for changes in (
        {"new": 1},
        {"limits": 5},
        {"limits": [1]},
        {"limits": [1, 2, 3]},
        {"table": {**told["table"], "new": 1}},
        {"table": {"n": 3}},
        {"table": None},
        {"wanted": {**told["wanted"], "new": 1}},
        {"wanted": []},
        {"match": {"palette": "css"}},
        {"match": 5},
        {"ingest": {"sender": None}},
    ):
        yield json.dumps({**told, **changes}).encode()


def is_refused(document):
    try:
        ShardOrder.read(document)
    except OutputError as error:
        return "of another pixmill" in str(error)
    return False


def test_an_order_of_another_version_is_refused_in_a_sentence(order_of):
    """And not taken for a defect, which would count as a death of its shard."""
    _, order = order_of()
    assert [each for each in documents(order.written()) if not is_refused(each)] == []
