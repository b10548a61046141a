"""Parquet lists, packed or not."""

import datetime as dt
import gzip
import os
import sys

import pytest

from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import InputError, MissingExtra, UsageError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def put(tmp_path):
    """Write a table as Parquet and give its path."""

    def write(table, name="l.parquet", **options):
        path = tmp_path / name
        pq.write_table(pa.table(table), path, **options)
        if name.endswith("gz"):
            path.write_bytes(gzip.compress(path.read_bytes()))
        return path

    return write


def read(path, **options):
    return list(open_source([path], SourceOptions(**options)).items())


@pytest.mark.parametrize("name", ["l.parquet", "l.parquet.gz"])
def test_rows_are_items_and_resume_across_row_groups(put, name):
    urls = [f"http://a/{number}" for number in range(50)]
    path = put({"id": list(range(50)), "url": urls}, name, row_group_size=7)
    source = open_source([path], SourceOptions(keep_columns=("id",)))
    items = list(source.items())
    assert [item.url for item in items] == urls
    assert [(item.line, item.position, item.extra) for item in items] == [
        (row + 1, (0, row), (("id", str(row)),)) for row in range(50)
    ]
    assert [source.progress(item) for item in items] == pytest.approx([r / 50 for r in range(50)])
    for row, item in enumerate(items):
        assert list(source.items((item.line, item.position))) == items[row + 1 :]
    assert source.identity() == open_source([path], SourceOptions()).identity()


def test_rows_beyond_one_batch_are_read_in_order(put):
    path = put({"url": [str(number) for number in range(10_000)]})
    items = read(path)
    assert [item.url for item in items] == [str(number) for number in range(10_000)]
    source = open_source([path], SourceOptions())
    assert next(source.items((9000, (0, 8999)))).url == "9000"


@pytest.mark.parametrize(
    ("options", "url"),
    [({}, "b"), ({"url_column": "LINK"}, "c"), ({"url_column": "1"}, "a")],
)
def test_the_url_column_is_found_by_the_rules(put, options, url):
    path = put({"x": ["a"], "Url": ["b"], "link": ["c"]})
    assert read(path, **options)[0].url == url
    assert read(put({"x": ["a"], "y": ["b"]}))[0].url == "a"


def test_null_and_empty_urls_are_items_in_error(put):
    items = read(put({"url": ["http://a/", None, " "]}))
    assert [(item.line, item.url, item.error) for item in items] == [
        (1, "http://a/", None), (2, "", "no URL"), (3, "", "no URL")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([7]), "7"),
        (pa.array([None], pa.int64()), ""),
        (pa.array([True]), "true"),
        (pa.array([1.5]), "1.5"),
        (pa.array([[1, None]]), "[1, null]"),
        (pa.array([{"a": "é"}]), '{"a": "é"}'),
        (pa.array([b"\xff"]), "\ufffd"),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array(["x"], pa.large_string()), "x"),
        (pa.array([dt.date(2026, 1, 2)]), "2026-01-02"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
    ],
)
def test_kept_values_become_text(put, column, text):
    (item,) = read(put({"url": ["http://a/"], "k": column}), keep_columns=("k",))
    assert item.extra == (("k", text),)


def test_text_that_is_not_utf8_is_an_item_in_error(put):
    raw = pa.array([b"http://a/\xff", None, b"http://b/"])
    broken = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    for column in (raw, broken):
        items = read(put({"url": column}))
        assert [(item.url, item.error) for item in items] == [
            ("http://a/\ufffd", "the line is not valid UTF-8"), ("", "no URL"), ("http://b/", None)
        ]  # fmt: skip


def test_a_url_beyond_the_limit_is_an_item_in_error(put):
    (item,) = read(put({"url": ["x" * 300]}), max_line_bytes=299)
    assert (item.url, item.error) == ("x" * 200 + "…", "the line is longer than 299 bytes")


def test_a_column_that_is_not_there_or_holds_no_text_is_refused(put):
    path = put({"url": ["x"], "n": [1]})
    with pytest.raises(UsageError, match="has no column named 'id'; its columns are: url, n"):
        open_source([path], SourceOptions(keep_columns=("id",)))
    with pytest.raises(UsageError, match=r"column 'n' of .* holds int64, not text"):
        open_source([path], SourceOptions(url_column="n"))


def test_columns_of_one_name_are_refused_where_they_matter(tmp_path):
    path = tmp_path / "l.parquet"
    pq.write_table(pa.table([["a"], ["b"], ["c"]], names=["url", "x", "x"]), path)
    assert read(path)[0].url == "a"
    with pytest.raises(InputError, match="has several columns named 'x'"):
        read(path, keep_columns=("x",))


def test_a_pipe_is_no_parquet(tmp_path):
    os.mkfifo(tmp_path / "l.parquet")
    with pytest.raises(InputError, match="Parquet is not read from a pipe"):
        read(tmp_path / "l.parquet")


def test_tables_without_rows_or_columns_have_no_items(put):
    assert read(put({"url": []})) == []
    assert read(put({})) == []


@pytest.mark.parametrize("content", [b"", b"http://a/\n", b"PAR1" + b"x" * 100 + b"PAR1"])
@pytest.mark.parametrize("name", ["l.parquet", "l.parquet.gz"])
def test_what_is_no_parquet_is_a_sentence(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(InputError, match=r"can not read .*l\.parquet.* as Parquet: "):
        open_source([path], SourceOptions())


def test_damage_inside_is_a_sentence(put):
    path = put({"url": [f"http://a/{n}" for n in range(1000)]}, compression="gzip")
    raw = bytearray(path.read_bytes())
    raw[40:400] = b"\xff" * 360
    path.write_bytes(raw)
    source = open_source([path], SourceOptions())
    with pytest.raises(InputError, match="as Parquet: "):
        list(source.items())


def test_a_broken_pack_is_a_sentence(put):
    path = put({"url": ["http://a/"] * 1000}, "l.parquet.gz")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"can not read .*l\.parquet\.gz: Compressed file ended"):
        open_source([path], SourceOptions())


def test_without_pyarrow_the_extra_is_named(put, monkeypatch):
    path = put({"url": ["x"]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r"reading Parquet needs an extra: .*pixmill\[parquet\]"):
        open_source([path], SourceOptions())
