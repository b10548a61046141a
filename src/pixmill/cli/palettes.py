"""`pixmill palettes`: the palettes that the catalog keeps; listed, shown, imported, exported."""

from __future__ import annotations

import json as json_module
import re
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixmill.cli.palette_choice import (
    BUILT_IN,
    STANDARD_INPUT,
    choose_palette,
    kept_palettes,
    read_palette_file,
)
from pixmill.cli.standard_output import write_bytes, write_lines
from pixmill.cli.terminal import counted, printable
from pixmill.errors import UsageError
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from pixmill.color.palette import Entry

palettes = typer.Typer(no_args_is_help=True, help="List, show, import and export palettes.")

_MOST_SHOWN = 200
_MAX_NAME_CHARS = 100
_UNFIT = re.compile("[^A-Za-z0-9._-]+")
_BINARY = "ase"


def _option(*names: str, say: str, **more: Any) -> Any:
    return typer.Option(*names, help=say.replace("[", r"\["), show_default=False, **more)


def _switch(*names: str, say: str) -> Any:
    return _option(*names, say=say, metavar="")


Chosen = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE", help="css, a kept palette's name, or a file.", show_default=False
    ),
]
Format = Annotated[str | None, _option("--format", metavar="json|csv|gpl|ase", say="Its format.")]


@palettes.command("list")
def list_palettes(json: Annotated[bool, _switch("--json", say="One JSON array.")] = False) -> None:
    """List the palettes there are: the built-in one and those that are kept."""
    from pixmill.color.css_names import NAMES  # noqa: PLC0415

    kept = kept_palettes(load_settings())
    # As `Palette.css` has them, one entry a value; that would start scipy for a number.
    rows = [(BUILT_IN, len(set(NAMES.values()))), *((info.name, info.entries) for info in kept)]
    if json:
        plain = [
            {"name": name, "entries": entries, "built_in": name == BUILT_IN}
            for name, entries in rows
        ]
        write_lines([json_module.dumps(plain, indent=1)])
        return
    width = max(len(printable(name)) for name, _ in rows)
    write_lines(f"{printable(name):<{width}}  {counted(size, 'color')}" for name, size in rows)


@palettes.command()
def show(
    name: Chosen,
    every: Annotated[bool, _switch("--all", say="Show all colors, however many.")] = False,
) -> None:
    """Show the colors of a palette: `name #RRGGBB id`, with swatches on a color terminal."""
    from rich.console import Console  # noqa: PLC0415

    palette = choose_palette(name, load_settings())
    size = len(palette.entries)
    shown = size if every else min(size, _MOST_SHOWN)
    entries = islice(palette.entries, shown)
    console = Console(highlight=False)
    if console.is_terminal and console.color_system and not console.no_color:
        for entry in entries:
            _print_swatch(console, entry)
    else:
        write_lines(map(_line, entries))
    if shown < size:
        sys.stderr.write(f"{counted(size - shown, 'color')} more; --all shows them\n")


@palettes.command("import")
def import_palette(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A palette's file, or - (standard input).", show_default=False
        ),
    ],
    name: Annotated[
        str | None, _option("--name", metavar="NAME", say="Keep it as [default: the file's name]")
    ] = None,
    format: Format = None,  # noqa: A002  the flag has the name
    overwrite: Annotated[bool, _switch("--overwrite", say="Replace one of that name.")] = False,
) -> None:
    """Keep a palette in the catalog: JSON, CSV (`name,#hex[,id]`), GIMP .gpl or Adobe .ase."""
    from pixmill.color.palette_files import write_palette  # noqa: PLC0415
    from pixmill.store import MUST_BE_NEW, open_catalog  # noqa: PLC0415

    settings = load_settings()
    kept_as = _fit_name(file) if name is None else name
    palette = read_palette_file(file, printable(kept_as) or "palette", format)
    document = write_palette(palette, "json")
    with open_catalog(settings.catalog, settings.data) as catalog:
        expected = None if overwrite else MUST_BE_NEW
        if catalog.palettes.put(kept_as, document, len(palette.entries), expected) is None:
            raise UsageError(
                f"there is a palette {kept_as} already; --overwrite replaces it, --name keeps both"
            )
    write_lines([f"kept {kept_as}: {counted(len(palette.entries), 'color')}"])


@palettes.command("export")
def export_palette(
    name: Chosen,
    output: Annotated[
        str, _option("-o", "--output", metavar="FILE", say="Where to, or - [default: -]")
    ] = "-",
    format: Annotated[  # noqa: A002  the flag has the name
        str | None,
        _option(
            "--format",
            metavar="json|csv|gpl|ase",
            say="Its format [default: FILE's ending, or json]",
        ),
    ] = None,
    overwrite: Annotated[bool, _switch("--overwrite", say="Replace the file.")] = False,
) -> None:
    """Write a palette to a file; JSON keeps everything, CSV all but synonyms."""
    from pixmill.batch.durable import check_target, write_atomically  # noqa: PLC0415
    from pixmill.color.palette_files import FORMATS, write_palette  # noqa: PLC0415

    ending = Path(output).suffix.lower().removeprefix(".")
    wanted = format or (ending if ending in FORMATS else "json")
    data = write_palette(choose_palette(name, load_settings()), wanted)
    if output == "-":
        if wanted == _BINARY and sys.stdout.isatty():
            raise UsageError(f"{_BINARY} is no text; -o names a file for it")
        write_bytes(data)
        return
    path = Path(output)
    check_target(path)
    if path.exists() and not overwrite:
        raise UsageError(f"{printable(output)} is there already; --overwrite replaces it")
    write_atomically(path, data)


def _fit_name(file: str) -> str:
    """Make a palette's name of a file's; UsageError where nothing is left of it."""
    if file == STANDARD_INPUT:
        raise UsageError("a palette from standard input needs --name NAME")
    name = _UNFIT.sub("-", Path(file).stem).strip(".-")[:_MAX_NAME_CHARS]
    if not name:
        raise UsageError(f"no name can be made of {printable(file)}; give it one by --name NAME")
    return name


def _line(entry: Entry) -> str:
    name = f"{printable(entry.name, 1000)} {entry.hex}"
    return name if entry.id is None else f"{name} {printable(entry.id, 1000)}"


def _print_swatch(console: Console, entry: Entry) -> None:
    from rich.text import Text  # noqa: PLC0415

    text = Text.assemble(("      ", f"on {entry.hex}"), f" {entry.hex} {printable(entry.name)}")
    if entry.id is not None:
        text.append(f" {printable(entry.id)}", style="dim")
    console.print(text, soft_wrap=True)
