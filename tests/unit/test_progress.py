"""Counters and the rates that follow from them."""

from collections import Counter
from dataclasses import replace

import pytest

from pixmill.batch.progress import Progress
from pixmill.color.palette import Entry, Palette
from pixmill.matching import Matcher
from pixmill.record import Analysis, Cluster, Color, Failure, Record


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


def test_a_record_whose_match_was_not_found_is_missed_and_one_without_a_match_is_not(clock):
    palette = Palette("one", (Entry("black", (0, 0, 0)),))
    matcher = Matcher(palette, max_distance=0.1)
    progress = Progress(clock, missed=4)
    for rgb in ((0.0, 0.0, 0.0), (255.0, 0.0, 0.0), None):
        clusters = () if rgb is None else (Cluster(rgb, 1.0),)
        progress.add(replace(good(), match=matcher(clusters)))
    progress.add(good())
    progress.add(bad())
    assert (progress.ok, progress.missed, progress.failed.total()) == (4, 6, 1)


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
