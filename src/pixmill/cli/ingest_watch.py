"""`pixmill ingest --watch`: what is put into a folder goes into the archive, until stopped."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pixmill.batch.job import Job, run_stream
from pixmill.batch.sink import TableOptions, errors_path
from pixmill.cli.run_options import run_options
from pixmill.cli.tables import own_standard_output
from pixmill.cli.voice import open_voice, tell_summary
from pixmill.cli.watch import RunWatcher
from pixmill.ingest.arrivals import Arrivals, Sender
from pixmill.ingest.watch import FolderWatch
from pixmill.ingest.watched import WatchedArrivals

if TYPE_CHECKING:
    from pixmill.cli.order import Order
    from pixmill.ingest.keeper import ArchiveKeeper
    from pixmill.settings import Settings


def watch_folder(
    order: Order, settings: Settings, keeper: ArchiveKeeper, folder: Path, source: str | None
) -> None:
    """Take files in until the first SIGINT or SIGTERM. Raises InputError for no folder.

    Rows go to standard output where the order says so. Watchers of one folder agree on its name:
    the `source`, or else its absolute path.
    """
    name = source or str(folder.resolve())
    watch = FolderWatch(folder, keeper.archive, name, keep_days=settings.keep)
    voice = open_voice(settings.log_format)

    def say(text: str) -> None:
        voice.say("note", text)

    stage = WatchedArrivals(
        watch, Arrivals(keeper, Sender(source), watch.key), keeper.archive, say, settings.keep
    )
    job = Job(
        source=watch,
        output=Path("-"),
        table=TableOptions(n=order.n, header=order.header, product=order.product),
        run=replace(run_options(order, settings, wants_md5=False), dedupe=False, cache=None),
        bearing={},
        stage=stage,
    )
    note = f"watching {folder}; Ctrl-C stops"
    with _output(order) as stream, RunWatcher(voice, max(order.verbosity, 1), note=note) as watcher:
        try:
            report = run_stream(job, stream, watcher)
        finally:
            watch.stop()
    tell_summary(voice, report, None, errors_path(job.output))


def _output(order: Order) -> BinaryIO:
    return own_standard_output() if order.output else Path(os.devnull).open("wb")
