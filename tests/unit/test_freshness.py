"""How long HTTP lets an answer be used, and whether it may be kept at all."""

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from pixmill.batch.freshness import is_storable, lifetime_s

NOW = 1_800_000_000.0


def http_date(unix_time):
    return format_datetime(datetime.fromtimestamp(unix_time, UTC), usegmt=True)


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
