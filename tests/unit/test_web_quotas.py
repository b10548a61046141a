"""How often somebody may ask, who counts as one, and what the refusal says."""

from __future__ import annotations

import threading

import pytest

from pixmill.settings import Settings
from pixmill.web.errors import ApiError
from pixmill.web.quotas import Quota, Quotas, Window, household


def quotas(**rates):
    return Quotas(Settings(**rates))


def test_each_has_as_many_as_the_setting_says():
    found = quotas(key_rate=3, address_rate=2)
    assert [found.spend("key", "a").remaining for _ in range(3)] == [2, 1, 0]
    assert [found.spend("address", "a").remaining for _ in range(2)] == [1, 0]
    for kind, limit in (("key", 3), ("address", 2)):
        with pytest.raises(ApiError) as caught:
            found.spend(kind, "a")
        error = caught.value
        assert (error.status, error.code) == (429, "too_many_requests")
        assert error.errors == (f"More than {limit} requests a minute",)
        assert error.headers["RateLimit-Limit"] == str(limit)
        assert error.headers["RateLimit-Remaining"] == "0"
        assert 1 <= int(error.headers["Retry-After"]) <= 60
        assert error.headers["RateLimit-Reset"] == error.headers["Retry-After"]
        assert found.spend(kind, "b").remaining == limit - 1


class Clock:
    """A clock that is set by hand; it begins with a minute."""

    def __init__(self):
        self.now = 60.0 * 1000

    def __call__(self):
        return self.now


def spent(window, count, who="a"):
    return [window.spend(who)[0] for _ in range(count)]


def test_the_turn_of_a_minute_gives_no_second_quota():
    clock = Clock()
    window = Window(10, clock)
    clock.now += 59
    assert sum(spent(window, 20)) == 10
    clock.now += 2  # a second into the next minute: of ten, 9.83 still count
    assert sum(spent(window, 20)) == 1
    clock.now += 29  # half of the ten, and the one
    assert sum(spent(window, 20)) == 4
    clock.now += 120
    assert sum(spent(window, 20)) == 10


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("pace", [0.1, 0.7, 3.0, 31.0])
def test_who_comes_back_when_told_gets_through_and_not_a_second_earlier(limit, pace):
    clock = Clock()
    window = Window(limit, clock)
    refused = 0
    for _ in range(400):
        clock.now += pace
        allowed, quota = window.spend("a")
        if not allowed:
            refused += 1
            assert quota.remaining == 0
            clock.now += quota.reset_s - 1.001
            assert not window.spend("a")[0]
            clock.now += 1.001
            assert window.spend("a")[0]
    assert refused or 60 / pace < limit * 2


def test_more_is_left_when_told():
    clock = Clock()
    window = Window(10, clock)
    clock.now += 50
    spent(window, 7)
    clock.now += 13
    _, before = window.spend("a")
    clock.now += before.reset_s
    _, after = window.spend("a")
    assert after.remaining == before.remaining  # one came back, one was spent


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("pixmill.web.quotas._MOST_COUNTED", 3)
    window = Window(1, Clock())
    assert all(window.spend(who)[0] for who in "abcd")
    assert not window.spend("d")[0]
    assert window.spend("a")[0]  # the first was forgotten


def test_threads_spend_no_more_than_there_is():
    window = Window(1000, Clock())
    allowed = []
    threads = [threading.Thread(target=lambda: allowed.extend(spent(window, 500))) for _ in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1000


def test_failed_sign_ins_are_counted_apart():
    found = quotas(sign_in_rate=2, address_rate=1)
    for _ in range(2):
        found.failed_sign_in("192.0.2.1")
    with pytest.raises(ApiError) as caught:
        found.failed_sign_in("192.0.2.1")
    assert caught.value.errors == ("More than 2 failed sign-ins a minute",)
    found.failed_sign_in("192.0.2.2")
    found.spend("address", "192.0.2.1")


def test_a_network_of_one_customer_is_counted_as_one():
    found = quotas(address_rate=2)
    for address in ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"):
        found.spend("address", address)
    with pytest.raises(ApiError):
        found.spend("address", "2001:db8:0:1::3")
    found.spend("address", "2001:db8:0:2::1")
    assert household("unknown") == "unknown"
    assert household("192.0.2.7") == "192.0.2.7"


def test_headers_are_whole_numbers():
    assert Quota(10, 4, 30).headers() == {
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": "4",
        "RateLimit-Reset": "30",
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:DB8::1", "2001:db8:0:0::2"),
    ],
)
def test_these_are_one(one, other):
    assert household(one) == household(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("::1", "::ffff:127.0.0.1"),
        ("unknown", "127.0.0.1"),
    ],
)
def test_these_are_two(one, other):
    assert household(one) != household(other)
