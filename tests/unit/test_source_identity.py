"""What tells a changed input from the same one, and reading chosen lines only."""

import gzip
import json
import os

import pytest

from pixmill.batch.source import OnlyLines, SourceOptions, open_source
from pixmill.errors import InputError
from tests.unit.reading import assert_resumes_everywhere, mixed_inputs, writer

OPTIONS = SourceOptions()


@pytest.fixture
def put(tmp_path):
    return writer(tmp_path)


@pytest.fixture
def mixed(put):
    return mixed_inputs(put)


def test_identity_is_json_and_tells_any_change(mixed, put):
    def now(inputs):
        return open_source(inputs, OPTIONS).identity()

    before = now(mixed)
    assert json.loads(json.dumps(before)) == before == now(mixed)
    assert now(mixed[::-1]) != before
    put("folder/new.png")
    with_more = now(mixed)
    assert with_more != before
    put("folder/new.png", "x")
    assert now(mixed) != with_more
    put("d.txt", "http://f/")
    assert now(mixed[-1:]) != now(mixed[:1])


@pytest.mark.parametrize(
    ("content", "mtime_ns"), [("xy", 1_000), ("x", 2_000)], ids=["size", "time"]
)
def test_identity_of_images_tells_size_and_time_apart(put, content, mtime_ns):
    path = put("d/a.png", "x")
    os.utime(path, ns=(0, 1_000))
    before = [open_source([each], OPTIONS).identity() for each in (path, path.parent)]
    put("d/a.png", content)
    os.utime(path, ns=(0, mtime_ns))
    after = [open_source([each], OPTIONS).identity() for each in (path, path.parent)]
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(("at", "seen"), [(0, True), (3_999_999, True), (2_000_000, False)])
def test_identity_looks_at_the_size_and_both_ends_only(put, at, seen):
    body = bytearray(b"\n" * 4_000_000)
    before = open_source([put("l.txt", bytes(body))], OPTIONS).identity()
    body[at] = ord("x")
    after = open_source([put("l.txt", bytes(body))], OPTIONS).identity()
    assert (after != before) == seen
    assert open_source([put("l.txt", bytes(body[:-1]))], OPTIONS).identity() != before


def test_only_lines_gives_the_lines_asked_for_and_resumes(mixed):
    def chosen(numbers):
        return OnlyLines(open_source(mixed, OPTIONS), numbers)

    assert [item.line for item in chosen([5, 8, 15]).items()] == [5, 8, 15]
    assert [item.line for item in chosen([]).items()] == []
    assert_resumes_everywhere(chosen([2, 5, 14]))
    assert chosen([2]).identity() == open_source(mixed, OPTIONS).identity()


def test_only_lines_reads_no_further_than_it_must(put):
    path = put("l.txt.gz", gzip.compress(b"http://a/\n" * 300_000)[:500])
    assert [item.line for item in OnlyLines(open_source([path], OPTIONS), [7]).items()] == [7]


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ([3], "line 3 is asked for, but is not in the list"),
        ([2, 99], "line 99 is asked for, but is not in the list"),
        ([5, 5], "must increase, but 5 follows 5"),
        ([5, 2], "must increase, but 2 follows 5"),
        ([0], "must increase, but 0 follows 0"),
    ],
)
def test_only_lines_refuses_numbers_that_fit_nothing(mixed, numbers, sentence):
    with pytest.raises(InputError, match=sentence):
        list(OnlyLines(open_source(mixed, OPTIONS), numbers).items())
