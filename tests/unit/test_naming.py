"""Names of pictures: whatever the list says, safe, stable and never the same for two images."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch.naming import Names
from pixmill.batch.source import SourceOptions, open_source
from pixmill.record import Item

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*-[a-z2-7]{16}\.webp")


def of_url(url: str) -> str:
    return Names(["urls.txt"]).of(Item(1, url), "webp")


def tree(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")


def named(*inputs: Path | str, format_: str = "png", options: SourceOptions | None = None):
    """Every file of the inputs, by its path, with its name."""
    names = Names([str(each) for each in inputs])
    items = open_source(inputs, options or SourceOptions()).items()
    return {item.path: names.of(item, format_) for item in items}


@pytest.mark.parametrize(
    ("url", "stem"),
    [
        ("http://a.example/shop/Red%20Shoe.jpg?size=1#x", "Red-Shoe"),
        ("http://a.example/", "a"),
        ("http://a.example/x/..", "image"),
        ("http://a.example/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "passwd"),
        ("http://a.example/..%5c..%5cboot.ini", "boot"),
        ("http://a.example/con.png", "con"),
        ("http://a.example/.hidden", "hidden"),
        ("http://a.example/a%00b\x1b[31m.png", "a-b-31m"),
        ("http://a.example/日本.png", "image"),
        ("http://a.example/" + "x" * 5000 + ".png", "x" * 60),
        ("\ud800", "image"),
        ("", "image"),
    ],
)
def test_a_url_is_named_by_its_last_part_and_a_digest(url, stem):
    name = of_url(url)
    assert SAFE.fullmatch(name), name
    assert name.rpartition("-")[0] == stem
    assert of_url(url) == name


@given(st.lists(st.text(max_size=30), min_size=2, max_size=2, unique=True))
def test_no_two_urls_have_one_name_whatever_they_are(urls):
    first, second = map(of_url, urls)
    assert first.casefold() != second.casefold()
    assert SAFE.fullmatch(first)


def test_files_of_a_folder_keep_their_paths_with_the_ending_of_the_format(tmp_path):
    tree(tmp_path / "in", "a.JPG", "b.png", "c.final.tif", "sub/d", "sub/e.PNG")
    names = named(tmp_path / "in")
    assert list(names.values()) == ["a.png", "b.png", "c.final.png", "sub/d.png", "sub/e.PNG"]
    assert next(iter(named(tmp_path / "in", format_="jpeg").values())) == "a.JPG"


@pytest.mark.parametrize(
    "paths",
    [
        ("a.jpg", "a.png"),
        ("a.jpg", "A.png"),
        ("a", "a.gif", "a.bmp"),
        ("\u00e9.jpg", "e\u0301.jpg"),
        ("X/a.jpg", "x/a.jpg"),
        ("a.png/b.jpg", "a.jpg"),
    ],
)
def test_files_that_would_have_one_name_get_a_digest(tmp_path, paths):
    tree(tmp_path / "in", *paths)
    names = list(named(tmp_path / "in").values())
    assert len({name.casefold() for name in names}) == len(paths)
    assert all(re.search(r"-[a-z2-7]{16}\.png$", name) for name in names)
    claimed = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    assert claimed.isdisjoint(names)


def test_what_looks_digested_is_digested_once_more(tmp_path):
    tree(tmp_path / "in", "a.jpg", "a.gif")
    taken = next(iter(named(tmp_path / "in").values()))
    tree(tmp_path / "in", taken)
    names = list(named(tmp_path / "in").values())
    assert len(set(names)) == 3


def test_a_name_that_leaves_no_room_for_an_ending_is_cut(tmp_path):
    tree(tmp_path / "in", "ä" * 125 + ".jpg", "ä" * 126)
    names = list(named(tmp_path / "in", format_="avif").values())
    assert len(set(names)) == 2
    tree(tmp_path / "out", *names)


def test_no_folder_takes_the_place_of_the_table(tmp_path):
    tree(tmp_path / "in", "Transformed.csv/a.png")
    (name,) = named(tmp_path / "in").values()
    assert re.fullmatch(r"a-[a-z2-7]{16}\.png", name)


def test_files_named_on_the_command_line_keep_their_names(tmp_path):
    tree(tmp_path, "x/a.png", "y/b.png", "y/a.png")
    assert list(named(tmp_path / "x/a.png", tmp_path / "y/b.png").values()) == ["a.png", "b.png"]
    twice = list(named(tmp_path / "x/a.png", tmp_path / "y/a.png").values())
    assert len(set(twice)) == 2


def test_several_folders_stand_beside_each_other(tmp_path):
    tree(tmp_path, "one/a.png", "two/a.png", "b.png", "deep/one/a.png")
    names = named(tmp_path / "one", tmp_path / "two", tmp_path / "b.png")
    assert list(names.values()) == ["one/a.png", "two/a.png", "b.png"]
    same = named(tmp_path / "one", tmp_path / "deep/one")
    assert len(set(same.values())) == 2


def test_a_folder_may_be_named_in_any_way(tmp_path, monkeypatch):
    tree(tmp_path / "in", "a.jpg", "sub/b.jpg")
    monkeypatch.chdir(tmp_path / "in")
    for name in (".", "./", "../in", "../in//", str(tmp_path / "in" / "sub" / "..")):
        assert list(named(name).values()) == ["a.png", "sub/b.png"]
    assert list(named("..", "sub").values()) == [
        f"{tmp_path.name}/in/a.png", f"{tmp_path.name}/in/sub/b.png", "sub/b.png",
    ]  # fmt: skip


def test_paths_of_a_list_are_named_as_urls_are(tmp_path):
    (tmp_path / "list.txt").write_text("../../etc/a.png\n/etc/a.png\n")
    names = named(tmp_path / "list.txt", options=SourceOptions(allow_files=True)).values()
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"a-[a-z2-7]{16}\.png", name) for name in names)
