"""Which palette a text means: css, a file, or one that the catalog keeps."""

from __future__ import annotations

import sys

import pytest

from pixmill import store
from pixmill.cli.palette_choice import choose_palette
from pixmill.color.palette import Entry, Palette
from pixmill.color.palette_files import write_palette
from pixmill.errors import InputError, MissingExtra, UsageError
from pixmill.settings import Settings
from pixmill.store import open_catalog

RED, BLUE = Entry("Red", (255, 0, 0), "7", ("fire",)), Entry("Blue", (0, 0, 255))


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Settings(data=tmp_path / "data")


def keep(settings, name, *entries):
    document = write_palette(Palette(name, entries), "json")
    with open_catalog(settings.catalog, settings.data) as catalog:
        catalog.palettes.put(name, document, len(entries))


def test_css_is_the_built_in_one_whatever_stands_there(settings, tmp_path):
    (tmp_path / "css").write_text("Red,#f00")
    assert choose_palette("css", settings) is Palette.css()


def test_a_name_is_that_of_a_kept_palette(settings):
    keep(settings, "brand", RED, BLUE)
    assert choose_palette("brand", settings) == Palette("brand", (RED, BLUE))


def test_a_file_that_is_there_goes_before_a_kept_palette(settings, tmp_path):
    keep(settings, "brand", RED)
    (tmp_path / "brand").write_text("Blue,#00f")
    assert choose_palette("brand", settings) == Palette("brand", (BLUE,))
    (tmp_path / "brand").unlink()
    (tmp_path / "brand").mkdir()
    assert choose_palette("brand", settings) == Palette("brand", (RED,))


@pytest.mark.parametrize("name", ["./brand", "gone/brand", "brand.csv", "brand.JSON", ".gpl", "/"])
def test_what_looks_like_a_file_is_one(settings, name):
    keep(settings, "brand", RED)
    with pytest.raises(InputError, match=r"can not be read: (No such file|Is a directory)"):
        choose_palette(name, settings)


@pytest.mark.parametrize(
    "name", ["nix", "a b", "x" * 10_000, "\x00", "\ud800", "\x1b]0;x\x07", "é"]
)
def test_an_unknown_name_is_told_with_what_there_is(settings, name):
    with pytest.raises(UsageError, match=r"there are css, and files: \.json \.csv \.gpl \.ase"):
        choose_palette(name, settings)
    keep(settings, "brand", RED)
    with pytest.raises(UsageError, match="there are css, brand, and files") as caught:
        choose_palette(name, settings)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_of_very_many_palettes_some_are_told(settings):
    for number in range(30):
        keep(settings, f"brand-{number:02}", RED)
    with pytest.raises(UsageError, match=r"css, brand-00, .*, brand-18 and 11 more, and files"):
        choose_palette("brand", settings)


def test_a_hostile_name_of_a_file_is_told_as_it_is(settings, tmp_path):
    (tmp_path / "e\x1b[2J.csv").write_text("Red,#f00")
    assert choose_palette("e\x1b[2J.csv", settings).name == "e\\x1b[2J"
    (tmp_path / "e\x1b[2J.csv").write_text("no color")
    with pytest.raises(UsageError, match="can not be read: line 1") as caught:
        choose_palette("e\x1b[2J.csv", settings)
    assert "\x1b" not in str(caught.value)


def test_files_and_css_need_no_extra_and_kept_palettes_do(settings, tmp_path, monkeypatch):
    keep(settings, "brand", RED)
    (tmp_path / "file.csv").write_text("Red,#f00")
    # So that whoever comes afterwards finds the package as it was, with its modules.
    monkeypatch.setattr(store, "sql", store.sql)
    for name in [
        name for name in sys.modules if name.startswith(("sqlalchemy", "pixmill.store.sql"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert choose_palette("css", settings).name == "css"
    assert choose_palette("file.csv", settings).name == "file"
    with pytest.raises(MissingExtra, match=r"pip install 'pixmill\[server\]'"):
        choose_palette("brand", settings)
