"""The stream of items: kinds of input, order, numbering, resuming, identity, choice of lines."""

import gzip
import io
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from pixmill.batch.source import OnlyLines, SourceOptions, open_source
from pixmill.errors import InputError, UsageError

OPTIONS = SourceOptions()
IMAGE_ENDINGS = ["jpg", "jpeg", "png", "gif", "webp", "avif", "tif", "tiff", "bmp", "ico", "JPG"]
IMAGE_HEADS = {
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "gif": b"GIF89a\1\0\1\0",
    "webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "avif": b"\0\0\0\x20ftypavif\0\0\0\0",
    "tiff": b"II*\0\x08\0\0\0",
    "tiff-big-endian": b"MM\0*\0\0\0\x08",
    "bmp": b"BM\x3a\0\0\0\0\0",
    "ico": b"\0\0\1\0\1\0",
}


@pytest.fixture
def put(tmp_path):
    """Write a file, its directories too, and give its path."""

    def write(name, content=b""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(*inputs, **options):
    return list(open_source(inputs, SourceOptions(**options)).items())


def assert_resumes_everywhere(source):
    """Reading after any item gives exactly the rest."""
    whole = list(source.items())
    for place, item in enumerate(whole):
        assert list(source.items((item.line, item.position))) == whole[place + 1 :]


@pytest.fixture
def mixed(put):
    """Inputs of every kind, in a row, with blank lines at their ends."""
    folder = put("folder/b.png").parent
    put("folder/a/c.gif")
    return [
        put("a.txt", "\nhttp://a/\n\n\n"),
        put("empty.txt"),
        folder,
        put("b.csv", 'x,url\n"1\n2",http://b/\n\n'),
        put("single.png"),
        put("c.jsonl.gz", gzip.compress(b'"http://c/"\n\n"http://d/"')),
        put("d.txt", "http://e/"),
    ]


def test_lines_are_numbered_through_all_inputs_and_resume_from_each(mixed):
    items = read(*mixed)
    assert [(item.line, item.url.rpartition("/")[2] or item.url) for item in items] == [
        (2, "http://a/"),
        (5, "c.gif"),
        (6, "b.png"),
        (8, "http://b/"),
        (11, "single.png"),
        (12, "http://c/"),
        (14, "http://d/"),
        (15, "http://e/"),
    ]
    assert [item.position[0] for item in items] == [0, 2, 2, 3, 4, 5, 5, 6]
    assert_resumes_everywhere(open_source(mixed, OPTIONS))


def test_progress_rises_to_the_end_over_all_inputs(mixed):
    source = open_source(mixed, OPTIONS)
    shares = [source.progress(item) for item in source.items()]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] < 1
    assert source.total_bytes == sum(path.stat().st_size for path in mixed if path.is_file())


@pytest.mark.parametrize("name", ["l.txt", "l.txt.gz"])
def test_progress_is_the_share_of_the_bytes(put, name):
    body = b"http://example.com/picture.jpg\n" * 20_000
    path = put(name, gzip.compress(body) if name.endswith("gz") else body)
    source = open_source([path], OPTIONS)
    for item in source.items():
        share = source.progress(item)
        assert 0 <= share <= 1
        if name == "l.txt":
            assert share == pytest.approx((item.line - 1) / 20_000)
    assert share > 0.99


@pytest.mark.parametrize("changed", ["http://a/\n" + "\n" * 20, "http://a/\n\n\nhttp://c/d/e/f\n"])
def test_a_place_where_no_entry_begins_is_refused(put, changed):
    path = put("l.txt", "http://a/\nhttp://b/\n")
    source = open_source([path], OPTIONS)
    _, second = source.items()
    path.write_text(changed)
    with pytest.raises(InputError, match=r"l\.txt has changed: line 2 is not there"):
        list(source.items((second.line, second.position)))


def test_standard_input_is_a_plain_list_that_can_not_resume(put, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfhttp://a/\n\nx")))
    source = open_source([put("l.txt", "1\n2\n"), "-"], OPTIONS)
    assert (source.resumable, source.identity(), source.total_bytes) == (False, None, None)
    assert source.default_output is None
    items = list(source.items())
    assert [(item.line, item.url) for item in items] == [
        (1, "1"),
        (2, "2"),
        (3, "http://a/"),
        (5, "x"),
    ]
    assert source.progress(items[-1]) is None
    with pytest.raises(InputError, match="can not be read again from the middle"):
        list(source.items((1, (0, 0))))


def test_standard_input_must_be_a_text_and_open(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\0\1\2")))
    with pytest.raises(InputError, match="standard input looks like binary data"):
        read("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        read("-")


def test_a_named_pipe_is_read_as_it_comes_and_can_not_resume(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    source = open_source([pipe], OPTIONS)
    assert (source.resumable, source.identity(), source.default_output) == (False, None, None)
    writer = threading.Thread(target=pipe.write_text, args=("id,url\n1,http://a/\n",))
    writer.start()
    assert [(item.line, item.url) for item in source.items()] == [(2, "http://a/")]
    writer.join()


@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_a_file_with_the_ending_of_an_image_is_an_item(put, ending):
    path = put(f"a.{ending}", "anything")
    (item,) = read(path)
    assert (item.line, item.url, item.path, item.error) == (1, str(path), str(path), None)


@pytest.mark.parametrize("kind", IMAGE_HEADS)
def test_an_image_without_a_telling_name_is_known_by_its_bytes(put, kind):
    path = put("upload", IMAGE_HEADS[kind])
    (item,) = read(path)
    assert item.path == str(path)


def test_a_list_without_a_known_ending_is_plain(put):
    for name in ("list", "list.lst", "list.png.gz", "BM"):
        body = b"BM http://a/\n"
        items = read(put(name, gzip.compress(body) if name.endswith("gz") else body))
        assert [(item.url, item.path) for item in items] == [("BM http://a/", None)]


def test_a_directory_gives_its_visible_regular_files_in_byte_order_of_path(put, tmp_path):
    names = ["a.png", "a/b.png", "a/z/y.png", "a0.png", "B.png", "é.png", "\udcff.png", "notes.txt"]
    for name in [*names, ".hidden.png", ".hidden/x.png", "a/.x.png"]:
        put(f"d/{name}")
    (tmp_path / "d/link.png").symlink_to("B.png")
    (tmp_path / "d/nowhere.png").symlink_to("missing")
    (tmp_path / "d/loop.png").symlink_to("loop.png")
    (tmp_path / "d/linked").symlink_to(tmp_path / "d/a")
    os.mkfifo(tmp_path / "d/pipe.png")
    root = tmp_path / "d"
    items = read(root)
    expected = sorted([*names, "link.png"], key=os.fsencode)
    assert [item.path for item in items] == [f"{root}/{name}" for name in expected]
    assert [item.line for item in items] == list(range(1, len(expected) + 1))
    assert items[-1].url == f"{root}/\ufffd.png"
    assert all(Path(item.path).exists() for item in items)
    assert_resumes_everywhere(open_source([root], OPTIONS))


def test_the_paths_of_a_directory_begin_with_it_as_it_was_given(put, tmp_path, monkeypatch):
    put("d/a.png")
    monkeypatch.chdir(tmp_path)
    assert [read(name)[0].path for name in ("d", "d/", "./d", ".")] == [
        "d/a.png", "d/a.png", "./d/a.png", "./d/a.png"
    ]  # fmt: skip


def test_a_very_deep_directory_is_walked(tmp_path):
    levels = [Path(f"{tmp_path}/d" + "/x" * depth) for depth in range(1200)]
    for level in levels:
        level.mkdir()
    try:
        assert read(tmp_path / "d") == []
    finally:
        for level in reversed(levels):
            level.rmdir()


def test_an_empty_directory_has_no_items(tmp_path):
    source = open_source([tmp_path], OPTIONS)
    assert (list(source.items()), source.total_bytes) == ([], 0)


def test_a_directory_that_can_not_be_read_is_a_sentence(put, tmp_path):
    put("d/a/x.png")
    source = open_source([tmp_path / "d"], OPTIONS)
    (tmp_path / "d").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"can not read .*/d: No such file or directory"):
        list(source.items())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that can not be read by anyone")
def test_a_list_that_fails_to_read_is_a_sentence(tmp_path):
    for name in ("l.txt", "l.csv", "l.txt.gz", "l"):
        (tmp_path / name).symlink_to("/proc/self/mem")
        with pytest.raises(InputError, match=r"can not read .*: Input/output error"):
            open_source([tmp_path / name], OPTIONS)


@pytest.fixture
def nobody():
    """Give up root's rights, where the test has them, since root may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["l.txt", "l.csv", "a.png", "d/x.png", "l"])
@pytest.mark.usefixtures("nobody")
def test_what_may_not_be_read_is_a_sentence(name):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to others
        path = Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
        named = Path(folder, Path(name).parts[0])
        assert len(open_source([named], OPTIONS).identity()) > 0
        named.chmod(0)
        try:
            with pytest.raises(InputError, match=r"can not read .*: Permission denied"):
                open_source([named], OPTIONS)
        finally:
            named.chmod(0o700)


@pytest.mark.parametrize("name", ["l.txt", "l.csv.gz", "a.png", "l.parquet", "l", "d/"])
def test_what_is_not_there_is_a_sentence(tmp_path, name):
    with pytest.raises(InputError, match=r"can not read .*: No such file or directory"):
        open_source([f"{tmp_path}/{name}"], OPTIONS)


def test_inputs_that_make_no_sense_are_refused(put, tmp_path):
    with pytest.raises(UsageError, match="no input is given"):
        open_source([], OPTIONS)
    with pytest.raises(UsageError, match="can be read only once"):
        open_source(["-", "-"], OPTIONS)
    for path in ("-", put("l.txt"), put("a.png"), tmp_path):
        with pytest.raises(UsageError, match=r"--keep-columns needs .* has no columns"):
            open_source([path], SourceOptions(keep_columns=("id",)))
        with pytest.raises(UsageError, match=r"--url-column needs .* has no columns"):
            open_source([path], SourceOptions(url_column="id"))


@pytest.mark.parametrize(
    ("given_name", "output"),
    [
        ("d/l.txt", "d/l.txt-colors.csv"),
        ("d/l.csv.gz", "d/l.csv.gz-colors.csv"),
        ("d/", "d-colors.csv"),
        ("d/a.png", "d/a.png-colors.csv"),
    ],
)
def test_the_table_goes_beside_a_single_input(put, tmp_path, monkeypatch, given_name, output):
    for name in ("d/l.txt", "d/l.csv.gz", "d/a.png"):
        put(name)
    monkeypatch.chdir(tmp_path)
    assert open_source([given_name], OPTIONS).default_output == output
    assert open_source([given_name, "d/l.txt"], OPTIONS).default_output is None


def test_the_table_of_the_current_directory_goes_beside_it(put, tmp_path, monkeypatch):
    put("d/a.png")
    monkeypatch.chdir(tmp_path / "d")
    assert open_source(["."], OPTIONS).default_output == f"{tmp_path}/d-colors.csv"
    assert open_source(["/dev/null"], OPTIONS).default_output is None


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

    assert [item.line for item in chosen(iter([5, 8, 15])).items()] == [5, 8, 15]
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
