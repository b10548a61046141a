"""Palettes and their entries: what they hold, what they refuse, and the names of CSS."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from PIL import ImageColor

from pixmill.color.css_names import NAMES
from pixmill.color.palette import MAX_ENTRIES, Entry, Palette
from pixmill.errors import UsageError

# Three of the synonyms of CSS: the American or CSS 2 name answers.
PREFERRED = {"gray": "grey", "aqua": "cyan", "fuchsia": "magenta", "darkslategray": "darkslategrey"}


def test_every_name_of_css_is_there_with_its_value():
    entries = Palette.css().entries
    ours = {name: entry.rgb for entry in entries for name in (entry.name, *entry.synonyms)}
    assert len(ours) == 148
    assert ours == {name: ImageColor.getrgb(name) for name in ImageColor.colormap}


def test_names_of_one_value_are_one_entry_with_synonyms():
    entries = Palette.css().entries
    assert len(entries) == len({entry.rgb for entry in entries}) == 139
    synonyms = {entry.name: entry.synonyms for entry in entries if entry.synonyms}
    assert len(synonyms) == 9
    assert {name: synonyms[name] for name in PREFERRED} == {
        name: (other,) for name, other in PREFERRED.items()
    }
    assert not any("grey" in entry.name for entry in entries)


def test_the_names_of_css_can_not_be_changed():
    with pytest.raises(TypeError):
        NAMES["black"] = 1


def test_the_palette_of_css_is_one_object_so_its_indexes_are_kept():
    assert Palette.css() is Palette.css()
    assert Palette.css().name == "css"


def test_an_entry_tells_its_color_in_upper_case():
    assert Entry("dodgerblue", (30, 144, 255)).hex == "#1E90FF"


def test_entries_and_palettes_are_frozen():
    palette = Palette("one", [Entry("black", (0, 0, 0))])
    assert isinstance(palette.entries, tuple)
    with pytest.raises(dataclasses.FrozenInstanceError):
        palette.entries = ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        palette.entries[0].name = "white"


def test_a_searched_palette_crosses_to_another_process():
    palette = Palette("two", (Entry("black", (0, 0, 0), "7"), Entry("white", (255, 255, 255))))
    answer = palette.nearest((9, 9, 9))
    copy = pickle.loads(pickle.dumps(palette))
    assert copy == palette
    assert copy.nearest((9, 9, 9)) == answer


@pytest.mark.parametrize("rgb", [(0, 0), (0, 0, 256), (-1, 0, 0), (0, 0, 0, 0)])
def test_a_color_out_of_range_is_refused(rgb):
    with pytest.raises(UsageError, match="three integers of 0 to 255"):
        Entry("odd", rgb)
    with pytest.raises(UsageError, match="three integers of 0 to 255"):
        Palette.css().nearest(rgb)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": ""}, "a color's name has 1 to 1,000 characters, not 0"),
        ({"name": "x" * 1001}, "a color's name has 1 to 1,000 characters, not 1,001"),
        ({"name": "a\nb"}, r"a color's name is one line of text, without the character '\\n'"),
        ({"name": "a\ud800"}, r"without the character '\\ud800'"),
        ({"name": "a", "id": "x" * 1001}, "a color's id has"),
        ({"name": "a", "synonyms": ("b", "")}, "a color's synonym has"),
    ],
)
def test_a_text_that_is_no_line_is_refused(fields, complaint):
    with pytest.raises(UsageError, match=complaint):
        Entry(rgb=(0, 0, 0), **fields)


def test_a_palette_has_at_least_one_and_at_most_a_million_colors():
    with pytest.raises(UsageError, match="1 to 1,000,000 colors, not 0"):
        Palette("none", ())
    with pytest.raises(UsageError, match="not 1,000,001"):
        Palette("many", (Entry("black", (0, 0, 0)),) * (MAX_ENTRIES + 1))
    with pytest.raises(UsageError, match="a palette's name has"):
        Palette("", (Entry("black", (0, 0, 0)),))
