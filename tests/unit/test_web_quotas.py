"""How often somebody may ask, who counts as one, and what the refusal says."""

from __future__ import annotations

import pytest

from pixmill.settings import Settings
from pixmill.web.errors import ApiError
from pixmill.web.quotas import Quota, Quotas, household


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
