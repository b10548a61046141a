"""The contract of the archive, over every adapter: images once, captures all, counts exact."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from pixmill.store.archive import (
    Capture,
    Cursor,
    Minute,
    Outcome,
    Span,
    capture_key,
    clean_text,
    fill_gaps,
)
from tests.archives import names_of, stored_images
from tests.contract.archives import ARCHIVES, capture, image, new_image, open_one, put_blobs
from tests.contract.catalogs import START, Clock

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
SUCCESS, DUPLICATE = Outcome("success"), Outcome("duplicate")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=ARCHIVES)
def archive(request, tmp_path, clock):
    """An empty archive of each adapter."""
    with open_one(request.param, request, tmp_path, clock) as opened:
        yield opened


def counts(archive):
    minutes = archive.minutes(*ALWAYS)
    codes = {}
    for minute in minutes:
        for code, number in minute.codes.items():
            codes[code] = codes.get(code, 0) + number
    totals = [sum(getattr(m, name) for m in minutes) for name in ("success", "duplicate", "fail")]
    return (*totals, codes)


def test_a_new_image_is_found_with_all_its_facts(archive):
    one = image(7, blobs=put_blobs(archive, image(7).md5))
    assert archive.add([capture(one, source="http://a/7", reference="x")]) == [SUCCESS]
    stored = archive.find(one.md5)
    assert stored.image == one
    assert START <= stored.inserted_at == stored.arrived_at < START + timedelta(seconds=1)
    assert stored.inserted_at.tzinfo is stored.arrived_at.tzinfo is UTC
    assert archive.known([one.md5, "f" * 32]) == {one.md5: one.sha256}
    (arrival,) = archive.arrivals(10)
    assert (arrival.source, arrival.reference, arrival.md5) == ("http://a/7", "x", one.md5)
    assert arrival.outcome == SUCCESS
    assert counts(archive) == (1, 0, 0, {})


def test_without_colors_and_original_too(archive):
    names = put_blobs(archive, image(1).md5, original=None)
    one = image(1, blobs=names, colors=(), color=None)
    archive.add([capture(one)])
    assert archive.find(one.md5).image == one


def test_nothing_is_known_of_what_never_came(archive):
    assert archive.find("0" * 32) is None
    assert archive.known([]) == archive.known(["0" * 32]) == {}
    assert archive.page(10) == archive.arrivals(10) == archive.minutes(*ALWAYS) == []
    assert list(archive.blob_names()) == []
    assert archive.add([]) == []
    assert archive.seen([]) == archive.seen([bytes(16)]) == set()
    assert not archive.delete("0" * 32)


def test_what_comes_again_is_a_duplicate_and_moves_its_last_arrival(archive, clock):
    one = new_image(archive)
    first = archive.find(one.md5)
    clock.forward(3600)
    outcomes = archive.add([capture(image()), capture(image())])  # known: no bytes were put
    assert outcomes == [DUPLICATE, DUPLICATE]
    last = archive.find(one.md5)
    assert last.image == one
    assert last.inserted_at == first.inserted_at
    assert last.arrived_at - first.arrived_at >= timedelta(hours=1)
    assert counts(archive) == (1, 2, 0, {})
    assert [each.outcome for each in archive.arrivals(10)] == [DUPLICATE, DUPLICATE, SUCCESS]


def test_two_captures_of_a_new_image_at_once_are_one_image_and_a_duplicate(archive):
    first, second = (put_blobs(archive, image().md5) for _ in range(2))
    outcomes = archive.add([capture(image(blobs=first)), capture(image(blobs=second))])
    assert outcomes == [SUCCESS, DUPLICATE]
    assert archive.find(image().md5).image.blobs == first
    assert names_of(archive) == set(first)


def test_blobs_of_a_duplicate_are_dropped_but_not_those_that_the_image_has(archive):
    names = put_blobs(archive, image().md5)
    outcomes = archive.add([capture(image(blobs=names)), capture(image(blobs=names))])
    assert outcomes == [SUCCESS, DUPLICATE]
    archive.add([capture(image(blobs=put_blobs(archive, image().md5)))])
    assert names_of(archive) == set(names)


def test_a_key_is_one_capture_however_often_it_comes(archive):
    key, other = capture_key("run", 1), capture_key("run", 2)
    names = put_blobs(archive, image().md5)
    first = [capture(image(blobs=names), key=key), capture(key=other, code="timeout")]
    told = archive.add(first)
    again = [capture(image(blobs=put_blobs(archive, image().md5)), key=key), first[1]]
    assert archive.add(again) == told == [SUCCESS, Outcome("fail", "timeout")]
    assert archive.add([capture(image(), key=key)]) == [SUCCESS]
    assert counts(archive) == (1, 0, 1, {"timeout": 1})
    assert len(archive.arrivals(10)) == 2
    assert names_of(archive) == set(names)
    assert archive.seen([key, other, bytes(16)]) == {key, other}


def test_a_key_twice_in_one_call_is_one_capture(archive):
    twice = capture(code="timeout", key=capture_key("run", 1))
    assert archive.add([twice, twice]) == [Outcome("fail", "timeout")] * 2
    assert counts(archive) == (0, 0, 1, {"timeout": 1})


def test_another_file_of_the_same_md5_is_refused_and_its_blobs_are_dropped(archive):
    one = new_image(archive)
    before = names_of(archive)
    other = image(sha256="f" * 64, blobs=put_blobs(archive, one.md5))
    assert archive.add([capture(other)]) == [Outcome("fail", "md5_collision")]
    assert archive.find(one.md5).image == one
    assert names_of(archive) == before
    assert counts(archive) == (1, 0, 1, {"md5_collision": 1})


def test_an_image_without_bytes_that_is_not_here_is_absent_and_nothing_is_kept(archive):
    gone = image(2, blobs=put_blobs(archive, image(2).md5))
    for name in gone.blobs:
        archive.blobs.delete(name)
    key = capture_key("run", 1)
    outcomes = archive.add([capture(image(1), key=key), capture(gone)])
    assert outcomes == [Outcome("absent")] * 2
    assert archive.arrivals(10) == archive.minutes(*ALWAYS) == archive.page(10) == []
    again = image(1, blobs=put_blobs(archive, image(1).md5))
    assert archive.add([capture(again, key=key)]) == [SUCCESS]


def test_fails_are_listed_by_code_and_captures_by_image_newest_first(archive):
    for number in range(3):
        archive.add([capture(code="timeout", source=f"http://a/{number}")])
        archive.add([capture(code="http_error", source="http://b/")])
        new_image(archive, number)
    fails = archive.arrivals(2, code="timeout")
    assert [each.source for each in fails] == ["http://a/2", "http://a/1"]
    assert all(each.md5 is None for each in fails)
    archive.add([capture(image(1), source="again")])
    captures = archive.arrivals(10, md5=image(1).md5)
    assert [each.source for each in captures] == ["again", "camera"]
    assert len(archive.arrivals(4)) == 4


def test_fails_are_listed_of_a_span_of_time(archive, clock):
    for number in range(3):
        archive.add([capture(code="timeout", source=f"http://a/{number}")])
        clock.forward(60)
    second = Span(START + timedelta(seconds=50), START + timedelta(seconds=110))
    for code in ("timeout", None):
        fails = archive.arrivals(9, code=code, span=second)
        assert [each.source for each in fails] == ["http://a/1"]
    assert archive.arrivals(9, code="http_error", span=second) == []


def test_pages_walk_over_all_images_once_newest_first(archive, clock):
    numbers = list(range(25))
    for chunk in itertools.batched(numbers, 4) if hasattr(itertools, "batched") else [numbers]:
        archive.add([capture(image(n, blobs=put_blobs(archive, image(n).md5))) for n in chunk])
        clock.forward(0.001)
    first = archive.page(7)
    last = first[-1]
    clock.forward(1)
    new_image(archive, 99)  # comes while somebody walks
    found, page = list(first), first
    while page:
        page = archive.page(7, Cursor(last.inserted_at, last.image.md5))
        found += page
        last = page[-1] if page else last
    places = [(each.inserted_at, each.image.md5) for each in found]
    assert places == sorted(places, reverse=True)
    assert {each.image.md5 for each in found} == {image(n).md5 for n in numbers}
    assert len(found) == len(numbers)


def test_each_minute_is_counted_on_its_own(archive, clock):
    new_image(archive, 1)
    clock.forward(60)
    archive.add([capture(image(1)), capture(code="timeout"), capture(code="http_error")])
    clock.forward(180)
    archive.add([capture(code="timeout")])
    start = START.replace(second=0)
    minutes = archive.minutes(*ALWAYS)
    assert minutes == [
        Minute(minute=start, success=1),
        Minute(
            minute=start + timedelta(minutes=1),
            duplicate=1,
            fail=2,
            codes={"http_error": 1, "timeout": 1},
        ),
        Minute(minute=start + timedelta(minutes=4), fail=1, codes={"timeout": 1}),
    ]
    second = start + timedelta(minutes=1)
    assert archive.minutes(second, second + timedelta(minutes=3)) == [minutes[1]]
    assert archive.minutes(second, second) == []
    filled = list(fill_gaps(minutes, start, start + timedelta(minutes=5)))
    assert [each.success + each.duplicate + each.fail for each in filled] == [1, 3, 0, 0, 1]


def test_a_dropped_image_leaves_its_captures_and_may_come_again(archive):
    one = new_image(archive)
    assert archive.delete(one.md5)
    assert not archive.delete(one.md5)
    assert archive.find(one.md5) is None
    assert names_of(archive) == set()
    assert [each.md5 for each in archive.arrivals(10)] == [one.md5]
    new_image(archive)
    assert counts(archive) == (2, 0, 0, {})


def test_what_last_came_before_a_time_is_forgotten_with_captures_and_counts(archive, clock):
    old, again = new_image(archive, 1), new_image(archive, 2)
    archive.add([capture(code="timeout")])
    clock.forward(86_400)
    archive.add([capture(image(2))])
    young = new_image(archive, 3)
    assert archive.forget(clock.now - timedelta(hours=12)) == 1
    assert archive.find(old.md5) is None
    assert {each.image.md5 for each in stored_images(archive)} == {again.md5, young.md5}
    assert names_of(archive) == {*again.blobs, *young.blobs}
    assert len(archive.arrivals(10)) == 2
    assert counts(archive) == (1, 1, 0, {})
    assert archive.forget(clock.now - timedelta(hours=12)) == 0


def test_the_blobs_of_all_images_are_listed(archive):
    images = [new_image(archive, number) for number in range(5)]
    assert dict(archive.blob_names()) == {each.md5: each.blobs for each in images}


@pytest.mark.parametrize(
    "text", ["", "a\0b", "\ud800x", "caf\udce9", "\U0001f600" * 3, "x" * 5000, "'; --", "\r\n\t"]
)
def test_any_text_is_kept_as_all_databases_can_keep_it(archive, text):
    archive.add([Capture(key=bytes(16), source=text, reference=text, code="timeout")])
    (arrival,) = archive.arrivals(1)
    assert arrival.source == clean_text(text, 4096)
    assert arrival.reference == clean_text(text, 100)


def test_text_is_cleaned_of_what_some_database_can_not_keep():
    assert clean_text("a\0b\ud800c", 10) == "a\ufffdb\ufffdc"
    assert clean_text("abc", 2) == "ab"
    assert clean_text("\U0001f600", 1) == "\U0001f600"


def test_it_may_be_closed_twice(archive):
    archive.close()
    archive.close()
