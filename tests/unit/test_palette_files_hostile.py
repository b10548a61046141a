"""Files that are no palette: each is refused in one sentence that names the place."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.color import palette, palette_files
from pixmill.color.palette import Palette
from pixmill.color.palette_files import FORMATS, MAX_BYTES, read_palette, write_palette
from pixmill.errors import UsageError
from tests.unit.test_palette_files import ase, block, color

MANY = 1_000_001
READ_OR_REFUSED = re.compile("mine|the palette 'mine' can not be read: .+")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "a palette has 1 to 1,000,000 colors, not 0"),
        (b"red\n", "line 1: a row is name,#hex or name,#hex,id"),
        (b"red,#F00\n\nred,#F0\n", "line 3: '#F0' is no color such as #1E90FF"),
        ("red,#\uff11\uff12\uff13".encode(), "line 1: '#\uff11\uff12\uff13' is no color"),
        (b'red,#F00\n"red,#F00\nblue,#00F', "line 2: it is no CSV: unexpected end of data"),
        (b"red,#F00\nr\xffd,#F00", "line 2: the text is not UTF-8"),
        (b"red,#F00\nr\x00d,#F00", r"line 2: a color's name is one line of text, without the ch"),
        (b"x" * 1001 + b",#F00", "line 1: a color's name has 1 to 1,000 characters, not 1,001"),
        (b"red,#F00," + b"1" * 1001, "line 1: a color's id has 1 to 1,000"),
        (b"x" * 200_000 + b",#F00", "line 1: it has more than 10,000 characters"),
        (b"\n" * (2 * MANY), "it has more than 2,000,000 lines"),
        (b"GIMP Palette\n255 0 red\n", "line 2: '255 0 red' is not red, green, blue and a name"),
        (b"GIMP Palette\n\n256 0 0 red\n", "line 3: a color is three integers of 0 to 255"),
        (b"[", "line 1: it is no JSON: Expecting value"),
        (b'{\n"red": #F00}', "line 2: it is no JSON"),
        (b'["\xff"]', "offset 2: the text is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"[" + b"," * 8 * MANY, "it has more than 8,000,000 values"),
        (b"[" + b"1" * 5000 + b"]", "it holds a number with too many digits"),
        (b"[1]", 'color 1: it is no object with "name" and "hex"'),
        (b'{"a": "#F00", "b": 3}', "color 2: the color is missing or no text"),
        (b'[{"hex": "#F00"}]', "color 1: name is missing or no text"),
        (b'[{"name": "red"}]', "color 1: hex is missing or no text"),
        (b'[{"name": "r", "hex": "#F00", "id": true}]', "color 1: id is missing or no text"),
        (b'[{"name": "r", "hex": "#F00", "synonyms": 1}]', "color 1: synonyms are a list of text"),
        (b'[{"name": "r", "hex": "#F00", "synonyms": [1]}]', "color 1: a synonym is missing"),
        (b'[{"name": "\\ud800", "hex": "#F00"}]', "color 1: a color's name is one line of text"),
        (b"ASEF\0\1\0", "offset 0: it is no Adobe Swatch Exchange file"),
        (ase(count=3_000_001), "offset 8: 3,000,001 blocks are more than 3,000,000"),
        (ase(block(0xC001), count=2), "offset 18: the file ends within a block"),
        (ase(struct.pack(">HI", 1, 99)), "offset 12: the file ends within a block"),
        (ase(block(7)), "offset 12: a block of the unknown kind 0x0007"),
        (ase(block(0xC002)) + b"..", "offset 18: 2 bytes after the last block"),
        (ase(block(1)), "offset 12: the block ends within its color"),
        (ase(block(1, b"\0\1\0\0RGB \0\0")), "offset 12: the block ends within its color"),
        (ase(block(1, b"\0\1\xd8\0Gray\0\0\0\0")), "offset 12: the name is not UTF-16"),
        (ase(color("a", b"LAB ", 0, 0, 0)), "offset 12: colors of the model b'LAB ' are not read"),
        (ase(color("a", b"Gray", float("nan"))), "offset 12: .* are not samples of 0 to 1"),
        (ase(color("a", b"RGB ", 0, 1.5, 0)), "offset 12: .* are not samples of 0 to 1"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_palette_is_refused_with_its_place(data, complaint):
    with pytest.raises(UsageError, match=f"^the palette 'mine' can not be read: {complaint}"):
        read_palette(data, "mine")


def test_what_is_no_gimp_palette_is_refused_where_it_was_said_to_be_one():
    with pytest.raises(UsageError, match="line 1: a GIMP palette starts with the line"):
        read_palette(b"red,#F00", "mine", "gpl")


@pytest.mark.parametrize("data", [b"3", b"null", b'"red"', b"true"])
def test_json_that_is_neither_list_nor_object_is_refused_where_it_was_said_to_be_one(data):
    with pytest.raises(UsageError, match="neither a list of colors nor an object of names and co"):
        read_palette(data, "mine", "json")


def test_a_file_of_more_than_64_mib_is_refused():
    with pytest.raises(UsageError, match="has 67,108,865 bytes, over 67,108,864"):
        read_palette(bytes(MAX_BYTES + 1), "mine")


def test_reading_stops_at_the_first_color_too_many(monkeypatch):
    """A limit of three stands for the million; what follows the fourth color is not looked at."""
    monkeypatch.setattr(palette, "MAX_ENTRIES", 3)
    monkeypatch.setattr(palette_files, "MAX_ENTRIES", 3)
    assert len(read_palette(b"red,#F00\n" * 3, "mine").entries) == 3
    with pytest.raises(UsageError, match="a palette has 1 to 3 colors, not 4"):
        read_palette(b"red,#F00\n" * 4 + b"no row\n", "mine")


def test_an_unknown_format_is_refused():
    sentence = "the format is one of json, csv, gpl, ase, not 'xlsx'"
    with pytest.raises(UsageError, match=sentence):
        read_palette(b"red,#F00", "mine", "xlsx")
    with pytest.raises(UsageError, match=sentence):
        write_palette(Palette.css(), "xlsx")


@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_damaged_files_are_palettes_or_refused(kind, data):
    whole = bytearray(write_palette(Palette("css", Palette.css().entries[:5]), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert READ_OR_REFUSED.fullmatch(outcome(cut, None))
    assert READ_OR_REFUSED.fullmatch(outcome(cut, kind))


@pytest.mark.parametrize("kind", FORMATS)
@given(noise=st.binary(max_size=200))
def test_noise_is_a_palette_or_refused(kind, noise):
    assert READ_OR_REFUSED.fullmatch(outcome(noise, kind))


def outcome(data, kind):
    """The name of the palette, or the sentence of a refusal; any other error is the test's end."""
    try:
        return read_palette(data, "mine", kind).name
    except UsageError as error:
        return str(error)
