"""A list done by one worker and by two, and by the plain command, in turn, in one run.

RabbitMQ, PostgreSQL and nginx run on all cores throughout. Each worker has a core of its own, as a
small machine has; the plain command has those of both workers. The list holds distinct URLs of
photographs. Printed are images a second, CPU seconds an image (of the workers, or of the plain
command; not of services, nor of the command that workers work for), and the ratios, as minimum,
median and maximum over the rounds.

    python benchmarks/cluster.py [--images 24000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread
from benchmarks.origin import numbered, origin
from tests.services import RABBITMQ, serve_postgres, serve_rabbit

from pixmill.store import open_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_HOST = 64
PIXMILL = (sys.executable, "-m", "pixmill")


@dataclass
class Figures:
    """What was measured of one way to do the list."""

    per_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """What these processes and all they started have used."""
    total = 0.0
    for process in processes:
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


@dataclass
class Place:
    """How a cluster of this machine is reached, and a list of photographs and their size."""

    env: dict[str, str]
    folder: Path
    urls: Path
    bytes_an_image: float
    per_host: int = PER_HOST

    def order(self, output: str) -> list[str]:
        """Name the command that does the list anew."""
        words = ["colors", str(self.urls), "-o", str(self.folder / output), "--overwrite"]
        words += ["--no-dedupe"]  # or equal bytes would be counted once
        return [*PIXMILL, *words]


class Workers:
    """So many workers, each on a core of its own; a context manager, that begins once they work."""

    def __init__(self, place: Place, number: int) -> None:
        self._place = place
        self._cores = sorted(os.sched_getaffinity(0))
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        self._number = number
        self.coming_s = 0.0

    def __enter__(self) -> Self:
        began = time.monotonic()
        for at in range(self._number):
            self._start(at)
        with open_catalog(self._place.env["PIXMILL_CATALOG"], self._place.folder) as catalog:
            while len(catalog.workers.alive()) < self._number:
                time.sleep(0.05)
        self.coming_s = time.monotonic() - began
        time.sleep(3)  # until their processes have loaded all
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._started.values():
            process.terminate()
        for process in self._started.values():
            process.wait()

    def _start(self, at: int) -> None:
        log = (self._place.folder / f"worker-{at}.log").open("ab")
        pin = ("taskset", "-c", str(self._cores[at % len(self._cores)]))
        order = [*pin, *PIXMILL, "worker", "--name", f"worker-{at}"]
        self._started[at] = subprocess.Popen(
            order, env=self._place.env, stdout=log, stderr=log, start_new_session=True
        )

    def kill(self, at: int) -> None:
        """End one at once, with all that it started, and begin it anew."""
        process = self._started[at]
        children = psutil.Process(process.pid).children(recursive=True)
        for each in (process, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
        self._start(at)

    def processes(self) -> list[psutil.Process]:
        """Their processes."""
        return [psutil.Process(process.pid) for process in self._started.values()]


@contextlib.contextmanager
def clustered(folder: Path, images: int, pictures: list[bytes] | None = None) -> Iterator[Place]:
    """RabbitMQ, PostgreSQL and nginx with photographs, and a list of so many URLs of them."""
    program = RABBITMQ.find()
    if program is None:
        raise SystemExit(f"RabbitMQ is missing: {RABBITMQ.how}")
    (folder / "rabbit").mkdir()
    files = numbered(pictures or photos())
    names = sorted(files)
    with (
        serve_rabbit(program, folder / "rabbit") as rabbit,
        serve_postgres() as postgres,
        origin(folder, files) as base,
    ):
        urls = folder / "urls.txt"
        with urls.open("w") as file:
            for number in range(images):
                file.write(f"{base}/{names[number % len(names)]}?{number}\n")
        env = {name: value for name, value in os.environ.items() if "PIXMILL" not in name}
        env |= {
            "PIXMILL_BROKER": rabbit.url,
            "PIXMILL_CATALOG": postgres.url,
            "PIXMILL_BLOBS": str(folder / "nas"),
            "PIXMILL_DATA": str(folder / "data"),
            "PIXMILL_ALLOW_NETWORKS": "127.0.0.0/8",
            "PIXMILL_PER_HOST": str(PER_HOST),
        }
        subprocess.run([*PIXMILL, "migrate"], env=env, check=True, stdout=subprocess.DEVNULL)
        yield Place(env, folder, urls, sum(map(len, files.values())) / len(files))


def children_seconds() -> float:
    """What commands that have ended used."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def timed(order: list[str], env: dict[str, str]) -> float:
    """Seconds of a command."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        order, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors.decode())
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(describe())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = stack.enter_context(clustered(folder, arguments.images))
        alone = {name: value for name, value in place.env.items() if name != "PIXMILL_BROKER"}
        figures = {name: Figures() for name in ("plain", "one worker", "two workers")}
        ratios: dict[str, list[float]] = {"two / one": [], "two / plain": []}
        for number in range(arguments.rounds):
            for count, name in ((1, "one worker"), (2, "two workers")):
                with Workers(place, count) as workers:
                    before = cpu_seconds(workers.processes())
                    seconds = timed(place.order(f"{count}.csv"), place.env)
                    used = cpu_seconds(workers.processes()) - before
                figures[name].per_s.append(arguments.images / seconds)
                figures[name].cpu_s.append(used / arguments.images)
            before = children_seconds()
            seconds = timed(place.order("plain.csv"), alone)
            used = children_seconds() - before
            figures["plain"].per_s.append(arguments.images / seconds)
            figures["plain"].cpu_s.append(used / arguments.images)
            two = figures["two workers"].per_s[-1]
            ratios["two / one"].append(two / figures["one worker"].per_s[-1])
            ratios["two / plain"].append(two / figures["plain"].per_s[-1])
            for count in (1, 2):
                if (folder / f"{count}.csv").read_bytes() != (folder / "plain.csv").read_bytes():
                    raise SystemExit("the tables differ")
            told = ", ".join(f"{name} {values[-1]:.2f}" for name, values in ratios.items())
            print(f"round {number + 1}: {told}", flush=True)
    print(f"\n{arguments.images} photographs")
    for name, each in figures.items():
        print(f"  {name:<12} {spread(each.per_s)} images/s; CPU an image {spread(each.cpu_s)} s")
    for name, values in ratios.items():
        print(f"  {name:<12} {spread(values)}")


if __name__ == "__main__":
    if not shutil.which("taskset"):
        raise SystemExit("taskset is missing: apt-get install util-linux")
    main()
