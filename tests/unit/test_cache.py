"""Results are kept under HTTP's rules, also by several runs at once."""

import multiprocessing

import pytest

from pixmill.analysis import Wanted
from pixmill.batch.cache import ResultCache
from tests.unit.kept import ENOUGH, URL, VALIDATED, WANTED, Clock, kept


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(tmp_path, clock):
    with ResultCache.open(tmp_path, WANTED, ENOUGH, clock) as cache:
        yield cache


def test_a_fresh_result_is_used_without_asking(cache, clock):
    cache.store(URL, kept(), {"cache-control": "max-age=60"})
    clock.now += 59.5
    assert cache.find(URL) == (kept(), True, {})


def test_a_stale_result_without_validators_is_as_if_not_kept(cache, clock):
    cache.store(URL, kept(), {"cache-control": "max-age=60"})
    clock.now += 60
    assert cache.find(URL) is None


def test_a_stale_result_is_asked_for_again_by_its_validators(cache, clock):
    cache.store(URL, kept(), {"cache-control": "max-age=60", **VALIDATED})
    clock.now += 60
    known = cache.find(URL)
    assert (known.result, known.fresh) == (kept(), False)
    assert known.validators == {
        "If-None-Match": '"v1"',
        "If-Modified-Since": "Mon, 04 Jan 2027 10:00:00 GMT",
    }


@pytest.mark.parametrize("name", ["etag", "last-modified"])
def test_one_validator_alone_is_enough_to_keep_a_stale_result(cache, name):
    cache.store(URL, kept(), {name: VALIDATED[name], "cache-control": "no-cache"})
    known = cache.find(URL)
    assert not known.fresh
    assert list(known.validators.values()) == [VALIDATED[name]]


@pytest.mark.parametrize(
    "headers",
    [
        {"cache-control": "no-store, max-age=60", **VALIDATED},
        {"vary": "*", "cache-control": "max-age=60", **VALIDATED},
        {},
    ],
)
def test_an_answer_that_may_not_be_kept_takes_the_older_one_along(cache, headers):
    cache.store(URL, kept(), {"cache-control": "max-age=60"})
    cache.store(URL, kept(5), headers)
    assert cache.find(URL) is None


def test_a_304_renews_freshness_and_keeps_validators_it_does_not_name(cache, clock):
    cache.store(URL, kept(), {"cache-control": "max-age=60", **VALIDATED})
    clock.now += 100
    cache.refresh(URL, {"cache-control": "max-age=30", "etag": '"v2"'})
    assert cache.find(URL).fresh
    clock.now += 30
    known = cache.find(URL)
    assert not known.fresh
    assert known.validators == {
        "If-None-Match": '"v2"',
        "If-Modified-Since": VALIDATED["last-modified"],
    }


def test_a_304_that_forbids_keeping_ends_it(cache):
    cache.store(URL, kept(), VALIDATED)
    cache.refresh(URL, {"cache-control": "no-store"})
    assert cache.find(URL) is None


def test_a_304_for_what_another_run_removed_keeps_nothing(cache):
    cache.refresh(URL, {"cache-control": "max-age=30"})
    assert cache.find(URL) is None


@pytest.mark.parametrize("etag", ["\udcff", "é", 'a\r\nHost: "b"', "\x1b[2J"])
def test_a_validator_that_no_request_can_carry_is_dropped(cache, clock, etag):
    cache.store(URL, kept(), {"cache-control": "max-age=60", "etag": etag})
    assert cache.find(URL) == (kept(), True, {})
    cache.refresh(URL, {"cache-control": "max-age=60", "etag": etag})
    assert cache.find(URL) == (kept(), True, {})


@pytest.mark.parametrize("url", ["http://a/\ud800", "http://a/\x00", "", "\N{SNOWMAN}" * 10_000])
def test_any_text_may_be_asked_for(cache, url):
    assert cache.find(url) is None
    cache.store(url, kept(), {"cache-control": "max-age=60"})
    assert cache.find(url).result == kept()
    assert cache.find(url + "x") is None


@pytest.mark.parametrize(
    "other", [Wanted(n=2), Wanted(n=1, alpha="ignore"), Wanted(n=1, md5=False)]
)
def test_results_of_other_wishes_are_not_mixed_up(tmp_path, cache, clock, other):
    cache.store(URL, kept(), {"cache-control": "max-age=60"})
    with ResultCache.open(tmp_path, other, ENOUGH, clock) as second:
        assert second.find(URL) is None
        second.store(URL, kept(8, other.n), {"cache-control": "max-age=60"})
        assert second.find(URL).result == kept(8, other.n)
    assert cache.find(URL).result == kept()


def test_results_outlive_the_run(tmp_path, clock):
    folder = tmp_path / "not" / "there yet"
    with ResultCache.open(folder, WANTED, ENOUGH, clock) as cache:
        cache.store(URL, kept(), {"cache-control": "max-age=60"})
    with ResultCache.open(folder, WANTED, ENOUGH, clock) as cache:
        assert cache.find(URL).fresh


_TURNS = 5


def _write_many(folder, barrier, name):
    for turn in range(_TURNS):  # opening a new file at once is where runs could disturb each other
        barrier.wait(60)
        with ResultCache.open(folder / str(turn), WANTED, ENOUGH, Clock()) as cache:
            for number in range(50):
                headers = {"cache-control": "max-age=60"}
                cache.store(f"http://{name}/{number}", kept(number), headers)
                cache.store(URL, kept(number), headers)


def test_runs_that_begin_and_write_at_once_do_not_disturb_each_other(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    runs = [context.Process(target=_write_many, args=(tmp_path, barrier, name)) for name in "abcd"]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0] * 4
    for turn in range(_TURNS):
        with ResultCache.open(tmp_path / str(turn), WANTED, ENOUGH, Clock()) as cache:
            assert all(cache.find(f"http://{name}/{n}") for name in "abcd" for n in range(50))
            assert cache.find(URL).fresh
