"""`pixmill palettes` as a user types it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pixmill.color.palette import Entry, Palette
from pixmill.color.palette_files import FORMATS, read_palette, write_palette
from pixmill.store import open_catalog
from tests import command

if TYPE_CHECKING:
    from pathlib import Path

BRAND = Palette(
    "brand",
    (
        Entry("Brand Red", (255, 0, 0), "R-1", ("fire",)),
        Entry("Öl [b]", (1, 2, 3)),
    ),
)
EVIL = json.dumps([{"name": "\u202egnp", "hex": "#010203", "id": "\u202e[2J"}])


def run(
    folder: Path, *arguments: str, text: str | None = None, fresh: bool = False, **env: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PIXMILL_DATA": str(folder / "data"), **env}
    return command.run("palettes", *arguments, cwd=folder, env=environment, text=text, fresh=fresh)


def brand_file(folder: Path, ending: str = "json") -> str:
    (folder / f"brand.{ending}").write_bytes(write_palette(BRAND, ending))
    return f"brand.{ending}"


def keep(folder: Path, palette: Palette = BRAND) -> None:
    """Put a palette into the catalog without the cost of a process."""
    document = write_palette(palette, "json")
    with open_catalog(None, folder / "data") as catalog:
        catalog.palettes.put(palette.name, document, len(palette.entries))


@pytest.mark.parametrize("ending", FORMATS)
def test_a_palette_is_imported_shown_and_exported_in_every_format(
    tmp_path: Path, ending: str
) -> None:
    done = run(tmp_path, "import", brand_file(tmp_path, ending))
    assert (done.returncode, done.stdout, done.stderr) == (0, "kept brand: 2 colors\n", "")
    assert run(tmp_path, "list").stdout == "css    139 colors\nbrand  2 colors\n"
    kept = read_palette((tmp_path / f"brand.{ending}").read_bytes(), "brand")
    tail = " R-1" if kept.entries[0].id else ""
    shown = f"Brand Red #FF0000{tail}\nÖl [b] #010203\n"
    assert run(tmp_path, "show", "brand").stdout == shown
    done = run(tmp_path, "export", "brand", "-o", f"out.{ending}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / f"out.{ending}").read_bytes() == write_palette(kept, ending)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"brand.{ending}",
        f"out.{ending}",
        "data",
    }


def test_json_is_for_programs(tmp_path: Path) -> None:
    keep(tmp_path)
    listed = json.loads(run(tmp_path, "list", "--json").stdout)
    css = {"name": "css", "entries": 139, "built_in": True}
    assert listed == [css, {"name": "brand", "entries": 2, "built_in": False}]
    exported = run(tmp_path, "export", "brand").stdout
    assert read_palette(exported.encode(), "brand") == BRAND


def test_a_palette_that_is_kept_is_replaced_only_on_demand(tmp_path: Path) -> None:
    keep(tmp_path)
    done = run(tmp_path, "import", "-", "--name", "brand", text="Blue,#0000ff\n")
    assert (done.returncode, done.stdout) == (2, "")
    sentence = "there is a palette brand already; --overwrite replaces it, --name keeps both"
    assert done.stderr == f"pixmill: {sentence}\n"
    run(tmp_path, "import", "-", "--name", "brand", "--overwrite", text="Blue,#0000ff\n")
    assert run(tmp_path, "show", "brand").stdout == "Blue #0000FF\n"


def test_a_file_that_is_there_is_replaced_only_on_demand(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    done = run(tmp_path, "export", "css", "-o", "mine.csv")
    assert done.returncode == 2
    assert done.stderr == "pixmill: mine.csv is there already; --overwrite replaces it\n"
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert run(tmp_path, "export", "css", "-o", "mine.csv", "--overwrite").returncode == 0
    assert (tmp_path / "mine.csv").read_text().startswith('"aliceblue",#F0F8FF\n')


def test_the_name_of_a_file_is_made_fit(tmp_path: Path) -> None:
    (tmp_path / "..bränd \x1b one.CSV").write_text("Red,#f00")
    assert run(tmp_path, "import", "..bränd \x1b one.CSV").stdout == "kept br-nd-one: 1 color\n"
    (tmp_path / "☃.csv").write_text("Red,#f00")
    done = run(tmp_path, "import", "☃.csv")
    assert done.stderr == "pixmill: no name can be made of ☃.csv; give it one by --name NAME\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (["import", "-"], 2, "a palette from standard input needs --name NAME"),
        (["import", "-", "--name", "x"], 2, "the palette 'x' can not be read: "),
        (["import", "gone.csv"], 1, "the palette gone.csv can not be read: No such file"),
        (["import", "."], 2, "no name can be made of .; give it one by --name NAME"),
        (["import", ".", "--name", "x"], 1, "the palette . can not be read: Is a directory"),
        (["import", "css.csv"], 2, "the palette css is built in; choose another name"),
        (["import", "css.csv", "--name", "a b"], 2, "a palette's name is 1 to 100 letters"),
        (["show", "nix"], 2, "there is no palette 'nix'; there are css, and files: .json .csv"),
        (["show", "\x1b[2J"], 2, "there is no palette '\\\\x1b[2J'; there are css"),
        (["show", ""], 2, "the name of the palette is empty"),
        (["show", "./nix"], 1, "the palette ./nix can not be read: No such file or directory"),
        (["export", "css", "-o", "no/x.csv"], 1, "the folder no does not exist"),
        (["export", "css", "--format", "xls"], 2, "the format is one of json, csv, gpl, ase"),
    ],
)
def test_what_can_not_be_done_is_a_sentence(
    tmp_path: Path, arguments: list[str], exit_code: int, told: str
) -> None:
    (tmp_path / "css.csv").write_text("Red,#f00")
    done = run(tmp_path, *arguments, text="")
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr
    if (tmp_path / "data").exists():
        with open_catalog(None, tmp_path / "data") as catalog:
            assert catalog.palettes.all() == []


def test_names_of_colors_can_not_drive_the_terminal(tmp_path: Path) -> None:
    done = run(tmp_path, "import", "-", "--name", "evil", text=EVIL)
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, "show", "evil").stdout == "\\u202egnp #010203 \\u202e[2J\n"


def test_a_terminal_without_the_letters_gets_them_escaped(tmp_path: Path) -> None:
    keep(tmp_path)
    done = run(tmp_path, "show", "brand", fresh=True, PYTHONIOENCODING="ascii")
    assert done.stdout == "Brand Red #FF0000 R-1\n\\xd6l [b] #010203\n"


def test_a_long_palette_is_cut_with_a_note_unless_all_is_asked_for(tmp_path: Path) -> None:
    entries = (Entry(f"c{number}", (0, number >> 8, number & 255)) for number in range(1234))
    keep(tmp_path, Palette("long", tuple(entries)))
    done = run(tmp_path, "show", "long")
    assert done.stdout.splitlines()[-1] == "c199 #0000C7"
    assert done.stderr == "1,034 colors more; --all shows them\n"
    done = run(tmp_path, "show", "long", "--all")
    assert done.stdout.splitlines()[-1] == "c1233 #0004D1"
    assert done.stderr == ""


def on_a_terminal(folder: Path, *arguments: str, **env: str) -> str:
    """What the command prints on a terminal, and on standard error."""
    ours, theirs = os.openpty()
    plain = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pixmill", "palettes", *arguments],
        cwd=folder, env=command.environment({"PIXMILL_DATA": str(folder / "data"), **plain, **env}),
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):  # the terminal's other end is gone
        while data := os.read(ours, 65_536):
            printed += data
    os.close(ours)
    process.wait(timeout=60)
    return printed.decode().replace("\r\n", "\n")


def test_a_color_terminal_shows_swatches(tmp_path: Path) -> None:
    keep(tmp_path)
    shown = on_a_terminal(tmp_path, "show", "brand")
    assert "\x1b[48;2;255;0;0m      \x1b[0m #FF0000 Brand Red" in shown
    assert "\x1b[48;2;1;2;3m      \x1b[0m #010203 Öl [b]\n" in shown  # no markup
    assert on_a_terminal(tmp_path, "show", "brand", NO_COLOR="1") == (
        "Brand Red #FF0000 R-1\nÖl [b] #010203\n"
    )


def test_no_binary_palette_is_poured_on_a_terminal(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, "export", "css", "--format", "ase")
    assert shown == "pixmill: ase is no text; -o names a file for it\n"


def test_asking_makes_no_catalog_and_css_needs_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "catalog.sqlite").write_text("no database" * 100)
    assert run(tmp_path, "show", "css").returncode == 0
    assert run(tmp_path, "show", "brand").returncode == 1
    (tmp_path / "data" / "catalog.sqlite").unlink()
    assert run(tmp_path, "list").stdout == "css  139 colors\n"
    assert run(tmp_path, "show", brand_file(tmp_path)).stdout.startswith("Brand Red #FF0000 R-1\n")
    assert run(tmp_path, "show", "brand").returncode == 2
    assert list((tmp_path / "data").iterdir()) == []
