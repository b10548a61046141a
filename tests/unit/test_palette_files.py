"""Palettes in files: every format gives back what was written, whatever a user's program adds."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.color.palette import Entry, Palette
from pixmill.color.palette_files import FORMATS, read_palette, write_palette

BLACK, RED = Entry("black", (0, 0, 0)), Entry("red", (255, 0, 0))
CHANNEL = st.integers(0, 255)
UNFIT = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]))
TEXT = (
    st.text(st.characters(exclude_characters=UNFIT, exclude_categories=["Cs"]), max_size=40)
    .map(str.strip)
    .filter(bool)
)
ENTRIES = st.builds(
    Entry,
    TEXT,
    st.tuples(CHANNEL, CHANNEL, CHANNEL),
    st.none() | TEXT,
    st.lists(TEXT, max_size=2).map(tuple),
)
LISTED = b'[{"name":"black","hex":"#000"},{"hex":"#F00","name":"red","id":null}]'
# What a format keeps.
KEPT = {
    "json": lambda entry: entry,
    "csv": lambda entry: Entry(entry.name, entry.rgb, entry.id),
    "gpl": lambda entry: Entry(entry.name, entry.rgb),
    "ase": lambda entry: Entry(entry.name, entry.rgb),
}


def ase(*blocks, count=None):
    head = struct.pack(">4sHHI", b"ASEF", 1, 0, len(blocks) if count is None else count)
    return head + b"".join(blocks)


def block(kind, body=b""):
    return struct.pack(">HI", kind, len(body)) + body


def color(name, model, *samples):
    text = f"{name}\0".encode("utf-16-be")
    return block(
        1,
        struct.pack(">H", len(text) // 2)
        + text
        + model
        + struct.pack(f">{len(samples)}fH", *samples, 0),
    )


@pytest.mark.parametrize("guessed", [True, False])
@pytest.mark.parametrize("kind", FORMATS)
@given(name=TEXT, entries=st.lists(ENTRIES, min_size=1, max_size=8))
def test_what_is_written_is_read_again(kind, guessed, name, entries):
    palette = Palette(name, entries)
    again = read_palette(write_palette(palette, kind), name, None if guessed else kind)
    assert again == Palette(name, [KEPT[kind](entry) for entry in entries])


@pytest.mark.parametrize("kind", FORMATS)
def test_the_palette_of_css_survives_every_format(kind):
    css = Palette.css()
    again = read_palette(write_palette(css, kind), "css")
    assert again.entries == tuple(map(KEPT[kind], css.entries))


@pytest.mark.parametrize(
    "data",
    [
        b"black,#000000\nred,#FF0000\n",
        b"black,000\r\nred,f00",
        b"\xef\xbb\xbfblack , #000\r\n\r\n  \r\nred, #fF0000\r\n",
        b"black,#000\rred,#f00\r",
        b'Name,Hex\n"black",#000,\n"red",#f00\n',
        b"GIMP Palette\nName: old\nColumns: 3\n#\n  0   0   0\tblack\n255 0 0 red\n\n# end\n",
        b"\xef\xbb\xbfGIMP Palette\r\n0 0 0 black\r\n255\t0\t0\t red \r\n",
        b'[{"name": "black", "hex": "#000"}, {"name": "red", "hex": "F00", "more": [1]}]',
        b'\xef\xbb\xbf {"name": "x", "colors": ' + LISTED + b"}",
        b'{"black": "#000", "red": "#FF0000"}',
        ase(block(0xC001, b"\0\1\0\0"), color("black", b"RGB ", 0, 0, 0), block(0xC002),
            color("red", b"CMYK", 0, 1, 1, 0)),
        ase(color("black", b"Gray", 0), color("red", b"RGB ", 1, 0, 0)),
    ],
)  # fmt: skip
def test_a_file_is_read_by_its_content(data):
    assert read_palette(data, "mine") == Palette("mine", (BLACK, RED))


def test_ids_are_kept_as_text():
    rows = b'"Rose, pale",#FFE4E1,00123\nrose,#FFE4E1,\n'
    assert [entry.id for entry in read_palette(rows, "shop").entries] == ["00123", None]
    tree = b'[{"name": "a", "hex": "#123", "id": 77}, {"name": "b", "hex": "#123", "id": "x-1"}]'
    assert [entry.id for entry in read_palette(tree, "shop").entries] == ["77", "x-1"]


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_keeps_what_it_is_said_to_keep(kind):
    entries = [Entry("red", (255, 0, 0), "7", ("fire", "rosso")), Entry("sky", (9, 99, 255), "8")]
    again = read_palette(write_palette(Palette("mine", entries), kind), "mine")
    assert again.entries == tuple(map(KEPT[kind], entries))


def test_names_may_come_twice_also_as_keys_of_an_object():
    for data in (b'{"red": "#F00", "red": "#E00"}', b"red,#F00\nred,#E00\n"):
        entries = read_palette(data, "reds").entries
        assert [(entry.name, entry.hex) for entry in entries] == [
            ("red", "#FF0000"),
            ("red", "#EE0000"),
        ]


@pytest.mark.parametrize(
    "data",
    [
        b"GIMP Palette\n18 52 86\n",
        b'{"": "#123456"}',
        b",#123456",
        ase(color("", b"RGB ", 18 / 255, 0.2039, 0.3373)),
    ],
)
def test_a_color_without_a_name_is_named_by_its_value(data):
    assert read_palette(data, "bare").entries == (Entry("#123456", (18, 52, 86)),)


def test_gray_and_cmyk_swatches_become_rgb_by_the_plain_formula():
    data = ase(color("g", b"GRAY", 0.5), color("c", b"CMYK", 0.2, 0.4, 0.6, 0.5))
    assert [entry.rgb for entry in read_palette(data, "a").entries] == [
        (128, 128, 128),
        (102, 76, 51),
    ]


def test_a_given_format_is_not_guessed():
    assert read_palette(b"[rose,#F00\n", "a", "csv").entries[0].name == "[rose"
    assert read_palette(b"GIMP Palette,#F00\n", "a").entries[0].name == "GIMP Palette"
    assert read_palette(b"ASEF,#F00\n", "a").entries[0].name == "ASEF"
