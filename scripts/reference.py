"""Keeps the tables of docs/reference/ equal to the code.

A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; what is around it is written
by hand. `--write` renders every table anew, `--check` says which pages are behind and exits 1.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from pixmill import errors
from pixmill.cli.app import app
from pixmill.imaging.operations import OPERATIONS, PRESETS
from pixmill.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES = Path(__file__).parents[1] / "docs" / "reference"

# Where retrying depends on more than the code.
RETRIED = {
    "dns_failed": "unless the name does not exist",
    "http_error": "for 408, 425, 429 and 5xx",
}


def render_item_errors() -> str:
    """Table of the codes that an item can end with."""
    rows = []
    for kind in _tree(errors.ItemError):
        if "code" in vars(kind) and kind is not errors.ItemError:
            retried = RETRIED.get(kind.code, "yes" if kind.retryable else "no")
            rows.append((f"`{kind.code}`", _sentence(kind), retried, f"`{kind.__name__}`"))
    return _table(("Code", "Meaning", "Retried", "Class"), rows)


def render_run_errors() -> str:
    """Table of what ends a whole run."""
    rows = [(f"`{kind.__name__}`", _sentence(kind)) for kind in _tree(errors.RunError)]
    return _table(("Class", "Meaning"), rows[1:])


def render_settings() -> str:
    """Table of every field of `Settings`, with the names it has in file and environment."""
    rows = [
        (
            f"`{name}`",
            f"`PIXMILL_{name.upper()}`",
            _default(field),
            _range(field),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    ]
    return _table(("Setting", "Environment", "Default", "Range", "Meaning"), rows)


def render_commands() -> str:
    """One section a command: usage, help, and a table for each group of arguments and options."""
    root = typer.main.get_command(app)
    context = root.make_context("pixmill", [], resilient_parsing=True)
    return "\n\n".join([_options(root, context), *_sections(root, context)])


def commands_of(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the commands of a group and of its groups, by the words that are typed."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{before}{name} ")
        elif not command.hidden:
            yield f"{before}{name}", command


def _sections(group: Any, parent: Any) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        # Without arguments a group would show its help and end.
        words = ["-"] if hasattr(command, "commands") else []
        context = command.make_context(name, words, parent=parent, resilient_parsing=True)
        if hasattr(command, "commands"):
            yield from _sections(command, context)
        elif not command.hidden:
            yield _section(command, context)


def _section(command: Any, context: Any) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    name = context.command_path.partition(" ")[2]
    title = f"## `{name}`\n\n```text\n{usage}\n```"
    return "\n\n".join([title, inspect.cleandoc(command.help or ""), _options(command, context)])


def _options(command: Any, context: Any) -> str:
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for part in command.params:
        record = part.get_help_record(context)
        if record is not None and part.param_type_name == "argument":
            row = (f"`{part.metavar or part.name.upper()}`", "", part.help or "")
            groups.setdefault("Arguments", []).append(row)
        elif record is not None:
            text = (part.help or "").replace(r"\[", "[")  # escaped from rich's markup
            meaning, _, default = text.partition("[default: ")
            row = (f"`{record[0]}`", default.rstrip("]"), meaning.strip())
            groups.setdefault(part.rich_help_panel or "General", []).append(row)
    tables = (
        f"**{name}**\n\n{_table(('Name', 'Default', 'Meaning'), rows)}"
        for name, rows in groups.items()
    )
    return "\n\n".join(tables)


def render_operations() -> str:
    """Table of the operations, and one of their parameters."""
    names = [(f"`{each.usage}`", each.summary, f"`{each.example}`") for each in OPERATIONS.values()]
    parameters = [
        (
            f"`{each.name}`",
            f"`{part.name.upper()}`",
            part.kind,
            _parameter_default(part),
            part.meaning,
        )
        for each in OPERATIONS.values()
        for part in each.parameters
    ]
    return "\n\n".join(
        [
            _table(("Operation", "What", "Example"), names),
            _table(("Operation", "Parameter", "Kind", "Default", "Meaning"), parameters),
        ]
    )


def render_presets() -> str:
    """Table of the named chains."""
    rows = [
        (f"`preset {name}`", ", ".join(f"`{line}`" for line in text.split("\n")))
        for name, text in PRESETS.items()
    ]
    return _table(("Preset", "Operations"), rows)


def _parameter_default(part: Any) -> str:
    if part.default is None:
        return "none"
    return f"`{part.spell(part.default)}`" if part.default else "the format's"


RENDERERS: dict[str, Callable[[], str]] = {
    "item-errors": render_item_errors,
    "run-errors": render_run_errors,
    "settings": render_settings,
    "commands": render_commands,
    "operations": render_operations,
    "presets": render_presets,
}


def renewed(page: str) -> str:
    """Render every table of a page anew; an unknown table's name is a KeyError."""

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- begin {name} -->\n\n{RENDERERS[name]()}\n\n<!-- end {name} -->"

    return re.sub(
        r"<!-- begin (?P<name>[\w-]+) -->.*?<!-- end (?P=name) -->", fill, page, flags=re.DOTALL
    )


def stale_pages() -> dict[Path, str]:
    """Find the pages whose tables are not what the code says, with the text they should have."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.md"))}
    fresh = {path: renewed(text) for path, text in pages.items()}
    return {path: text for path, text in fresh.items() if text != pages[path]}


def main() -> int:
    """Check or write, as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true")
    action.add_argument("--write", action="store_true")
    wanted = parser.parse_args()
    stale = stale_pages()
    for path, text in stale.items():
        if wanted.write:
            path.write_text(text, encoding="utf-8")
        else:
            sys.stderr.write(f"{path.name} is not what the code says: run `make reference`\n")
    return 1 if stale and wanted.check else 0


def _tree(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ != errors.__name__:
            continue  # of a room, which tells of it itself
        yield from _tree(child)


def _sentence(kind: type[Any]) -> str:
    return re.split(r"(?<=\.)\s", inspect.getdoc(kind) or "")[0].replace("\n", " ")


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "computed"
    value = field.default
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == ():
        return "none"
    return _number(value) if isinstance(value, int | float) else f"`{value}`"


def _range(field: Any) -> str:
    bounds = {
        word: getattr(part, name)
        for part in field.metadata
        for name, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
        if hasattr(part, name)
    }
    return " ".join(f"{word} {_number(bound)}" for word, bound in bounds.items())


def _number(value: float) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if value >= unit and value % unit == 0:
            return f"{value // unit} {name}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in lines
    )


if __name__ == "__main__":
    sys.exit(main())
