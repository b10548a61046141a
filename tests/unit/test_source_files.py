"""Images and directories as inputs, and files whose names do not tell what they are."""

import gzip
import os
from pathlib import Path

import pytest

from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import InputError
from tests.unit.reading import assert_resumes_everywhere, read, writer

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
    return writer(tmp_path)


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
