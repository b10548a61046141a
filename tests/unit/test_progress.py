"""Counters and the rates that follow from them."""

from collections import Counter

import pytest

from pixmill.batch.progress import Progress
from pixmill.record import Analysis, Color, Failure, Record


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def good(size=100):
    color = Color((0, 0, 0), "#000000", 1, 1.0)
    return Record(1, "http://a/", Analysis((color,), 1, 1, 1, "png", size))


def bad(code="timeout"):
    return Record(1, "http://a/", failure=Failure(code, "words"))


def test_records_are_counted_by_outcome(clock):
    progress = Progress(clock)
    for record in (good(100), bad(), good(20), bad("http_error"), bad()):
        progress.add(record)
    assert (progress.ok, progress.images, progress.bytes) == (2, 5, 120)
    assert progress.failed == Counter(timeout=2, http_error=1)


def test_earlier_runs_count_in_the_output_but_not_in_the_rates(clock):
    progress = Progress(clock, ok=1000, failed=Counter(timeout=10))
    progress.add(good(50))
    progress.add(bad())
    clock.now += 4
    assert (progress.ok, progress.failed.total()) == (1001, 11)
    assert (progress.images_per_s, progress.bytes_per_s) == (0.5, 12.5)
    assert progress.elapsed_s == 4


def test_before_time_has_passed_there_is_no_rate(clock):
    progress = Progress(clock)
    progress.add(good())
    assert (progress.images_per_s, progress.bytes_per_s) == (0, 0)


@pytest.mark.parametrize(
    ("first", "share", "left_s"),
    [
        (0.0, 0.25, 30),
        (0.0, 1.0, 0),
        (0.5, 0.75, 10),  # half was done by an earlier run
        (0.0, None, None),
        (0.0, 0.0, None),
        (0.5, 0.5, None),
        (0.5, 0.4, None),
    ],
)
def test_the_time_left_follows_from_what_this_process_did(clock, first, share, left_s):
    progress = Progress(clock, first_share=first, share=share)
    clock.now += 10
    assert progress.left_s == left_s
