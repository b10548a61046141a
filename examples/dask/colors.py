"""What `pixmill colors` does with a list, done by Dask: a partition is a stretch of the list.

    python examples/dask/colors.py urls.txt -o colors.csv

Each partition runs `pixmill.batch.run` over its lines and keeps its rows in a file of its own; at
the end these are put together, in order. A partition is done once: after a kill the same command
goes on with those that are left. Settings come from where the command has them, `PIXMILL_MEMORY`
for one, and are shared out among the partitions that are at work at once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import dask.bag

from pixmill.analysis import Wanted
from pixmill.batch import RunOptions, run
from pixmill.batch.memory import most_workers
from pixmill.batch.sink import TableOptions, errors_path, open_table
from pixmill.batch.source import Place, SourceOptions, open_source
from pixmill.errors import RunError
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixmill.batch.source import Source


class Stretch(NamedTuple):
    """So many items of the list, from behind a place on."""

    number: int
    after: Place | None
    items: int


@dataclass(frozen=True)
class Order:
    """What is the same for all partitions. Small, since Dask hands it to each of them."""

    source: Path
    folder: Path
    ending: str
    table: TableOptions
    options: RunOptions

    def part(self, number: int) -> Path:
        """Name the table of a stretch."""
        return self.folder / f"{number:07}{self.ending}"


def cut(source: Source, most: int) -> Iterator[Stretch]:
    """Walk through the list once, without keeping it. An empty list is one empty stretch."""
    after = here = None
    number = count = 0
    for item in source.items():
        count, here = count + 1, (item.line, item.position)
        if count == most:
            yield Stretch(number, after, count)
            after, number, count = here, number + 1, 0
    if count or not number:
        yield Stretch(number, after, count)


def work(stretches: Iterable[Stretch], order: Order) -> list[int]:
    """Do what Dask gives to one partition; this runs wherever Dask wants it to.

    A list is given back: a generator would be run after the tasks, in one thread, or be refused.
    """
    numbers = []
    for stretch in stretches:
        part = order.part(stretch.number)
        if not part.exists():  # or else it was done before a kill
            make(part, stretch, order)
        numbers.append(stretch.number)
    return numbers


def make(part: Path, stretch: Stretch, order: Order) -> None:
    """Write the table of a stretch and its errors file, both or none."""
    source = open_source([order.source], SourceOptions())
    items = islice(source.items(stretch.after), stretch.items)
    with closing(open_table(part, order.table, None)) as sink:
        for record in run(items, order.options):
            sink.write(record)
        sink.finish()
        sink.publish()


def put_together(order: Order, numbers: list[int], output: Path) -> None:
    """Write parts one after another; errors files have a header each, of which one is wanted."""
    parts = [order.part(number) for number in numbers]
    append([errors_path(part) for part in parts], errors_path(output), header_lines=1)
    append(parts, output, header_lines=0)


def append(parts: list[Path], output: Path, header_lines: int) -> None:
    """Write files into one."""
    growing = output.with_name(output.name + ".part")
    with growing.open("wb") as whole:
        for number, part in enumerate(parts):
            with part.open("rb") as file:
                for _ in range(header_lines if number else 0):
                    file.readline()
                shutil.copyfileobj(file, whole)
    growing.replace(output)


def options_of(at_once: int, *, n: int, md5: bool) -> RunOptions:
    """Give each of `at_once` runs its share, so that together they keep to the settings."""
    settings = load_settings()
    memory = settings.memory // at_once
    return RunOptions.of(
        settings,
        wanted=Wanted(n=n, md5=md5),
        memory_bytes=memory,
        workers=min(max(1, settings.workers // at_once), most_workers(memory)),
        fetchers=max(1, settings.fetchers // at_once),
        per_host=max(1, settings.per_host // at_once),
        queue=max(1, settings.queue // at_once),
    )


def folder_of(output: Path, source: Source, *bearing: int) -> Path:
    """Name the folder of the parts by all that they depend on, so that no others are taken."""
    told = json.dumps([source.identity(), *bearing]).encode()
    return output.with_name(f"{output.name}.{hashlib.sha256(told).hexdigest()[:16]}.parts")


def carry_out(asked: argparse.Namespace) -> None:
    """Make the table that is asked for."""
    source = open_source([asked.list], SourceOptions())
    folder = folder_of(asked.output, source, asked.n, asked.lines)
    folder.mkdir(exist_ok=True)
    order = Order(
        source=asked.list.resolve(),
        folder=folder.resolve(),
        ending=asked.output.suffix,
        table=TableOptions(n=asked.n),
        options=options_of(asked.at_once, n=asked.n, md5=asked.output.suffix != ".csv"),
    )
    stretches = list(cut(source, asked.lines))
    bag = dask.bag.from_sequence(stretches, partition_size=1).map_partitions(work, order)
    # A pool for each task at a time: `num_workers` is what bounds memory. `processes` would give
    # each process six tasks at a time, done one after another, were it not for the `chunksize`.
    numbers = bag.compute(scheduler=asked.scheduler, num_workers=asked.at_once, chunksize=1)
    put_together(order, numbers, asked.output)
    shutil.rmtree(folder)


def main() -> int:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("list", type=Path, help="URLs, one a line, or any list of `pixmill colors`")
    parser.add_argument("-o", dest="output", type=Path, required=True, help="FILE.csv or .jsonl")
    parser.add_argument("-n", type=int, default=3, help="colors an image")
    parser.add_argument("--lines", type=int, default=5000, help="lines a partition")
    parser.add_argument("--at-once", type=int, default=1, help="partitions at work at once")
    parser.add_argument("--scheduler", choices=["threads", "processes"], default="threads")
    asked = parser.parse_args()
    if asked.output.suffix not in {".csv", ".jsonl"}:
        parser.error("the output ends in .csv or .jsonl")
    try:
        carry_out(asked)
    except RunError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
