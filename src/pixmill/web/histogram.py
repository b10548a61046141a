"""The histogram of minutes, as the places of its bars: the template only writes them down."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.store.archive import Minute

WIDTH, HEIGHT = 960, 240
_MOST_BARS = 240
_TICKS = (1, 2, 5)
RESULTS = ("success", "duplicate", "fail")


class Bar(NamedTuple):
    """A part of a column: where it is drawn, in units of the chart, and what it stands for."""

    result: str
    x: float
    y: float
    width: float
    height: float


class Column(NamedTuple):
    """What came in one or some minutes: `title` says it in words."""

    x: float
    width: float
    title: str
    bars: tuple[Bar, ...]


class Line(NamedTuple):
    """A line of the grid, or a label of the time axis."""

    at: float
    label: str


class Chart(NamedTuple):
    """A drawn histogram of `WIDTH` by `HEIGHT`."""

    columns: tuple[Column, ...]
    rows: tuple[Line, ...]
    times: tuple[Line, ...]
    width: int
    height: int


def draw(minutes: Sequence[Minute]) -> Chart:
    """Place a column for each minute, or for some where they would be too thin to be seen."""
    step = -(-len(minutes) // _MOST_BARS)
    groups = [minutes[start : start + step] for start in range(0, len(minutes), step)]
    tallest = max((_height(group) for group in groups), default=0)
    top = _round_up(tallest)
    slot = WIDTH / max(1, len(groups))
    columns = [_column(group, place * slot, slot, top) for place, group in enumerate(groups)]
    every = max(1, len(groups) // 6)
    times = [
        Line(place * slot, f"{groups[place][0].minute:%H:%M}")
        for place in range(0, len(groups), every)
    ]
    rows = [Line(HEIGHT - HEIGHT * part / 2, f"{top * part / 2:g}") for part in (1, 2)]
    return Chart(tuple(columns), tuple(rows), tuple(times), WIDTH, HEIGHT)


def _height(group: Sequence[Minute]) -> int:
    return sum(each.success + each.duplicate + each.fail for each in group)


def _round_up(number: int) -> int:
    """Return the next number that reads well at the top of an axis, at least 2."""
    power = 1
    while True:
        for tick in _TICKS:
            if tick * power >= max(2, number):
                return tick * power
        power *= 10


def _column(group: Sequence[Minute], x: float, slot: float, top: int) -> Column:
    counts = {result: sum(getattr(each, result) for each in group) for result in RESULTS}
    bars, y, width = [], float(HEIGHT), max(1.0, slot * 0.8)
    for result, count in counts.items():
        if count:
            height = max(1.0, HEIGHT * count / top)
            y -= height
            bars.append(Bar(result, round(x, 2), round(y, 2), round(width, 2), round(height, 2)))
    words = ", ".join(f"{count} {result}" for result, count in counts.items())
    title = f"{group[0].minute:%Y-%m-%d %H:%M} UTC: {words}"
    return Column(round(x, 2), round(slot, 2), title, tuple(bars))
