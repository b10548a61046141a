"""Results are kept under HTTP's rules, and a file that can not be trusted is refused."""

import multiprocessing
import pickle
import resource
import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from pixmill.analysis import PACKED_FORM, Wanted, pack
from pixmill.batch.cache import Result, ResultCache
from pixmill.batch.freshness import is_storable, lifetime_s
from pixmill.errors import OutputError
from pixmill.record import Analysis, Color

NOW = 1_800_000_000.0
URL = "http://a/1.jpg"
WANTED = Wanted(n=1)
VALIDATED = {"etag": '"v1"', "last-modified": "Mon, 04 Jan 2027 10:00:00 GMT"}


def kept(count=4, n=1):
    color = Color((1, 2, 3), "#010203", count, 1.0)
    packed = pack(Analysis((color,) * n, count, 2, 2, "png", 70, "0" * 32))
    return Result(packed, 200, 1)


class Harm:
    """Pickled, it creates a file in the current directory when it is loaded."""

    def __reduce__(self):
        return open, ("harmed", "w")


def http_date(unix_time):
    return format_datetime(datetime.fromtimestamp(unix_time, UTC), usegmt=True)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(tmp_path, clock):
    with ResultCache.open(tmp_path, WANTED, clock) as cache:
        yield cache


# Freshness


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 0),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "MAX-AGE=60"}, 60),
        ({"cache-control": 'max-age="60"'}, 60),
        ({"cache-control": "max-age = 60"}, 60),
        ({"cache-control": "public, max-age=60, must-revalidate"}, 60),
        ({"cache-control": "private, max-age=60"}, 60),  # this cache is private
        ({"cache-control": "s-maxage=600, max-age=60"}, 60),  # and not shared
        ({"cache-control": "s-maxage=600"}, 0),
        ({"cache-control": "max-age=60, max-age=600"}, 60),
        ({"cache-control": "max-age=-1"}, 0),
        ({"cache-control": "max-age=soon"}, 0),
        ({"cache-control": "max-age"}, 0),
        ({"cache-control": "max-age=\N{SUPERSCRIPT TWO}"}, 0),
        ({"cache-control": "max-age=" + "9" * 5000}, 2**31),
        ({"cache-control": "x-max-age=60"}, 0),
        ({"cache-control": 'ext="no-cache, no-store", max-age=60'}, 60),
        ({"cache-control": "no-cache, max-age=60"}, 0),
        ({"cache-control": 'no-cache="set-cookie", max-age=60'}, 0),
        ({"cache-control": "No-Store, max-age=60"}, 0),
        ({"cache-control": "max-age=60", "age": "25"}, 35),
        ({"cache-control": "max-age=60", "age": "25, 1"}, 35),
        ({"cache-control": "max-age=60", "age": "90"}, -30),
        ({"cache-control": "max-age=60", "age": "old"}, 60),
        ({"cache-control": "max-age=60", "date": http_date(NOW - 20)}, 40),
        ({"cache-control": "max-age=60", "date": http_date(NOW - 20), "age": "30"}, 30),
        ({"cache-control": "max-age=60", "date": http_date(NOW + 500)}, 60),  # its clock is ahead
        ({"cache-control": "max-age=60", "expires": http_date(NOW + 900)}, 60),
        ({"expires": http_date(NOW + 90), "date": http_date(NOW)}, 90),
        ({"expires": http_date(NOW + 90)}, 90),
        ({"expires": http_date(NOW + 90), "date": http_date(NOW - 10)}, 90),
        ({"expires": http_date(NOW + 90), "date": http_date(NOW), "age": "40"}, 50),
        ({"expires": http_date(NOW - 90), "date": http_date(NOW)}, -90),
        ({"expires": "0"}, 0),
        ({"expires": "-1", "date": http_date(NOW)}, 0),
        ({"expires": "Fri, 99 Foo 12345678901 00:00:00 GMT"}, 0),
        ({"expires": "Fri, 01 Jan 2027 00:00:00 +99999999999"}, 0),
        ({"expires": http_date(NOW + 90), "date": "today"}, 90),
        ({"cache-control": "max-age=60", "vary": "Accept-Encoding"}, 60),
        ({"cache-control": "max-age=60", "vary": "Accept, USER-AGENT"}, 0),
    ],
)
def test_how_long_an_answer_is_fresh(headers, expected):
    assert lifetime_s(headers, NOW) == expected


def test_a_date_without_a_zone_is_in_utc_whatever_the_local_time(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        dated = datetime.fromtimestamp(NOW + 90, UTC).strftime("%a %b %d %H:%M:%S %Y")
        assert lifetime_s({"expires": dated}, NOW) == 90
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, True),
        ({"cache-control": "no-cache"}, True),
        ({"cache-control": "max-age=9, NO-STORE"}, False),
        ({"cache-control": 'ext="no-store"'}, True),
        ({"vary": "*"}, False),
        ({"vary": "Accept, *"}, False),
        ({"vary": "Accept"}, True),
    ],
)
def test_what_may_be_kept_at_all(headers, expected):
    assert is_storable(headers) is expected


# Keeping


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
    with ResultCache.open(tmp_path, other, clock) as second:
        assert second.find(URL) is None
        second.store(URL, kept(8, other.n), {"cache-control": "max-age=60"})
        assert second.find(URL).result == kept(8, other.n)
    assert cache.find(URL).result == kept()


def test_results_outlive_the_run(tmp_path, clock):
    folder = tmp_path / "not" / "there yet"
    with ResultCache.open(folder, WANTED, clock) as cache:
        cache.store(URL, kept(), {"cache-control": "max-age=60"})
    with ResultCache.open(folder, WANTED, clock) as cache:
        assert cache.find(URL).fresh


# Two runs


_TURNS = 5


def _write_many(folder, barrier, name):
    for turn in range(_TURNS):  # opening a new file at once is where runs could disturb each other
        barrier.wait(60)
        with ResultCache.open(folder / str(turn), WANTED, Clock()) as cache:
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
        with ResultCache.open(tmp_path / str(turn), WANTED, Clock()) as cache:
            assert all(cache.find(f"http://{name}/{n}") for name in "abcd" for n in range(50))
            assert cache.find(URL).fresh


# Files that can not be used


def _alter(folder, statement, *values):
    with closing(sqlite3.connect(folder / "results.sqlite")) as database:
        database.execute(statement, values)
        database.commit()


def _is_refused(folder, words="can not be used"):
    with (
        pytest.raises(OutputError, match=words) as refusal,
        ResultCache.open(folder, WANTED, Clock()) as cache,
    ):
        cache.find(URL)
    assert str(folder) in str(refusal.value)
    assert "--cache" in str(refusal.value), "it says what to do"
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "results.sqlite"
    file.write_bytes(b"my precious notes " * 1000)
    _is_refused(tmp_path)
    assert file.read_bytes() == b"my precious notes " * 1000


@pytest.mark.parametrize("table", ["notes (text)", "results (url, wanted, packed)"])
def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path, table):
    _alter(tmp_path, f"CREATE TABLE {table}")
    before = (tmp_path / "results.sqlite").read_bytes()
    _is_refused(tmp_path, "was not made by pixmill")
    assert (tmp_path / "results.sqlite").read_bytes() == before


def test_a_damaged_database_is_refused(tmp_path):
    with ResultCache.open(tmp_path, WANTED, Clock()) as cache:
        for number in range(500):
            cache.store(f"http://a/{number}", kept(), VALIDATED)
    file = tmp_path / "results.sqlite"
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    file.write_bytes(data)
    _is_refused(tmp_path)


def test_a_folder_that_can_not_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    _is_refused(tmp_path / "file" / "cache")
    _is_refused(tmp_path / "file")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "results.sqlite").mkdir()
    _is_refused(tmp_path)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        kept().packed[:20],
        kept().packed[:-4],
        bytes([PACKED_FORM + 1]) + kept().packed[1:],
        pickle.dumps(Harm()),
        kept(n=2).packed,
        "text",
        None,
    ],
    ids=["empty", "head", "cut", "form", "pickle", "more colors", "no bytes", "no time"],
)
def test_results_that_were_altered_are_refused_and_never_run(tmp_path, monkeypatch, blob):
    monkeypatch.chdir(tmp_path)
    with ResultCache.open(tmp_path, WANTED, Clock()) as cache:
        cache.store(URL, kept(), {"cache-control": "max-age=60"})
    if blob is None:
        _alter(tmp_path, "UPDATE results SET fresh_until = 'later'")
    else:
        _alter(tmp_path, "UPDATE results SET packed = ?", blob)
    _is_refused(tmp_path)
    assert not (tmp_path / "harmed").exists()


def test_validators_that_were_altered_never_become_headers(tmp_path):
    with ResultCache.open(tmp_path, WANTED, Clock()) as cache:
        cache.store(URL, kept(), VALIDATED)
    _alter(tmp_path, "UPDATE results SET etag = ?, last_modified = ?", 'x"\r\nHost: b', b"\xff\xfe")
    with ResultCache.open(tmp_path, WANTED, Clock()) as cache:
        assert cache.find(URL) is None


def test_results_of_another_form_are_not_found(tmp_path):
    with ResultCache.open(tmp_path, WANTED, Clock()) as cache:
        cache.store(URL, kept(), VALIDATED)
        _alter(
            tmp_path,
            "UPDATE results SET wanted = ?, packed = ?",
            f"{PACKED_FORM + 1} 1 visible True",
            b"of another form",
        )
        assert cache.find(URL) is None


@contextmanager
def files_may_not_grow():
    """Stands for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path):
    with ResultCache.open(tmp_path, WANTED, Clock()) as cache:
        cache.store(URL, kept(), VALIDATED)
        before = cache.find(URL)
        with files_may_not_grow(), pytest.raises(OutputError, match="can not be used"):
            cache.store("http://a/" + "x" * 20_000, kept(), VALIDATED)
        with files_may_not_grow(), pytest.raises(OutputError, match="can not be used"):
            cache.refresh(URL, {"etag": '"' + "x" * 20_000 + '"'})
        assert cache.find(URL) == before
