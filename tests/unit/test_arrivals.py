"""Rows go through the archive on their way to a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pixmill.errors import OutputError
from pixmill.ingest.arrivals import MOST_ROWS, Arrivals, Sender
from pixmill.ingest.keeper import ArchiveKeeper
from pixmill.record import Analysis, Cluster, Color, Failure, Item, Kept, Record
from pixmill.store.memory import MemoryArchive

RED = Color((255, 0, 0), "#FF0000", 4, 1.0)
GREY = "greys/2026-11-20/1031/{}.png"


@pytest.fixture
def archive():
    return MemoryArchive()


def md5(number):
    return f"{number:032x}"


def image_row(archive, line, number=None, *, sha256=None, put=True):
    """A row of an image that was kept; the same `number` is the same image."""
    number = line if number is None else number
    name = GREY.format(line) if put else None
    if name:
        archive.blobs.put(name, b"grey")
    analysis = Analysis(
        colors=(RED,), pixels=4, width=2, height=2, format="png", bytes=70, md5=md5(number),
        clusters=(Cluster((255.0, 0.0, 0.0), 1.0),),
    )  # fmt: skip
    kept = Kept(sha256 or f"{number:064x}", None, name)
    return Item(line, f"http://a/{line}"), Record(line, f"http://a/{line}", analysis, kept=kept)


def failed_row(line):
    failure = Failure("timeout", "it took too long")
    return Item(line, f"http://a/{line}"), Record(line, f"http://a/{line}", failure=failure)


def counts(archive):
    minutes = archive.minutes(datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
    return tuple(
        sum(getattr(m, name) for m in minutes) for name in ("success", "duplicate", "fail")
    )


def keeping(archive):
    return ArchiveKeeper(archive, originals=True)


def test_rows_pass_in_order_and_each_tells_what_became_of_it(archive):
    rows = [image_row(archive, 1), image_row(archive, 2, 1), failed_row(3), image_row(archive, 4)]
    passed = list(Arrivals(keeping(archive), Sender()).through(rows, "run"))
    assert [item.line for item, _ in passed] == [1, 2, 3, 4]
    assert [record.arrival for _, record in passed] == ["success", "duplicate", None, "success"]
    assert passed[2][1].failure.code == "timeout"
    assert counts(archive) == (2, 1, 1)
    stored = archive.find(md5(1)).image
    assert (stored.width, stored.color, stored.colors) == (2, "#FF0000", (RED,))


def test_a_row_waits_for_no_later_one_when_nothing_comes(archive):
    taken = []

    def rows():
        yield image_row(archive, 1)
        yield None
        taken.append(archive.find(md5(1)) is not None)
        yield image_row(archive, 2)

    passed = list(Arrivals(keeping(archive), Sender()).through(rows(), "run"))
    assert taken == [True]
    assert [row and row[0].line for row in passed] == [1, None, 2]


def test_nothing_is_passed_on_before_the_archive_has_it(archive):
    drawn = []

    def rows():
        for line in range(1, MOST_ROWS + 2):
            drawn.append(line)
            yield failed_row(line)

    stage = Arrivals(keeping(archive), Sender()).through(rows(), "run")
    next(stage)
    assert len(archive.arrivals(1000)) == len(drawn) <= MOST_ROWS


def test_what_comes_again_in_the_same_run_is_told_alike_and_counted_once(archive):
    stage = Arrivals(keeping(archive), Sender())
    first = list(stage.through([image_row(archive, 1), failed_row(2)], "run"))
    again = list(stage.through([image_row(archive, 1), failed_row(2)], "run"))
    other = list(stage.through([image_row(archive, 1, put=False), failed_row(2)], "other run"))
    assert [record.arrival for _, record in again] == [record.arrival for _, record in first]
    assert [record.arrival for _, record in other] == ["duplicate", None]
    assert counts(archive) == (1, 1, 2)


def test_another_file_of_the_same_md5_is_a_failure(archive):
    rows = [image_row(archive, 1), image_row(archive, 2, 1, sha256="f" * 64)]
    _, (_, second) = Arrivals(keeping(archive), Sender()).through(rows, "run")
    assert (second.analysis, second.failure.code) == (None, "md5_collision")
    assert counts(archive) == (1, 0, 1)


def test_what_the_archive_dropped_meanwhile_is_a_failure_that_can_be_tried_again(archive):
    ((_, record),) = Arrivals(keeping(archive), Sender()).through(
        [image_row(archive, 1, put=False)], "run"
    )
    assert (record.analysis, record.failure.code) == (None, "internal")
    assert "has to be fetched anew" in record.failure.message
    assert counts(archive) == (0, 0, 1)


def test_captures_are_from_their_url_or_from_who_is_named(archive):
    list(Arrivals(keeping(archive), Sender()).through([failed_row(1)], "run"))
    item, record = failed_row(2)
    named = (item._replace(path="in/" + "x" * 200 + ".png"), record)
    list(Arrivals(keeping(archive), Sender("cam-7")).through([named], "run"))
    captures = {each.source: each.reference for each in archive.arrivals(10)}
    assert captures == {"http://a/1": "", "cam-7": "x" * 96 + ".png"}


def test_a_key_of_ones_own_tells_captures_apart(archive):
    stage = Arrivals(
        keeping(archive),
        Sender(),
        key=lambda _run, item: item.url.encode()[-16:].zfill(16),
    )
    for run in ("one", "two"):
        list(stage.through([failed_row(1)], run))
    assert counts(archive) == (0, 0, 1)


def test_an_archive_that_can_not_be_used_ends_the_run(archive):
    class Broken(MemoryArchive):
        def add(self, captures):
            raise OutputError("the archive can not be used")

    with pytest.raises(OutputError, match="can not be used"):
        list(Arrivals(keeping(Broken()), Sender()).through([failed_row(1)], "run"))


def test_records_are_left_as_they_were(archive):
    item, record = image_row(archive, 1)
    ((_, passed),) = Arrivals(keeping(archive), Sender()).through([(item, record)], "run")
    assert passed == replace(record, arrival="success")
