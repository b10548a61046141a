"""How many shards a worker has best at once, where some servers say nothing: time and memory.

Two workers do a list of thumbnails of which some URLs hang, each worker on a core of its own, with
another number of shards at once in each run. What a run of a plain command takes stands beside it,
and what `benchmarks/simulation.py` foretells with the calibrated cost of a thumbnail.

    python benchmarks/shards_at_once.py [--images 20000] [--hang 0.01] [--shards 2 4 8 16]
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cluster import Place, Workers, clustered, timed
from benchmarks.machine import describe, drawn_photo
from benchmarks.memory import summed_pss
from benchmarks.simulated_job import simulated
from benchmarks.simulated_shards import HERE, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

EVERY_S = 1.0


@contextlib.contextmanager
def silence() -> Iterator[list[str]]:
    """Servers that take connections and say nothing, each a host of its own; gives their URLs."""
    with contextlib.ExitStack() as stack:
        hosts = [f"127.0.1.{number}" for number in range(1, 201)]
        servers = [stack.enter_context(socket.create_server((host, 0))) for host in hosts]
        yield [
            f"http://{host}:{server.getsockname()[1]}"
            for host, server in zip(hosts, servers, strict=True)
        ]


class Memory:
    """The most memory that processes and what they start have had at once, in bytes (PSS)."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.most = max(self.most, sum(map(summed_pss, self._processes)))


def write_list(place: Place, images: int, hang: float, silent: list[str]) -> None:
    """Let every so many URL of a list be one that hangs."""
    lines = place.urls.read_text().splitlines()[:images]
    every = round(1 / hang) if hang else images + 1
    for at in range(every - 1, images, every):
        lines[at] = f"{silent[at // every % len(silent)]}/{at}"
    place.urls.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure each number."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--hang", type=float, default=0.01)
    parser.add_argument("--shards", type=int, nargs="+", default=[2, 4, 8, 16])
    arguments = parser.parse_args()
    print(describe())
    thumbnails = [drawn_photo(seed, 128, 128) for seed in range(20)]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = stack.enter_context(clustered(folder, arguments.images, thumbnails))
        write_list(place, arguments.images, arguments.hang, stack.enter_context(silence()))
        alone = {name: value for name, value in place.env.items() if name != "PIXMILL_BROKER"}
        print(f"{arguments.images} thumbnails, {arguments.hang:.1%} hang")
        print(f"  plain command: {timed(place.order('plain.csv'), alone):.1f} s", flush=True)
        for number in arguments.shards:
            place.env["PIXMILL_SHARDS"] = str(number)
            with Workers(place, 2) as workers, Memory(workers.processes()) as memory:
                seconds = timed(place.order("o.csv"), place.env)
            world = World.calibrated(
                arguments.images, 2,
                mix={"thumbnail": 1.0}, slots=number, hang_part=arguments.hang,
                per_host=place.per_host, **HERE,
            )  # fmt: skip
            foretold_s = simulated(world).makespan_s
            mebibytes = memory.most / 2 / (1 << 20)
            print(
                f"  {number:>2} at once: {seconds:.1f} s, {foretold_s:.1f} s foretold, "
                f"{mebibytes:.0f} MiB a worker",
                flush=True,
            )


if __name__ == "__main__":
    main()
