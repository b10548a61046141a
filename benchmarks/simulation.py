"""How long a list job takes over many workers, and what is short first: a simulation.

The costs come from `benchmarks/calibration.py`; what servers, networks and machines are like is
assumed, and every assumption is a field of `World` (`simulated_shards.py`). The job itself is in
`simulated_job.py`.

    python benchmarks/simulation.py [--urls N ...] [--workers N ...] [--set NAME=VALUE ...]
    python benchmarks/simulation.py --billion [--set NAME=VALUE ...]
    python benchmarks/simulation.py --costs
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.simulated_job import simulated
from benchmarks.simulated_shards import CALIBRATION, MEASURED, MIX, World

if TYPE_CHECKING:
    from benchmarks.simulated_job import Outcome


def duration(seconds: float) -> str:
    """A time as people say it."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def row(world: World, outcome: Outcome) -> str:
    """A row of the table."""
    busy = outcome.busy
    parts = " | ".join(f"{busy[name]:.0%}" for name in ("processors", "network", "catalog"))
    shard = " / ".join(f"{outcome.percentile_s(percent):.3g}" for percent in (50, 99))
    return (
        f"| {world.urls:,} | {world.workers:,} | {duration(outcome.makespan_s)} "
        f"| {outcome.urls_s:,.0f} | {parts} | {shard} | {outcome.short} |"
    )


HEADER = """\
| URLs | workers | time | URLs/s | processors | network | catalog | shard p50 / p99, s | short |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def billion(changes: dict[str, object]) -> None:
    """Play a billion lines over a hundred workers, some slow, some dying, among slow hosts."""
    asked = {"crashes_an_hour": 0.1, "slow_part": 0.05, "hang_part": 0.01, **changes}
    for slots in (2, 8, 16):
        world = World.calibrated(1_000_000_000, 100, **{"slots": slots, **asked})
        told = ", ".join(f"{name}={value}" for name, value in asked.items())
        print(f"{world.slots} shards a worker at once, {told}\n{HEADER}")
        outcome = simulated(world)
        print(row(world, outcome))
        tell(outcome)


def tell(outcome: Outcome) -> None:
    """Print all there is to say of one job."""
    for name, part in outcome.busy.items():
        print(f"busy, {name}: {part:.1%}")
    print(f"URLs: {outcome.urls:,}, of these failed {outcome.failed:,}")
    print(f"shards: {outcome.shards:,}; crashes: {outcome.crashes:,}")
    print(f"URLs done again: {outcome.urls_again:,} ({outcome.urls_again / outcome.urls:.2%})")
    print(f"downloaded: {outcome.bytes / 1e12:,.1f} TB; processors: {outcome.cpu_s / 3600:,.0f} h")
    percents = (50, 90, 99, 100)
    times = ", ".join(f"p{each} {outcome.percentile_s(each):,.1f} s" for each in percents)
    print(f"shards took {times}\n")


def costs() -> None:
    """Print what the calibration found, for one image and for a million."""
    told = json.loads(CALIBRATION.read_text())
    print(f"{told['machine']}, {told['date']}")
    print("| image | MP | bytes | processor ms | (least to most) | a core's hour does "
          "| a million: core hours | downloaded, GB | greys, GB |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, image in told["images"].items():
        ms, grey = image["cpu_ms"], told["grey_bytes"][name]
        print(
            f"| {name} | {image['megapixels']:.3g} | {image['bytes']:,} | {ms:.3g} "
            f"| {image['cpu_ms_least']:.3g} to {image['cpu_ms_most']:.3g} | {3.6e6 / ms:,.0f} "
            f"| {ms / 3.6:.3g} | {image['bytes'] / 1e3:,.0f} | {grey / 1e3:,.0f} |"
        )
    world = World.calibrated(0, 1)
    parts = [(image.part, image.cpu_ms, image.size_bytes) for image in world.images.values()]
    ms, size = (sum(part[0] * part[at] for part in parts) for at in (1, 2))
    print(f"of the mix {MIX}: {ms:.3g} ms and {size:,.0f} bytes an image")
    for name in (*MEASURED, "list_bytes_a_line", "kept_bytes_a_line", "row_bytes"):
        print(f"{name}: {told[name]}")


def changes_of(words: list[str]) -> dict[str, object]:
    """Read `NAME=VALUE` as fields of World."""
    known = {each.name for each in fields(World)} - {"images", "urls", "workers"}
    pairs = dict(word.partition("=")[::2] for word in words)
    if unknown := pairs.keys() - known:
        sys.exit(f"no such input: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return {name: float(text) if "." in text else int(text) for name, text in pairs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--billion", action="store_true")
    parser.add_argument("--costs", action="store_true", help="what the calibration found")
    parser.add_argument("--urls", nargs="+", type=int, default=[10**6, 10**7, 10**8, 10**9])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 10, 100, 1000])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", dest="changes")
    options = parser.parse_args()
    changes, began = changes_of(options.changes), time.monotonic()
    if options.costs:
        costs()
    elif options.billion:
        billion(changes)
    else:
        print(HEADER)
        for urls in options.urls:
            for workers in options.workers:
                world = World.calibrated(urls, workers, **changes)
                print(row(world, simulated(world)), flush=True)
    print(f"({time.monotonic() - began:.0f} s)", file=sys.stderr)


if __name__ == "__main__":
    main()
