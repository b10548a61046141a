"""Lists made of lines: what all formats have in common, and plain lists; packed or not."""

import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch.source import SourceOptions, listfile, open_source
from pixmill.errors import InputError
from tests.unit.reading import NOT_UTF8, assert_resumes_everywhere, brief, read, writer


@pytest.fixture
def put(tmp_path):
    return writer(tmp_path)


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
