"""The table of matches on a terminal: one line an image, and the answer always on it."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pixmill.cli.swatches import match_table
from pixmill.color.palette import Entry, Palette
from pixmill.matching import Matcher
from pixmill.record import Analysis, Cluster, Failure, Record

GOLDENROD = Cluster((250.0, 250.0, 210.0), 0.5)  # lightgoldenrodyellow, the longest name of CSS
LONG = Palette(
    "long",
    (Entry("Deep Crimson Sunset Limited Edition", (240, 8, 8), "SKU-12345"), Entry("b", (9,) * 3)),
)


def record(url, cluster=GOLDENROD, palette=None, **order):
    clusters = () if cluster is None else (cluster,)
    matcher = Matcher(palette or Palette.css(), **order)
    return Record(1, url, Analysis((), 0, 1, 1, "png", 1), match=matcher(clusters))


def told(capsys, records, width=80):
    match_table(records, width)
    return capsys.readouterr().out.splitlines()


def test_a_match_is_told_on_one_line(capsys):
    head, line = told(capsys, [record("a.png")])
    assert head.split() == ["image", "color", "share", "nearest", "distance"]
    assert line.split() == [
        "a.png", "#FAFAD2", "50%", "#FAFAD2", "lightgoldenrodyellow", "0",
    ]  # fmt: skip


def test_where_there_is_room_the_runner_up_is_told_and_how_much_farther_it_is(capsys):
    head, line = told(capsys, [record("a.png", Cluster((250.0, 5.0, 5.0), 1.0))], width=100)
    assert head.split()[-1] == "runner-up"
    *_, name, margin = line.split()
    assert (name, margin[0]) == ("orangered", "+")


@pytest.mark.parametrize("palette", [Palette.css(), LONG], ids=["css", "long names"])
@pytest.mark.parametrize("name", ["a.png", "https://a.example/" + "deep/" * 40 + "last.png"])
def test_nothing_is_wider_than_80_columns_and_each_name_keeps_its_end(capsys, palette, name):
    color = Cluster((140.0, 150.0, 160.0), 1.0)
    lines = told(capsys, [record(name, color, palette, max_distance=0.12345)])
    assert len(lines) == 2
    assert max(map(cell_len, lines)) <= 80
    assert lines[1].split()[0].endswith(name[-5:])


def test_a_narrow_terminal_loses_no_answer(capsys):
    _, line = told(capsys, [record("a.png")], width=20)
    assert "lightgoldenrody" in line
    assert "#FAFAD2" in line


def test_a_miss_tells_the_nearest_and_by_how_much_it_is_too_far(capsys):
    _, line = told(capsys, [record("a.png", Cluster((9.0, 200.0, 9.0), 1.0), LONG)])
    assert "#090909 b" in line
    assert line.endswith("0.749 > 0.2")


def test_an_image_without_a_visible_pixel_says_so(capsys):
    lines = told(capsys, [record("none.png", None), record("a.png")])
    assert lines[1].split() == ["none.png", "no", "visible", "pixel"]
    assert "lightgoldenrodyellow" in lines[2]


def test_failed_images_are_left_to_others_and_without_a_match_there_is_no_table(capsys):
    gone = Record(1, "gone.png", failure=Failure("http_error", "no"))
    assert told(capsys, [gone]) == []
    assert told(capsys, []) == []
    assert len(told(capsys, [gone, record("a.png")])) == 2


@given(name=st.text(st.characters(), max_size=60), width=st.integers(1, 200))
def test_any_name_takes_one_line_and_drives_no_terminal(name, width):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        match_table([record(f"{name}[bold red]x\x1b[2J")], width)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert "lightgoldenrody" in lines[1]
