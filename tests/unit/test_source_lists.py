"""Lists made of lines: plain, CSV, TSV and JSON Lines, packed or not."""

import csv
import gzip
import io
import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch.source import SourceOptions, listfile, open_source
from pixmill.errors import InputError, UsageError

NOT_UTF8 = "the line is not valid UTF-8"


@pytest.fixture
def put(tmp_path):
    """Write a file and give its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, **options):
    return list(open_source([path], SourceOptions(**options)).items())


def brief(items):
    return [(item.line, item.url, item.error) for item in items]


def assert_resumes_everywhere(source):
    """Reading after any item gives exactly the rest."""
    whole = list(source.items())
    for place, item in enumerate(whole):
        assert list(source.items((item.line, item.position))) == whole[place + 1 :]


LINES = st.one_of(
    st.sampled_from([b"http://a/1.png", b"", b" http://b/\t", b"\xff\xfe", "http://ü/é".encode()]),
    st.binary(max_size=12).filter(lambda raw: b"\0" not in raw),
    st.integers(30, 200).map(lambda length: b"x" * length),
)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n", b"\n\r\n"])


@st.composite
def bodies(draw):
    """Lists with all that goes wrong in lists, but no byte order mark of UTF-16."""
    body = b"".join(draw(LINES) + draw(LINE_ENDS) for _ in range(draw(st.integers(0, 12))))
    body = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + body + draw(LINES)
    return b"x" + body if body[:2] in {b"\xff\xfe", b"\xfe\xff"} else body


def plain_rows(body, max_bytes):
    """Line, text (None where too long) and whether it is UTF-8, by the letter of the rules."""
    for line, raw in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if len(raw) > max_bytes:
            yield line, None, False
        elif raw.strip():
            text = raw.decode("utf-8", "replace").strip(" \t\r\n\v\f")
            yield line, text, text.encode() == raw.strip()


@given(body=bodies(), packed=st.booleans(), block=st.sampled_from([1, 3, 50, 1 << 17]))
def test_plain_lists_are_read_as_defined_and_resume_after_every_item(
    tmp_path_factory, body, packed, block
):
    path = tmp_path_factory.mktemp("plain") / ("l.txt.gz" if packed else "l.txt")
    path.write_bytes(gzip.compress(body) if packed else body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listfile, "_BLOCK_BYTES", block)
        source = open_source([path], SourceOptions(max_line_bytes=24))
        items = list(source.items())
        expected = list(plain_rows(body, 24))
        assert [item.line for item in items] == [line for line, _, _ in expected]
        for item, (_, text, valid) in zip(items, expected, strict=True):
            assert text is None or item.url == text
            assert (item.error is None) == valid
        assert_resumes_everywhere(source)


def test_white_space_goes_and_all_else_of_a_url_stays(put):
    path = put("l.txt", ' http://a/#x \r\n\n\thttp://b/?q=a b,c"d\xa0\r\n# no comment\nlast\r')
    assert brief(read(path)) == [
        (1, "http://a/#x", None),
        (3, 'http://b/?q=a b,c"d\xa0', None),
        (4, "# no comment", None),
        (5, "last", None),
    ]


def test_a_line_that_is_not_utf8_is_an_item_in_error(put):
    items = read(put("l.txt", b"http://a/\xff.png\nhttp://b/\n"))
    assert brief(items) == [(1, "http://a/\ufffd.png", NOT_UTF8), (2, "http://b/", None)]


@pytest.mark.parametrize("name", ["l.txt", "l.csv", "l.jsonl"])
def test_a_line_of_50_mb_is_an_item_in_error_and_never_held(put, name):
    path = put(name, b"x" * 50_000_000 + b"\nhttp://b/\n")
    tracemalloc.start()
    try:
        long, *rest = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    assert (long.line, long.url) == (1, "x" * 200 + "…")
    assert long.error == "the line is longer than 1,048,576 bytes"
    assert [item.line for item in rest] == [2]


def test_a_list_of_many_lines_is_never_held(put):
    path = put("l.txt", b"http://example.com/some/picture.jpg\n" * 300_000)
    tracemalloc.start()
    try:
        count = sum(1 for _ in open_source([path], SourceOptions()).items())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 300_000
    assert peak < 2_000_000


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


JSON_LINES = [
    ('{"url": " http://a/ ", "id": 7, "x": {"y": ["é", null]}}', "http://a/",
     ("7", '{"y": ["é", null]}')),
    ('{"id": null, "url": "http://b/", "x": true}', "http://b/", ("", "true")),
    ('"http://c/"', "http://c/", ("", "")),
    ('{"url": "http://d/", "id": "007", "x": 1.5}', "http://d/", ("007", "1.5")),
    ('{"url": "http://e/", "id": 12345678901234567890}', "http://e/",
     ("12345678901234567890", "")),
]  # fmt: skip


def test_json_lines_hold_objects_or_bare_texts(put):
    path = put("l.jsonl", "\n\n".join(line for line, _, _ in JSON_LINES))
    items = read(path, keep_columns=("id", "x"))
    assert [item.line for item in items] == [1, 3, 5, 7, 9]
    assert [item.url for item in items] == [url for _, url, _ in JSON_LINES]
    assert [tuple(text for _, text in item.extra) for item in items] == [
        kept for _, _, kept in JSON_LINES
    ]
    assert not any(item.error for item in items)
    assert_resumes_everywhere(open_source([path], SourceOptions(keep_columns=("id",))))


@pytest.mark.parametrize(
    "line",
    ["17", "null", "[1]", "{}", '{"url": 5}', '{"URL": "x"}', '{"url": "http://a/"', "[" * 100_000,
     "1" * 5000],
)  # fmt: skip
def test_other_json_is_an_item_in_error(put, line):
    bad, good = read(put("l.jsonl", line + '\n"http://b/"\n'))
    assert bad.error == "not a JSON object with a text under 'url'"
    assert bad.url == (line if len(line) <= 200 else line[:200] + "…")
    assert good.url == "http://b/"


def test_the_key_of_json_lines_can_be_chosen(put):
    path = put("l.jsonl", '{"link": "http://a/", "url": "no"}\n{"url": "no"}\n')
    good, bad = read(path, url_column="link")
    assert (good.url, bad.error) == ("http://a/", "not a JSON object with a text under 'link'")


def test_half_a_character_in_json_is_an_item_in_error(put):
    bad, kept = read(
        put("l.jsonl", '{"url": "http://a/\\ud800"}\n{"url": "http://b/", "k": "\\udfff"}'),
        keep_columns=("k",),
    )
    assert (bad.url, bad.error) == ("http://a/\ufffd", "the URL holds half a character")
    assert (kept.url, kept.extra, kept.error) == ("http://b/", (("k", "\ufffd"),), None)


def test_paths_are_taken_only_where_allowed(put):
    path = put("l.txt", " " * 5000 + "\npics/a b.png\nHTTPS://a/\nhttp://é/\nb\0c\nbild-é.png\n")
    closed = read(path)
    assert [item.path for item in closed] == [None] * 5
    opened = read(path, allow_files=True)
    assert [item.path for item in opened] == ["pics/a b.png", None, None, None, "bild-é.png"]
    assert opened[3].error == "no path holds a NUL character"


@pytest.mark.parametrize("cut", [10, 20_000])
def test_a_broken_gzip_list_is_a_sentence_with_the_line_reached(put, cut):
    body = b"".join(b"http://example.com/%d\n" % number for number in range(200_000))
    path = put("l.txt.gz", gzip.compress(body)[:cut])
    if cut == 10:
        with pytest.raises(InputError, match=r"can not read .*l\.txt\.gz: Compressed file ended"):
            read(path)
        return
    items = open_source([path], SourceOptions()).items()
    last = None
    with pytest.raises(InputError, match=r"can not read .*l\.txt\.gz beyond line ") as caught:
        for last in items:  # noqa: B007 - the last one is looked at below
            pass
    assert f"line {last.line:,}:" in str(caught.value)


def test_what_is_no_gzip_is_refused(put):
    with pytest.raises(InputError, match=r"can not read .*l\.txt\.gz: Not a gzipped file"):
        read(put("l.txt.gz", "http://a/\n"))


def test_a_list_that_shrinks_while_it_is_read_is_a_sentence(put):
    path = put("l.txt", b"http://example.com/\n" * 50_000)
    items = open_source([path], SourceOptions()).items()
    next(items)
    path.write_bytes(b"http://example.com/\n")
    with pytest.raises(InputError, match=r"l\.txt became shorter while it was read"):
        list(items)


@pytest.mark.parametrize("name", ["l.txt", "l.csv", "l.jsonl", "l", "l.txt.gz"])
@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b"\x7fELF\0\0", "looks like binary data, not like a list"),
        (b"\xff\xfeh\0t\0", "is UTF-16 text: convert it to UTF-8 first"),
    ],
)
def test_binary_data_and_utf16_are_refused_when_opening(put, name, head, sentence):
    path = put(name, gzip.compress(head) if name.endswith("gz") else head)
    with pytest.raises(InputError, match=sentence):
        open_source([path], SourceOptions())


@pytest.mark.parametrize(
    ("name", "content"),
    [("l.txt", b""), ("l.csv", b""), ("l.tsv", b"\n"), ("l.jsonl", b""), ("l.txt.gz", b""),
     ("m.txt.gz", gzip.compress(b"", mtime=0)), ("l.csv.gz", gzip.compress(b"url\n", mtime=0)),
     ("b", b"\xef\xbb\xbf")],
)  # fmt: skip
def test_an_empty_list_has_no_items(put, name, content):
    assert read(put(name, content)) == []


def test_formats_can_be_packed(put):
    body = json.dumps({"url": "http://a/"}).encode()
    assert brief(read(put("l.JSONL.GZ", gzip.compress(body)))) == [(1, "http://a/", None)]
    assert brief(read(put("l.tsv.gz", gzip.compress(b"x\turl\n1\thttp://a/", mtime=0)))) == [
        (2, "http://a/", None)
    ]
