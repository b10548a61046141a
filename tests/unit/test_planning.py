"""A list is cut into shards: of which sizes, from where it was cut before, and until when."""

from __future__ import annotations

import gzip
import math
import threading
from itertools import accumulate, chain

import pytest

from pixmill.batch.source import OnlyLines, SourceOptions, open_source
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
    planner = Planner(catalog.shards, blobs, source, Cut(job_id, OWNER, most, lambda: None))
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
    lefts = (1e9, 38_000, 37_000, 36_500, 36_000, 4_500, 4_300, 4_125, 4_000, 1)
    sizes = [2000, 2000, 1000, 500, 500, 500, 300, 125, 125, 125]
    assert [size_of(100, 2000, left) for left in lefts] == sizes
    assert [size_of(100, 300, left) for left in lefts] == [min(300, size) for size in sizes]
    assert [size_of(0, 2000, left) for left in lefts] == [125] * 10


def test_a_shard_of_many_lines_leaves_the_end_to_small_ones(monkeypatch):
    monkeypatch.undo()
    assert size_of(100, 65_536, 64_000) == 28_000


def ending(tmp_path, name="urls.txt", number=60):
    """A list of so many lines of the same length."""
    path = tmp_path / name
    opened = gzip.open if name.endswith(".gz") else open
    with opened(path, "wt") as file:
        file.writelines(f"http://a/{at:06}\n" for at in range(number))
    return path


def ends_small(sizes):
    """Tell whether in the last 30 there are 3 in each, and 1 in the last 9, or two more."""
    lasts = list(accumulate(reversed(sizes), initial=0))
    return (
        sum(sizes) == 60
        and sizes[:8] == [*SIZES, 4, 4, 4]
        and all(size == 1 for size, last in zip(reversed(sizes), lasts, strict=False) if last < 7)
        and all(size <= 3 for size, last in zip(reversed(sizes), lasts, strict=False) if last < 28)
    )


def sizes_of(catalog, blobs, job_id):
    return [len(items) for items in items_of(catalog, blobs, job_id)]


@pytest.fixture
def decline(monkeypatch):
    monkeypatch.setattr(planning, "_DECLINE", ((9, 1), (30, 3)))


@pytest.mark.usefixtures("decline")
@pytest.mark.parametrize("name", ["urls.txt", "urls.csv", "urls.jsonl"])
def test_where_a_list_ends_is_told_by_its_bytes(tmp_path, catalog, blobs, job_id, name):
    path = tmp_path / name
    line = {"csv": '"http://a/{:02}"\n', "jsonl": '{{"url": "http://a/{:02}"}}\n'}
    form = line.get(name.partition(".")[2], "http://a/{:02}\n")
    path.write_text("".join(form.format(at) for at in range(60)))
    cut(catalog, blobs, job_id, source_of(path))
    assert ends_small(sizes_of(catalog, blobs, job_id))


@pytest.mark.usefixtures("decline")
def test_where_several_lists_end_is_known(tmp_path, catalog, blobs, job_id):
    cut(catalog, blobs, job_id, source_of(ending(tmp_path, "a", 25), ending(tmp_path, "b", 35)))
    assert ends_small(sizes_of(catalog, blobs, job_id))


def test_where_a_packed_list_ends_is_known(tmp_path, catalog, blobs, job_id):
    """Though it packs so well that what was read of it lies before what was unpacked."""
    cut(catalog, blobs, job_id, source_of(ending(tmp_path, "urls.gz", 100_000)), most=2000)
    sizes = sizes_of(catalog, blobs, job_id)
    assert 10 < sizes.count(2000) < 40
    assert 20 < sizes.count(125) < 50
    assert set(sizes[-20:-1]) == {125}


@pytest.mark.usefixtures("decline")
def test_where_a_retry_ends_is_known(tmp_path, catalog, blobs, job_id):
    """Of which most lines are not done again."""
    source = OnlyLines(source_of(ending(tmp_path, number=6000)), range(100, 6001, 100))
    cut(catalog, blobs, job_id, source)
    assert ends_small(sizes_of(catalog, blobs, job_id))


@pytest.mark.usefixtures("decline")
def test_an_end_that_is_far_makes_few_small_shards(tmp_path, catalog, blobs, job_id, monkeypatch):
    monkeypatch.setattr(planning, "_MOST_SMALL", 5)
    source = source_of(ending(tmp_path))
    monkeypatch.setattr(source, "progress", lambda item: 0.99)
    cut(catalog, blobs, job_id, source)
    assert sizes_of(catalog, blobs, job_id) == [2, 1, 1, 1, 1, 1, *[4] * 13, 1]


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
    planner = Planner(catalog.shards, blobs, source, Cut(job_id, OWNER, MOST, lambda: None))
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
