"""CSV and TSV lists: rows and quotes, headers, the URL column and kept columns."""

import csv
import gzip
import io
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import UsageError
from tests.unit.reading import NOT_UTF8, assert_resumes_everywhere, brief, read, writer


@pytest.fixture
def put(tmp_path):
    return writer(tmp_path)


CELLS = st.text(st.sampled_from('ab",\n\r é\t'), max_size=5)


@given(
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8),
    line_end=st.sampled_from(["\n", "\r\n"]),
    ending=st.sampled_from(["csv", "tsv", "csv.gz"]),
)
def test_what_the_csv_module_writes_is_read_back_and_resumes(
    tmp_path_factory, rows, line_end, ending
):
    delimiter = "\t" if ending == "tsv" else ","
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerow(["URL", "k"])
    writer.writerows([[*row, "kept"][:2] for row in rows])
    body = text.getvalue().encode()
    path = tmp_path_factory.mktemp("csv") / f"l.{ending}"
    path.write_bytes(gzip.compress(body) if ending.endswith("gz") else body)
    source = open_source([path], SourceOptions(keep_columns=("k",)))
    expected = list(csv.reader(io.StringIO(body.decode(), newline=""), delimiter=delimiter))[1:]
    items = list(source.items())
    assert [item.url for item in items] == [row[0].strip() for row in expected]
    assert [item.extra for item in items] == [(("k", row[1]),) for row in expected]
    assert_resumes_everywhere(source)


@given(body=st.text(st.sampled_from('a",\n'), max_size=40))
def test_any_mess_of_quotes_ends_and_resumes_after_every_item(tmp_path_factory, body):
    path = tmp_path_factory.mktemp("mess") / "l.csv"
    path.write_text(body)
    source = open_source([path], SourceOptions(max_line_bytes=8))
    lines = [item.line for item in source.items()]
    assert lines == sorted(set(lines))
    assert_resumes_everywhere(source)


@given(body=st.text(st.sampled_from('a",\n'), max_size=40))
def test_rows_are_those_of_the_csv_module_where_all_quotes_close(tmp_path_factory, body):
    path = tmp_path_factory.mktemp("mess") / "l.csv"
    path.write_text(body)
    items = read(path)
    if any(item.error and "does not close" in item.error for item in items):
        return
    rows = [row for row in csv.reader(io.StringIO(body)) if row]
    assert [item.url for item in items] == [row[0].strip() for row in rows]


def test_the_line_of_a_row_is_the_one_it_begins_on(put):
    path = put("l.csv", 'url,text\nhttp://a/,"1\n2\n\n3"\nhttp://b/,x\n')
    items = read(path, keep_columns=("text",))
    assert [(item.line, item.extra[0][1]) for item in items] == [(2, "1\n2\n\n3"), (6, "x")]


def test_a_quote_that_never_closes_costs_its_own_line_only(put):
    path = put("l.csv", '"http://a/\nhttp://b/\nhttp://c/\n')
    assert brief(read(path)) == [
        (1, '"http://a/', "a quote opens in this row and does not close"),
        (2, "http://b/", None),
        (3, "http://c/", None),
    ]


def test_a_quoted_field_beyond_the_limit_is_not_held(put):
    path = put("l.csv", b'"http://a/\n' + b"http://b/\n" * 3_000_000)
    tracemalloc.start()
    try:
        source = open_source([path], SourceOptions(max_line_bytes=1 << 16))
        first, second = itertools.islice(source.items(), 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert first.error == "a quote opens in this row and does not close"
    assert (second.line, second.url) == (2, "http://b/")
    assert peak < 6_000_000


def test_a_carriage_return_inside_a_row_is_an_item_in_error(put):
    items = read(put("l.csv", b"http://a/\rhttp://b/\nhttp://c/\n"))
    assert items[0].error == "the row is not valid CSV: new-line character seen in unquoted field"
    assert (items[1].url, items[1].error) == ("http://c/", None)


@pytest.mark.parametrize(
    ("first", "options", "url", "is_header"),
    [
        ("url,b", {}, "1", True),
        ("a, URL ", {}, "2", True),
        ("a,b", {}, "1", False),
        ("a,Link", {"url_column": "link"}, "2", True),
        ("a,b", {"url_column": "2"}, "2", True),
        ("a,http://x/", {"url_column": "2"}, "2", False),
        ("a,b", {"url_column": "2", "allow_files": True}, "2", False),
        ("url,b", {"url_column": "2"}, "2", True),
        ("a,b", {"keep_columns": ("b",)}, "1", True),
        ("line,url,code,http_status,attempts,message", {}, "2", True),
    ],
)
def test_header_and_url_column_are_found_by_the_rules(put, first, options, url, is_header):
    path = put("l.csv", f"\n{first}\n1,2,3,4,5,6\n")
    items = read(path, **options)
    assert items[-1].url == url
    assert [item.line for item in items] == ([3] if is_header else [2, 3])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url_column": "link"}, "l.csv has no column named 'link'; its columns are: url, id"),
        ({"keep_columns": ("id", "x")}, "l.csv has no column named 'x'; its columns are: url, id"),
        ({"url_column": "3"}, "--url-column is 3, but the first row of .*l.csv has 2 fields"),
        ({"url_column": "0"}, "--url-column: columns are numbered from 1"),
    ],
)
def test_a_column_that_is_not_there_is_refused_when_opening(put, options, sentence):
    path = put("l.csv", "url,id\nhttp://a/,1\n")
    with pytest.raises(UsageError, match=sentence):
        open_source([path], SourceOptions(**options))


def test_kept_columns_come_in_the_order_asked_for(put):
    path = put("l.tsv", "id\turl\tLabel\n7\thttp://a/\tx, y\n")
    (item,) = read(path, keep_columns=("label", "id"))
    assert (item.url, item.extra) == ("http://a/", (("label", "x, y"), ("id", "7")))


def test_a_short_row_is_an_item_in_error_with_what_it_has(put):
    path = put("l.csv", "url,id\nhttp://a/\n,5\n")
    short, empty = read(path, keep_columns=("id",))
    assert (short.url, short.extra) == ("http://a/", (("id", ""),))
    assert short.error == "the row has 1 fields, field 2 is asked for"
    assert (empty.url, empty.extra, empty.error) == ("", (("id", "5"),), "no URL")


def test_a_csv_row_that_is_not_utf8_is_an_item_in_error(put):
    items = read(put("l.csv", b"url,id\nhttp://a/,\xff\nhttp://b/,1\n"))
    assert brief(items) == [(2, "http://a/", NOT_UTF8), (3, "http://b/", None)]
