"""Kept answers: for as long as HTTP allows, within a bound in bytes, the oldest use goes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.analysis import Wanted
from pixmill.web.answers import Answers

A_DAY = {"cache-control": "max-age=86400"}
ETAG = {"etag": '"one"'}
TOP, MEAN = Wanted(n=3), Wanted(n=0, summarizer="mean")
ENTRY_BYTES = 400


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def answers(clock):
    return Answers(100_000, clock)


def test_an_answer_is_kept_for_its_content_and_what_was_wanted(answers):
    answers.keep(b"content", TOP, b"packed", 6)
    assert answers.find(b"content", TOP) == b"packed"
    assert answers.find(b"content", MEAN) is None
    assert answers.find(b"another", TOP) is None


def test_a_url_is_fresh_for_as_long_as_its_answer_said(answers, clock):
    answers.remember("http://a/", b"content", A_DAY)
    known = answers.known("http://a/")
    assert (known.content, known.validators) == (b"content", {})
    assert answers.is_fresh(known)
    clock.now += 86_400
    assert not answers.is_fresh(known)


def test_validators_are_kept_to_be_sent_back(answers):
    modified = "Sat, 21 Nov 2026 10:00:00 GMT"
    answers.remember("http://a/", b"c", {**ETAG, "last-modified": modified})
    known = answers.known("http://a/")
    assert known.validators == {"If-None-Match": '"one"', "If-Modified-Since": modified}
    assert not answers.is_fresh(known)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"etag": ""},
        {"cache-control": "max-age=0"},
        {**ETAG, **A_DAY, "cache-control": "no-store, max-age=60"},
        {**ETAG, **A_DAY, "vary": "*"},
        {"etag": '"\xff"'},
        {"etag": '"a\r\nX-Evil: 1"'},
        {"last-modified": "a\x00b"},
    ],
)
def test_what_can_not_be_used_again_is_not_known_and_forgets_what_was(answers, headers):
    answers.remember("http://a/", b"before", A_DAY)
    answers.remember("http://a/", b"content", headers)
    assert answers.known("http://a/") is None


def test_304_renews_what_it_names_and_leaves_the_rest(answers, clock):
    answers.remember("http://a/", b"content", ETAG)
    known = answers.known("http://a/")
    answers.confirm("http://a/", known, A_DAY)
    renewed = answers.known("http://a/")
    assert (renewed.content, renewed.validators) == (b"content", {"If-None-Match": '"one"'})
    assert answers.is_fresh(renewed)
    answers.confirm("http://a/", renewed, {"etag": '"two"'})
    assert answers.known("http://a/").validators == {"If-None-Match": '"two"'}
    answers.confirm("http://a/", renewed, {"cache-control": "no-store"})
    assert answers.known("http://a/") is None


def test_a_url_may_be_forgotten_whether_it_was_known_or_not(answers):
    answers.remember("http://a/", b"content", A_DAY)
    answers.forget("http://a/")
    answers.forget("http://a/")
    assert answers.known("http://a/") is None


def test_what_was_not_asked_for_longest_goes_first(clock):
    answers = Answers(3 * (ENTRY_BYTES + 10), clock)
    for name in (b"1", b"2", b"3"):
        answers.keep(name, TOP, bytes(10), 10)
    assert answers.find(b"1", TOP) is not None
    answers.keep(b"4", TOP, bytes(10), 10)
    kept = [name for name in (b"1", b"2", b"3", b"4") if answers.find(name, TOP)]
    assert kept == [b"1", b"3", b"4"]


def test_what_is_larger_than_all_room_moves_nobody(clock):
    answers = Answers(1000, clock)
    answers.keep(b"small", TOP, b"x", 1)
    answers.keep(b"large", TOP, bytes(601), 601)
    assert answers.find(b"small", TOP) == b"x"
    assert answers.find(b"large", TOP) is None
    answers.keep(b"small", TOP, bytes(601), 601)
    assert answers.find(b"small", TOP) is None  # rather than what it was before


def test_with_no_room_nothing_is_kept(clock):
    answers = Answers(0, clock)
    answers.keep(b"content", TOP, b"", 0)
    answers.remember("http://a/", b"content", A_DAY)
    assert answers.find(b"content", TOP) is None
    assert answers.known("http://a/") is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), st.integers(0, 9), st.integers(0, 900)),
        st.tuples(st.just("remember"), st.integers(0, 9), st.integers(0, 900)),
        st.tuples(st.just("find"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("forget"), st.integers(0, 9), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_bound_holds_whatever_happens(steps):
    """What is held, recounted, is what the account says, and never over the bound."""
    answers = Answers(3000, lambda: 1_800_000_000.0)
    for what, number, size in steps:
        url = f"http://{number}/"
        if what == "keep":
            answers.keep(bytes([number]), TOP, bytes(size), size)
        elif what == "remember":
            answers.remember(url, b"c", {"etag": "x" * size, **A_DAY})
        elif what == "find":
            answers.find(bytes([number]), TOP)
            answers.known(url)
        else:
            answers.forget(url)
        held = sum(size for size, _ in answers._kept.values())
        assert held == answers._bytes <= 3000
