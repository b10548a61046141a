"""A list done by one worker and by two, and by the plain command, in turn, in one run.

RabbitMQ, PostgreSQL and nginx run on all cores throughout. Each worker has a core of its own, as a
small machine has; the plain command has those of both workers. The list holds distinct URLs of
photographs. Printed are images a second, CPU seconds an image (workers and command alone, services
not), and the ratios, as minimum, median and maximum over the rounds.

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

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread
from benchmarks.origin import numbered, origin
from tests.services import RABBITMQ, serve_postgres, serve_rabbit

from pixmill.store import open_catalog

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


@contextlib.contextmanager
def workers(number: int, env: dict[str, str], folder: Path, catalog_url: str):
    """So many workers, each on a core of its own; gives their processes once they work."""
    cores = sorted(os.sched_getaffinity(0))
    started = []
    try:
        for at in range(number):
            log = (folder / f"worker-{at}.log").open("ab")
            pin = ("taskset", "-c", str(cores[at % len(cores)]))
            order = [*pin, *PIXMILL, "worker", "--name", f"worker-{at}"]
            started.append(subprocess.Popen(order, env=env, stdout=log, stderr=log))
        with open_catalog(catalog_url, folder / "data") as catalog:
            while len(catalog.workers.alive()) < number:
                time.sleep(0.1)
        time.sleep(3)  # until their processes have loaded all
        yield [psutil.Process(process.pid) for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


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
    program = RABBITMQ.find()
    if program is None:
        raise SystemExit(f"RabbitMQ is missing: {RABBITMQ.how}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "rabbit").mkdir()
        rabbit = stack.enter_context(serve_rabbit(program, folder / "rabbit"))
        postgres = stack.enter_context(serve_postgres())
        files = numbered(photos())
        base = stack.enter_context(origin(folder, files))
        urls, names = folder / "urls.txt", sorted(files)
        with urls.open("w") as file:
            for number in range(arguments.images):
                file.write(f"{base}/{names[number % len(names)]}?{number}\n")
        env = {name: value for name, value in os.environ.items() if "PIXMILL" not in name}
        env |= {
            "PIXMILL_CATALOG": postgres.url,
            "PIXMILL_BLOBS": str(folder / "nas"),
            "PIXMILL_DATA": str(folder / "data"),
            "PIXMILL_ALLOW_NETWORKS": "127.0.0.0/8",
            "PIXMILL_PER_HOST": "64",
        }
        clustered = {**env, "PIXMILL_BROKER": rabbit.url}
        subprocess.run([*PIXMILL, "migrate"], env=env, check=True, stdout=subprocess.DEVNULL)
        figures = {name: Figures() for name in ("plain", "one worker", "two workers")}
        ratios: dict[str, list[float]] = {"two / one": [], "two / plain": []}
        for number in range(arguments.rounds):
            for count, name in ((1, "one worker"), (2, "two workers")):
                with workers(count, clustered, folder, postgres.url) as processes:
                    before = cpu_seconds(processes)
                    output = str(folder / f"{count}.csv")
                    order = [*PIXMILL, "colors", str(urls), "-o", output, "--overwrite"]
                    seconds = timed(order, clustered)
                    used = cpu_seconds(processes) - before
                figures[name].per_s.append(arguments.images / seconds)
                figures[name].cpu_s.append(used / arguments.images)
            plain = folder / "plain.csv"
            before = psutil.Process().cpu_times()
            order = [*PIXMILL, "colors", str(urls), "-o", str(plain), "--overwrite"]
            seconds = timed(order, env)
            after = psutil.Process().cpu_times()
            used = after.children_user + after.children_system
            used -= before.children_user + before.children_system
            figures["plain"].per_s.append(arguments.images / seconds)
            figures["plain"].cpu_s.append(used / arguments.images)
            two = figures["two workers"].per_s[-1]
            ratios["two / one"].append(two / figures["one worker"].per_s[-1])
            ratios["two / plain"].append(two / figures["plain"].per_s[-1])
            for count in (1, 2):
                if (folder / f"{count}.csv").read_bytes() != plain.read_bytes():
                    raise SystemExit("the tables differ")
            print(
                f"round {number + 1}: " + ", ".join(f"{n} {r[-1]:.2f}" for n, r in ratios.items())
            )
    print(f"\n{arguments.images} photographs")
    for name, each in figures.items():
        print(f"  {name:<12} {spread(each.per_s)} images/s; CPU an image {spread(each.cpu_s)} s")
    for name, values in ratios.items():
        print(f"  {name:<12} {spread(values)}")


if __name__ == "__main__":
    if not shutil.which("taskset"):
        raise SystemExit("taskset is missing: apt-get install util-linux")
    main()
