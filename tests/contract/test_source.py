"""What every source promises: lines, blank lines, entering after any item, progress, identity.

Each kind of list holds the same URLs, plain and packed; a folder holds files; standard input flows.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import InputError

OPTIONS = SourceOptions()
URLS = [f"http://a.example/{number}.png" for number in range(40)]


def texts(urls, first_row):
    """Lines under `first_row`: two blank ones after every third, and line ends of both kinds."""
    rows = [first_row] * bool(first_row)
    for number, url in enumerate(urls):
        rows += [url, "", "\r"] if number % 3 == 0 else [url + "\r" * (number % 2)]
    return "\n".join(rows).encode()


def json_texts(urls):
    return texts([json.dumps({"url": url, "k": 1}) for url in urls], "")


def table(urls):
    file = io.BytesIO()
    pq.write_table(pa.table({"url": urls}), file, row_group_size=7)
    return file.getvalue()


MAKERS = {
    "txt": lambda urls: texts(urls, ""),
    "csv": lambda urls: texts([f'"1\n2",{url}' for url in urls], "id,url"),
    "tsv": lambda urls: texts([f"1\t{url}" for url in urls], "id\turl"),
    "jsonl": json_texts,
    "parquet": table,
}
# Of each kind, how many lines stand before the first entry, and how many an entry takes up.
BEFORE = {"csv": 1, "tsv": 1}
ENTRY_LINES = {"csv": 2}
LISTS = [name + packed for name in MAKERS for packed in ("", ".gz")]


def numbers(kind, count):
    """The lines that the entries begin on, blank ones and those inside quotes counted too."""
    lines, line = [], BEFORE.get(kind, 0) + 1
    for number in range(count):
        lines.append(line)
        line += ENTRY_LINES.get(kind, 1) + 2 * (number % 3 == 0 and kind != "parquet")
    return lines


@pytest.fixture
def make(tmp_path):
    """Make an input of a kind that holds URLs (a folder: their last parts) and give its path."""

    def write(kind, urls=URLS):
        path = tmp_path / f"l.{kind}"
        if kind != "folder":
            data = MAKERS[kind.removesuffix(".gz")](urls)
            path.write_bytes(gzip.compress(data, mtime=0) if kind.endswith(".gz") else data)
            return path
        path.mkdir(exist_ok=True)
        for url in urls:
            (path / url.rpartition("/")[2]).write_bytes(b"x")
        return path

    return write


@pytest.fixture
def stdin(monkeypatch):
    data = io.BytesIO(MAKERS["txt"](URLS))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_gives_its_urls_on_the_lines_they_begin_on_and_no_blank_ones(make, kind):
    items = list(open_source([make(kind)], OPTIONS).items())
    assert [item.url for item in items] == URLS
    assert [item.line for item in items] == numbers(kind.removesuffix(".gz"), len(URLS))
    assert not any(item.error or item.path for item in items)


def test_a_folder_gives_its_files_numbered_from_one(make):
    folder = make("folder")
    items = list(open_source([folder], OPTIONS).items())
    assert [item.path for item in items] == sorted(str(path) for path in folder.iterdir())
    assert [item.line for item in items] == list(range(1, len(URLS) + 1))


@pytest.mark.usefixtures("stdin")
def test_standard_input_gives_the_items_of_a_plain_list_once_and_from_the_start_only(make):
    source = open_source(["-"], OPTIONS)
    with pytest.raises(InputError, match="can not be read again from the middle"):
        next(source.items((1, (0, 0))))
    items = list(source.items())
    assert items == list(open_source([make("txt")], OPTIONS).items())
    assert (source.resumable, source.identity()) == (False, None)
    assert {source.progress(item) for item in items} == {None}


@pytest.mark.parametrize("kind", [*LISTS, "folder"])
def test_entering_after_any_item_gives_exactly_the_rest(make, kind):
    """Also with a source that was opened anew, as after a kill, and between two inputs."""
    inputs = [make(kind), make("txt")]
    whole = list(open_source(inputs, OPTIONS).items())
    assert len(whole) == 2 * len(URLS)
    assert all(one.line < other.line for one, other in pairwise(whole))
    for number, item in enumerate(whole):
        source = open_source(inputs, OPTIONS)
        assert source.resumable
        assert list(source.items((item.line, item.position))) == whole[number + 1 :]


@pytest.mark.parametrize("kind", [*LISTS, "folder"])
def test_progress_never_falls_and_stays_from_0_to_1(make, kind):
    source = open_source([make(kind)], OPTIONS)
    shares = [source.progress(item) for item in source.items()]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1


@pytest.mark.parametrize("kind", [*LISTS, "folder"])
def test_identity_is_json_and_changes_with_the_content_alone(make, kind):
    path = make(kind)
    source = open_source([path], OPTIONS)
    before = source.identity()
    list(source.items())
    assert source.identity() == open_source([path], OPTIONS).identity() == before
    assert json.loads(json.dumps(before)) == before
    make(kind, [*URLS, "http://a.example/more.png"])
    assert open_source([path], OPTIONS).identity() != before


@pytest.mark.parametrize("kind", [*LISTS, "folder"])
def test_a_place_beyond_a_list_that_became_shorter_is_refused(make, kind):
    """`items` must not go on from another entry than the one it was told of."""
    path = make(kind)
    last = list(open_source([path], OPTIONS).items())[-1]
    if kind == "folder":
        for picture in sorted(path.iterdir())[1:]:
            picture.unlink()
    else:
        make(kind, URLS[:1])
    with pytest.raises(InputError, match=r"has changed: line \d+ is not there"):
        list(open_source([path], OPTIONS).items((last.line, last.position)))
