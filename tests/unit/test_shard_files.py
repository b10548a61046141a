"""What workers and their job hand to each other as blobs comes back as it was, or is refused."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import OutputError, RunError
from pixmill.jobs import shard_files
from pixmill.jobs.shard_files import (
    drop_files,
    drop_part,
    lines_of,
    put_document,
    put_items,
    put_part,
    read_document,
    read_items,
    read_part,
)
from pixmill.record import Item
from pixmill.store.memory import MemoryBlobs
from pixmill.store.shards import Counts, NewShard, Shard, ShardId

JOB = "0123456789abcdef" * 2
ID = ShardId(JOB, 7)
ITEMS = f"shards/{JOB}/0000007.jsonl.gz"


def shard(number=7, attempt="a1"):
    return Shard(
        ShardId(JOB, number), "running", NewShard(1, 1, 1, (0, 0)), attempt, 1, 0, False, "w",
        Counts(), (), None, None,
    )  # fmt: skip


@pytest.fixture
def blobs():
    return MemoryBlobs()


def part(blobs, tmp_path, rows, errors=b"", **more):
    paths = tmp_path / "rows", tmp_path / "errors"
    for path, content in zip(paths, (rows, errors), strict=True):
        path.write_bytes(content)
    put_part(blobs, shard(**more), *paths)
    assert not any(path.exists() for path in paths)


def there(blobs, items):
    put_items(blobs, ID, items)
    return read_items(blobs, ID)


@pytest.mark.parametrize(
    "url",
    [
        "http://a/b.png",
        "",
        " ",
        'a"b\\c',
        "a\nb\r\nc\rd\te",
        "a\x00b\x1f\x7f\x85\u2028\u2029",
        "\ud800 \udfff \udc80",
        "é ü 漢字 \U0001f600",
        "x" * 300_000,
    ],
)
def test_an_item_comes_to_the_worker_as_it_is_in_the_list(blobs, url):
    items = [
        Item(1, url),
        Item(10**12, url, (("id", url), ("", ""), ("id", "twice"))),
        Item(10**12 + 1, url, error=url or "the row has 1 fields"),
    ]
    assert there(blobs, items) == items


text = st.text(st.characters(exclude_categories=()), max_size=20)


@given(st.lists(st.builds(
    Item, st.integers(1, 2**60), text, st.lists(st.tuples(text, text), max_size=3).map(tuple),
    error=st.none() | text, position=st.just((0, 0)), path=st.none(),
), min_size=1, max_size=5))  # fmt: skip
def test_items_of_any_characters_come_back(items):
    # Two halves that stand side by side are one character to whoever reads JSON.
    def whole(value):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    expected = [
        item._replace(
            url=whole(item.url),
            extra=tuple((whole(name), whole(value)) for name, value in item.extra),
            error=None if item.error is None else whole(item.error),
        )
        for item in items
    ]
    assert there(MemoryBlobs(), items) == expected


def test_where_an_item_lies_is_the_jobs_matter_alone(blobs):
    assert there(blobs, [Item(5, "u", position=(1, 2))]) == [Item(5, "u")]


def test_a_file_of_this_machine_is_refused_since_no_worker_could_read_it(blobs):
    with pytest.raises(RunError, match=r"/data/a\.png"):
        put_items(blobs, ID, [Item(1, "http://a/"), Item(2, "/data/a.png", path="/data/a.png")])


def test_equal_items_are_equal_bytes(blobs):
    """So that whoever cuts a list again, after a kill, writes what stood there."""
    items = [Item(1, "http://a/"), Item(2, "http://b/", (("id", "7"),))]
    put_items(blobs, ID, items)
    first = blobs.open(ITEMS).read(0, 1 << 20)
    put_items(blobs, ID, items)
    assert blobs.open(ITEMS).read(0, 1 << 20) == first


def damaged(packed):
    """What a disk may make of a blob."""
    yield b""
    yield packed[:5]
    yield packed[:-1]
    yield packed[:-9]
    yield b"x" + packed
    yield packed + b"x"
    for at in range(10, len(packed)):  # behind the header, of which gzip looks at a part alone
        yield packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]


def test_items_that_are_damaged_are_never_taken_for_others(blobs):
    items = [Item(number, f"http://a/{number}") for number in range(5)]
    put_items(blobs, ID, items)
    for broken in damaged(blobs.open(ITEMS).read(0, 1 << 20)):
        blobs.put(ITEMS, broken)
        with pytest.raises(OutputError, match=r"0000007\.jsonl\.gz is damaged"):
            read_items(blobs, ID)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"5", b"null", b"{}", b"[]", b'[1,"u"]', b'[1,"u",[],null,1]', b'[1,"u",5,null]',
        b'[1,"u",[["a"]],null]', b"[1,", b"\xff", b'[1,"u",[],null]\n',
    ],
)  # fmt: skip
def test_items_of_another_form_are_refused(blobs, text):
    blobs.put(ITEMS, gzip.compress(text))
    with pytest.raises(OutputError, match="is damaged"):
        read_items(blobs, ID)


def test_a_stream_that_is_no_deflate_is_damaged(blobs):
    head = gzip.compress(b"")[:10]
    with pytest.raises(zlib.error):
        gzip.decompress(head + b"\xff" * 20)
    blobs.put(ITEMS, head + b"\xff" * 20)
    with pytest.raises(OutputError, match="is damaged"):
        read_items(blobs, ID)


def test_what_is_gone_is_told(blobs):
    with pytest.raises(OutputError, match=f"{ITEMS} is not there"):
        read_items(blobs, ID)
    for table in ("rows", "errors"):
        with pytest.raises(OutputError, match=rf"0000007-a1\.{table} is not there"):
            list(read_part(blobs, shard(), table))
    for document in ("order", "palette"):
        with pytest.raises(OutputError, match=rf"{document}\.json is not there"):
            read_document(blobs, JOB, document)


def test_documents_are_of_a_job_and_written_over(blobs):
    put_document(blobs, JOB, "order", b"old")
    put_document(blobs, JOB, "order", b"{}")
    put_document(blobs, JOB, "palette", b"[]")
    assert (read_document(blobs, JOB, "order"), read_document(blobs, JOB, "palette")) == (
        b"{}", b"[]",
    )  # fmt: skip
    with pytest.raises(OutputError):
        read_document(blobs, "f" * 32, "order")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1 << 20])
def test_a_part_comes_back_however_it_is_cut(blobs, tmp_path, monkeypatch, size):
    monkeypatch.setattr(shard_files, "_PIECE_BYTES", size)
    rows = 'http://a/é,#FFFFFF\n"漢\n字 \U0001f600",\r\n\u2028x\x85y\n'
    part(blobs, tmp_path, rows.encode(), b"line,url\n")
    pieces = list(read_part(blobs, shard(), "rows"))
    assert "".join(pieces) == rows
    assert "".join(read_part(blobs, shard(), "errors")) == "line,url\n"
    assert list(lines_of(pieces)) == [
        "http://a/é,#FFFFFF\n", '"漢\n', '字 \U0001f600",\r\n', "\u2028x\x85y\n",
    ]  # fmt: skip


@pytest.mark.parametrize("rows", ["", "a", "a\n", "\n", "\n\na", "a\r\n\nb\u2028c\n\n"])
def test_lines_are_the_same_at_every_split(rows):
    expected = [line + "\n" for line in rows.split("\n")]
    expected[-1] = expected[-1][:-1]
    expected = [line for line in expected if line]
    assert list(lines_of([])) == []
    for first in range(len(rows) + 1):
        for second in range(first, len(rows) + 1):
            assert list(lines_of([rows[:first], rows[first:second], rows[second:]])) == expected
    assert list(lines_of(rows)) == expected


def test_attempts_have_parts_of_their_own(blobs, tmp_path):
    part(blobs, tmp_path, b"one\n", attempt="a1")
    part(blobs, tmp_path, b"two\n", attempt="a2")
    assert "".join(read_part(blobs, shard(attempt="a1"), "rows")) == "one\n"
    drop_part(blobs, shard(attempt="a1"))
    drop_part(blobs, shard(attempt="a1"))
    assert "".join(read_part(blobs, shard(attempt="a2"), "rows")) == "two\n"
    with pytest.raises(OutputError):
        list(read_part(blobs, shard(attempt="a1"), "rows"))


def test_a_job_that_is_over_leaves_nothing_and_costs_no_other(blobs, tmp_path):
    other = "f" * 32
    for number in range(3):
        put_items(blobs, ShardId(JOB, number), [Item(1, "u")])
        part(blobs, tmp_path, b"row\n", number=number)
    put_document(blobs, JOB, "order", b"{}")
    put_items(blobs, ShardId(other, 0), [Item(1, "u")])
    drop_files(blobs, JOB)
    drop_files(blobs, JOB)
    found = [info.name for folder in ("shards", "parts") for info in blobs.all(folder)]
    assert found == [f"shards/{other}/0000000.jsonl.gz"]
