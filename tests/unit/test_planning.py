"""A list is cut into shards: of which sizes, from where it was cut before, and until when."""

from __future__ import annotations

import math
import threading
from itertools import chain

import pytest

from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import InputError
from pixmill.jobs import planning
from pixmill.jobs.planning import Cut, Planner, size_of
from pixmill.jobs.shard_files import read_items
from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from pixmill.store.memory import MemoryBlobs
from pixmill.store.shards import NewShard, Plan
from tests.contract.catalogs import plan

OWNER = "planner"
SIZES = (2, 2, 3, 3, 3)  # and 4 from there on
MOST = 4


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(planning, "_GROWTH", ((2, 2), (5, 3)))


@pytest.fixture
def at_once(monkeypatch):
    """Each shard is told of as soon as it is cut."""
    monkeypatch.setattr(planning, "_TOLD_TOGETHER", 1)


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def job_id(catalog):
    job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
    catalog.jobs.claim_this(job.id, OWNER, 3600.0)
    return job.id


@pytest.fixture
def blobs():
    return MemoryBlobs()


def urls(tmp_path, number, name="urls.txt"):
    """A list of so many lines, of which some are blank."""
    path = tmp_path / name
    path.write_text("".join(f"http://a/{at}\n{chr(10) if at % 3 else ''}" for at in range(number)))
    return path


def source_of(*paths):
    return open_source(paths, SourceOptions())


def cut(catalog, blobs, job_id, source, most=MOST):
    planner = Planner(catalog.shards, blobs, source, Cut(job_id, OWNER, most))
    with planner:
        planner._thread.join()
    planner.check()


class Half:
    """A source that stops after so many items: it waits there, or fails, or calls."""

    resumable = True

    def __init__(self, source, after, do):
        self._source, self._after, self._do = source, after, do

    def items(self, after=None):
        for number, item in enumerate(self._source.items(after)):
            if number == self._after:
                self._do()
            yield item

    def progress(self, item):
        return self._source.progress(item)


def items_of(catalog, blobs, job_id):
    """The items of each shard, as a worker reads them."""
    shards = catalog.shards.following(job_id, 0, 1000)
    found = [read_items(blobs, shard.id) for shard in shards]
    for shard, items in zip(shards, found, strict=True):
        lines = [item.line for item in items]
        assert shard.lines[:3] == (len(items), lines[0], lines[-1])
    return [[item.url for item in items] for items in found]


def groups(number):
    """The URLs of a list of so many, as they are cut."""
    rest, cuts = [f"http://a/{at}" for at in range(number)], []
    while rest:
        size = (*SIZES, *[MOST] * number)[len(cuts)]
        cuts.append(rest[:size])
        rest = rest[size:]
    return cuts


def test_the_first_shards_of_a_list_are_small(monkeypatch):
    monkeypatch.undo()
    assert [size_of(number, 2000, math.inf) for number in (0, 31, 32, 95, 96, 10**6)] == [
        125, 125, 500, 500, 2000, 2000,
    ]  # fmt: skip
    assert {size_of(number, 1, math.inf) for number in (0, 50, 100)} == {1}
    assert [size_of(number, 300, math.inf) for number in (0, 50, 100)] == [125, 300, 300]


def test_the_last_shards_of_a_list_are_small(monkeypatch):
    monkeypatch.undo()
    lefts = (1e9, 36_001, 36_000, 4_001, 4_000, 1)
    assert [size_of(100, 2000, left) for left in lefts] == [2000, 2000, 500, 500, 125, 125]
    assert [size_of(100, 300, left) for left in lefts] == [300, 300, 300, 300, 125, 125]
    assert [size_of(0, 2000, left) for left in lefts] == [125] * 6


def ending(tmp_path, name="urls.txt"):
    """A list of 60 lines of the same length."""
    path = tmp_path / name
    path.write_text("".join(f"http://a/{at:02}\n" for at in range(60)))
    return path


def sizes_of(catalog, blobs, job_id):
    return [len(items) for items in items_of(catalog, blobs, job_id)]


@pytest.fixture
def decline(monkeypatch):
    monkeypatch.setattr(planning, "_DECLINE", ((9, 1), (30, 3)))


@pytest.mark.usefixtures("decline")
def test_where_the_list_ends_is_told_by_its_bytes(tmp_path, catalog, blobs, job_id):
    cut(catalog, blobs, job_id, source_of(ending(tmp_path)))
    # With 30 left 3 in each, with 9 left 1; a place is that of a line's beginning, so that the
    # guess is a line too many, or two.
    expected = [*SIZES, *[4] * 5, *[3] * 7, *[1] * 6]
    assert sum(expected) == 60
    assert sizes_of(catalog, blobs, job_id) == expected


@pytest.mark.usefixtures("decline")
def test_a_cut_that_is_gone_on_with_knows_the_end(tmp_path, catalog, blobs, job_id):
    source = source_of(ending(tmp_path))
    cut(catalog, blobs, job_id, source)
    whole = [shard.lines for shard in catalog.shards.following(job_id, 0, 100)]
    catalog.shards.drop(job_id)
    plan(catalog.shards, job_id, OWNER, whole[:-2], complete=False)
    cut(catalog, blobs, job_id, source)
    assert [shard.lines for shard in catalog.shards.following(job_id, 0, 100)] == whole


@pytest.mark.usefixtures("decline")
def test_a_list_whose_end_is_not_known_is_cut_as_from_its_middle(
    tmp_path, catalog, blobs, job_id, monkeypatch
):
    source = source_of(ending(tmp_path))
    monkeypatch.setattr(source, "progress", lambda _: None)
    cut(catalog, blobs, job_id, source)
    assert sizes_of(catalog, blobs, job_id) == [2, 2, 3, 3, 3, *[4] * 11, 3]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 13, 14, 30])
def test_a_list_is_cut_into_all_its_items_in_order(tmp_path, catalog, blobs, job_id, number):
    cut(catalog, blobs, job_id, source_of(urls(tmp_path, number)))
    assert items_of(catalog, blobs, job_id) == groups(number)
    plan = catalog.shards.planned(job_id)
    assert (plan.shards, plan.complete) == (len(groups(number)), True)
    assert catalog.jobs.find(job_id).shards == plan.shards
    assert len(list(blobs.all(f"shards/{job_id}"))) == plan.shards


@pytest.mark.usefixtures("at_once")
def test_it_is_told_of_while_it_is_cut(tmp_path, catalog, blobs, job_id):
    seen = []
    source = Half(
        source_of(urls(tmp_path, 14)), 13, lambda: seen.append(catalog.shards.planned(job_id))
    )
    cut(catalog, blobs, job_id, source)
    assert [plan.shards for plan in seen] == [5]
    assert not seen[0].complete
    assert items_of(catalog, blobs, job_id) == groups(14)


@pytest.mark.parametrize("shards", range(9))
def test_it_goes_on_behind_every_shard(tmp_path, catalog, blobs, job_id, shards):
    """Over two inputs, one of which ends within a shard."""
    source = source_of(urls(tmp_path, 5, "a.txt"), urls(tmp_path, 19, "b.txt"))
    cut(catalog, blobs, job_id, source)
    expected = items_of(catalog, blobs, job_id)
    whole = [shard.lines for shard in catalog.shards.following(job_id, 0, 100)]
    assert len(whole) == 8
    assert sum(map(len, expected)) == 24
    # As it stands after a kill there: what was cut and not told of is written over.
    catalog.shards.drop(job_id)
    assert plan(catalog.shards, job_id, OWNER, whole[:shards], complete=False)
    for number in range(shards, 8):
        blobs.put(f"shards/{job_id}/{number:07}.jsonl.gz", b"half")
    cut(catalog, blobs, job_id, source)
    assert items_of(catalog, blobs, job_id) == expected
    assert [shard.lines for shard in catalog.shards.following(job_id, 0, 100)] == whole
    assert catalog.shards.planned(job_id) == Plan(8, whole[-1], True)


def test_what_is_cut_already_is_not_even_read(tmp_path, catalog, blobs, job_id):
    shard = NewShard(1, 1, 1, (0, 0))
    plan(catalog.shards, job_id, OWNER, [shard], complete=True)
    source = Half(source_of(urls(tmp_path, 1)), 0, lambda: pytest.fail("it was read"))
    cut(catalog, blobs, job_id, source)
    assert catalog.shards.planned(job_id) == Plan(1, shard, True)
    assert list(blobs.all("shards")) == []


@pytest.mark.usefixtures("at_once")
def test_an_error_of_the_source_is_raised_where_the_job_is_waited_for(
    tmp_path, catalog, blobs, job_id
):
    def fail():
        raise InputError("the list can not be read any more")

    with pytest.raises(InputError, match="any more"):
        cut(catalog, blobs, job_id, Half(source_of(urls(tmp_path, 14)), 5, fail))
    assert not catalog.shards.planned(job_id).complete
    cut(catalog, blobs, job_id, source_of(urls(tmp_path, 14)))  # it goes on afterwards
    assert items_of(catalog, blobs, job_id) == groups(14)


def test_where_it_is_stopped_the_list_does_not_count_as_cut(tmp_path, catalog, blobs, job_id):
    reached, go_on = threading.Event(), threading.Event()

    def wait():
        reached.set()
        assert go_on.wait(30)

    source = Half(source_of(urls(tmp_path, 14)), 13, wait)
    planner = Planner(catalog.shards, blobs, source, Cut(job_id, OWNER, MOST))
    with planner:
        assert reached.wait(30)
        planner._stopped = True  # as its end sets it, which then waits for the thread
        go_on.set()
    planner.check()
    assert not catalog.shards.planned(job_id).complete
    cut(catalog, blobs, job_id, source_of(urls(tmp_path, 14)))
    assert items_of(catalog, blobs, job_id) == groups(14)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("when", [0, 5, 13])
def test_who_lost_the_job_cuts_nothing_more(tmp_path, catalog, blobs, job_id, when):
    source = Half(source_of(urls(tmp_path, 14)), when, lambda: catalog.jobs.move(job_id, "cancel"))
    cut(catalog, blobs, job_id, source)
    plan = catalog.shards.planned(job_id)
    assert (plan.shards, plan.complete) == ({0: 0, 5: 2, 13: 5}[when], False)


def test_a_job_cut_with_other_sizes_goes_on_where_it_was(tmp_path, catalog, blobs, job_id):
    source = source_of(urls(tmp_path, 30))
    cut(catalog, blobs, job_id, source)
    whole = [shard.lines for shard in catalog.shards.following(job_id, 0, 100)]
    catalog.shards.drop(job_id)
    plan(catalog.shards, job_id, OWNER, whole[:6], complete=False)
    cut(catalog, blobs, job_id, source, most=1)
    found = items_of(catalog, blobs, job_id)
    assert list(chain(*found)) == list(chain(*groups(30)))
    assert [len(items) for items in found[6:]] == [1] * 13
