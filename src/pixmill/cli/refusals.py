"""Orders that would do harm or can not be meant: each is refused in one sentence.

Owns what shows before anything is read or written; readers and sinks refuse the rest.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.terminal import printable
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from pixmill.cli.order import Order


def refuse_names(order: Order) -> None:
    """Refuse an empty name, as a variable that is not set gives it, and a URL in place of a list.

    An empty OUTPUT would otherwise be as if not given, and the table land where nobody looks.
    """
    if "" in (*order.inputs, order.output):
        raise UsageError("the name of an INPUT or OUTPUT is empty")
    for name in order.inputs:
        if is_url(name):
            raise UsageError(
                f"{printable(name)} is a URL; put it into a list, one URL a line, or give it to "
                "standard input: echo URL | pixmill colors - -o -"
            )


def is_url(name: str) -> bool:
    """Tell whether a name on the command line is a URL; UsageError for one of another scheme."""
    if re.match(r"(?!https?://)[a-z][a-z0-9+.-]*://", name, re.IGNORECASE):
        raise UsageError(f"{printable(name)}: only http and https URLs are fetched")
    return name.lower().startswith(("http://", "https://"))


def refuse_own_input(inputs: tuple[str, ...], output: Path, cache: Path | None) -> None:
    """Refuse to write over an input, or among the files of an input folder.

    A file that appears there would be an image of the next run, and would make the folder another
    input than the one that was begun: nothing could resume.
    """
    if cache is not None and cache.exists() and not cache.is_dir():
        raise UsageError(f"--cache {cache} is no folder")
    for name in inputs:
        if name == "-":
            continue
        if cache is not None and _lies_within(cache, name):
            raise UsageError(
                f"--cache {cache} lies within the input folder {name}; choose another folder"
            )
        if str(output) != "-":
            _refuse_output(output, name)


def _refuse_output(output: Path, name: str) -> None:
    from pixmill.batch.sink import errors_path  # noqa: PLC0415  help and usage errors need none of it

    if _lies_within(output.parent, name):
        raise UsageError(f"{output} lies within the input folder {name}; choose another -o")
    for written in (output, errors_path(output)):
        if written.exists() and written.samefile(name):
            raise UsageError(f"{name} is an input and would be overwritten; choose another -o")


def refuse_inputs_within(inputs: tuple[str, ...], folder: Path) -> None:
    """Refuse a folder to write into that holds an input, which could be written over."""
    for name in inputs:
        if name != "-" and Path(name).resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{name} is an input and lies within {folder}; choose another -o")


def _lies_within(path: Path, folder: str) -> bool:
    return Path(folder).is_dir() and path.resolve().is_relative_to(Path(folder).resolve())
