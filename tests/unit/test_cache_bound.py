"""The file of results is bounded in bytes: the oldest go, also those of another run."""

from pixmill.batch.cache import ResultCache
from tests.unit.kept import ENOUGH, URL, VALIDATED, WANTED, Clock, kept

BOUND = 256 * 2**10
HEADERS = {"cache-control": "max-age=60"}
MANY = 2000  # several times what the bound leaves room for


def opened(folder, max_bytes=BOUND):
    return ResultCache.open(folder, WANTED, max_bytes, Clock())


def url(number):
    return f"http://a/{'u' * 200}/{number}"


def store(cache, numbers):
    for number in numbers:
        cache.store(url(number), kept(number), HEADERS)


def found(cache):
    return [number for number in range(MANY) if cache.find(url(number))]


def size(folder):
    return (folder / "results.sqlite").stat().st_size


def test_the_file_stays_within_its_bound_and_the_youngest_stay_in_it(tmp_path):
    with opened(tmp_path) as cache:
        store(cache, range(MANY))
        left = found(cache)
    assert left == list(range(left[0], MANY))
    assert 100 < len(left) < MANY // 2
    assert BOUND // 2 < size(tmp_path) <= BOUND + 2**14, "a few pages for the last write"


def test_what_is_stored_again_or_confirmed_is_young_again(tmp_path):
    with opened(tmp_path) as cache:
        cache.store(URL, kept(), VALIDATED)
        cache.store("http://a/2", kept(), HEADERS)
        for start in range(0, MANY, 50):
            store(cache, range(start, start + 50))
            cache.refresh(URL, HEADERS)
            cache.store("http://a/2", kept(start), HEADERS)
        assert cache.find(URL).fresh
        assert cache.find("http://a/2").result == kept(start)
        assert not cache.find(url(0))


def test_a_file_past_the_bound_is_cut_when_it_is_opened(tmp_path):
    with opened(tmp_path, ENOUGH) as cache:
        store(cache, range(MANY))
        assert found(cache) == list(range(MANY))
    assert size(tmp_path) > 2 * BOUND
    with opened(tmp_path) as cache:
        left = found(cache)
    assert left == list(range(left[0], MANY))
    assert len(left) > 100
    assert size(tmp_path) <= BOUND


def test_a_bound_that_leaves_no_room_keeps_nothing(tmp_path):
    with opened(tmp_path, 1) as cache:
        store(cache, range(3))
        assert found(cache) == []


def test_a_result_larger_than_the_bound_harms_no_run(tmp_path):
    with opened(tmp_path) as cache:
        cache.store("http://a/" + "x" * 2 * BOUND, kept(), HEADERS)
        store(cache, range(3))
        assert found(cache) == [0, 1, 2]


def test_two_runs_share_the_bound(tmp_path):
    with opened(tmp_path) as one, opened(tmp_path) as other:
        for number in range(MANY):
            store(other if number % 3 else one, [number])
        assert found(one) == found(other)
        assert 100 < len(found(one)) < MANY // 2
    assert size(tmp_path) <= BOUND + 2**14
