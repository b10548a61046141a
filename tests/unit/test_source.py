"""The stream of items: kinds of input, order, numbering, resuming, where the table goes."""

import gzip
import io
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import InputError, UsageError
from tests.unit.reading import assert_resumes_everywhere, mixed_inputs, read, writer

OPTIONS = SourceOptions()


@pytest.fixture
def put(tmp_path):
    return writer(tmp_path)


@pytest.fixture
def mixed(put):
    return mixed_inputs(put)


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
    assert source.name is None
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
    assert (source.resumable, source.identity(), source.name) == (False, None, None)
    writer = threading.Thread(target=pipe.write_text, args=("id,url\n1,http://a/\n",))
    writer.start()
    assert [(item.line, item.url) for item in source.items()] == [(2, "http://a/")]
    writer.join()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that can not be read by anyone")
def test_a_list_that_fails_to_read_is_a_sentence(tmp_path):
    for name in ("l.txt", "l.csv", "l.txt.gz", "l"):
        (tmp_path / name).symlink_to("/proc/self/mem")
        with pytest.raises(InputError, match=r"can not read .*: Input/output error"):
            open_source([tmp_path / name], OPTIONS)


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
    ("given_name", "name_of_it"),
    [
        ("d/l.txt", "d/l.txt"),
        ("d/l.csv.gz", "d/l.csv.gz"),
        ("d/", "d"),
        ("d/a.png", "d/a.png"),
    ],
)
def test_the_table_is_named_after_a_single_input(
    put, tmp_path, monkeypatch, given_name, name_of_it
):
    for name in ("d/l.txt", "d/l.csv.gz", "d/a.png"):
        put(name)
    monkeypatch.chdir(tmp_path)
    assert open_source([given_name], OPTIONS).name == name_of_it
    assert open_source([given_name, "d/l.txt"], OPTIONS).name is None


def test_the_table_of_the_current_directory_is_named_after_it(put, tmp_path, monkeypatch):
    put("d/a.png")
    monkeypatch.chdir(tmp_path / "d")
    assert open_source(["."], OPTIONS).name == f"{tmp_path}/d"
    assert open_source(["/dev/null"], OPTIONS).name is None
