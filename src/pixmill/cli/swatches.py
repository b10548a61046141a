"""Matches as a table with patches of their colors, for a terminal.

Owns what fits: an image has one line on a terminal of 80 columns, whatever it and its color are
called. What is cut or left out here, CSV and JSON tell in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.record import Match, Neighbor, Record

_PATCH = "  "
_GAP = 2
_NO_WIDTH = 2000  # more than rows can take
_LEAST_IMAGE = 12  # cells for the names of images, at least
_HEADS = ("color", "share", "nearest", "distance", "runner-up")
# How many columns, and cells for the name of a color of the palette, from best to narrowest.
_FORMS = ((5, 40), (5, 24), (4, 40), (4, 24), (4, 16))


def match_table(records: Iterable[Record], width: int | None = None) -> None:
    """Print records with an analysis; failed ones are told elsewhere.

    `width` in cells is by default that of the terminal. Runner-ups are shown where there is room
    for them, and of an image's name the end. Raises OutputError.
    """
    matches = [(record.url, record.match) for record in records if record.match is not None]
    if not matches:
        return
    width = width or Console().width
    for shown, most in _FORMS:
        cells = [_cells(match, most)[:shown] for _, match in matches]
        room = width - sum(_GAP + column for column in _widths(cells))
        if room >= _LEAST_IMAGE:
            break
    room = max(room, _LEAST_IMAGE)
    names = [Text(_end_of(printable(name), room)) for name, _ in matches]
    _print([[name, *rest] for name, rest in zip(names, cells, strict=True)])


def _print(rows: list[list[Text]]) -> None:
    """Print each row on one line, however long: what is too long for it, the terminal wraps."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for head in ("image", *_HEADS)[: len(rows[0])]:
        table.add_column(head, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(width=_NO_WIDTH)
    with console.capture() as captured:
        console.print(table)
    write_lines(line.rstrip() for line in captured.get().splitlines())


def _widths(rows: list[list[Text]]) -> list[int]:
    """Measure the columns beside the names of images."""
    columns = zip(_HEADS[: len(rows[0])], *rows, strict=True)
    return [max(len(head), *(cell.cell_len for cell in cells)) for head, *cells in columns]


def _end_of(text: str, room: int) -> str:
    """Cut a name to its end, which is what tells names of one folder apart."""
    if cell_len(text) <= room:
        return text
    while cell_len(text) >= room:
        text = text[1:]
    return f"…{text}"


def _cells(match: Match, most: int) -> list[Text]:
    if match.color is None or match.nearest is None:
        return [Text(), Text(), Text("no visible pixel"), Text(), Text()]
    distance = f"{match.nearest.distance:.4g}"
    if not match.found:
        distance += f" > {match.max_distance:g}"
    runner_up = Text()
    if match.runner_up is not None:
        runner_up = _neighbor(match.runner_up, most).append(f" +{match.margin:.4g}")
    return [
        _patch(match.color.hex),
        Text(f"{match.color.share:.0%}", justify="right"),
        _neighbor(match.nearest, most),
        Text(distance, "" if match.found else "red"),
        runner_up,
    ]


def _neighbor(neighbor: Neighbor, most: int) -> Text:
    words = printable(neighbor.name)
    if neighbor.id:
        words += f" ({printable(neighbor.id)})"
    text = Text(words)
    text.truncate(most, overflow="ellipsis")
    return _patch(neighbor.hex).append(" ").append_text(text)


def _patch(hex_: str) -> Text:
    return Text.assemble((_PATCH, f"on {hex_}"), f" {hex_}")
