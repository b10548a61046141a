"""A few images named on the command line, answered on standard output.

A table with swatches on a terminal, CSV elsewhere, or JSON lines. Failures are told on standard
error, as in a run over a list.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pixmill.batch.job import Report
from pixmill.batch.progress import Progress
from pixmill.batch.runner import Run
from pixmill.batch.sink.rows import TableOptions, csv_header, csv_row, json_row
from pixmill.cli.refusals import is_url
from pixmill.cli.run_options import run_options
from pixmill.cli.standard_output import write_lines
from pixmill.cli.swatches import match_table
from pixmill.cli.voice import open_voice
from pixmill.cli.watch import RunWatcher
from pixmill.errors import UsageError
from pixmill.record import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixmill.cli.order import Order
    from pixmill.record import Record
    from pixmill.settings import Settings


def match_few(order: Order, settings: Settings) -> Report:
    """Match the images and print what was found. Raises RunError."""
    if "" in order.inputs:
        raise UsageError("the name of an INPUT is empty")
    run = Run(_items(order.inputs), run_options(order, settings, wants_md5=order.json))
    progress = Progress()
    waiting: list[Record] = []
    with RunWatcher(open_voice(settings.log_format), order.verbosity or 1) as watcher, run:
        watcher.started(run, progress, 0)
        records = _seen(run, progress, watcher)
        if sys.stdout.isatty():  # where the bar of progress may stand as long as there is one
            waiting.extend(records)
        else:
            write_lines(_lines(records, order))
    if order.json:
        write_lines(_lines(waiting, order))
    else:
        match_table(waiting)
    return Report(
        complete=not run.stopped,
        ok=progress.ok,
        missed=progress.missed,
        failed=dict(progress.failed),
        progress=progress,
    )


def _items(names: tuple[str, ...]) -> Iterator[Item]:
    for line, name in enumerate(names, start=1):
        yield Item(line, name, path=None if is_url(name) else name)


def _seen(run: Run, progress: Progress, watcher: RunWatcher) -> Iterator[Record]:
    for pair in run:
        if pair is not None:
            progress.add(pair[1])
            watcher.seen(pair[1])
            yield pair[1]


def _lines(records: Iterable[Record], order: Order) -> Iterator[str]:
    options = TableOptions(header=order.header, product="match")
    render = json_row if order.json else csv_row
    if not order.json and order.header:
        yield csv_header(options).rstrip("\n")
    for record in records:
        row = render(record, options)
        if row:
            yield row.removesuffix("\n")
