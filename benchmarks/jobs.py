"""`POST /images/{md5}/operations` on loopback: jobs a second from request to result on the disk.

Photographs of about 300 x 300 are uploaded first. Then 8 clients ask for `grayscale`, `resize 200
200` and `normalize` of each in turn, and it is waited until all have succeeded.

    python benchmarks/jobs.py [--jobs 1000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest import small_photos
from benchmarks.machine import describe, spread
from benchmarks.render import CLIENTS, RATES
from tests.serving import Service, serving

CHAIN = {"operations": ["grayscale", "resize 200 200", "normalize"]}


def submitted(service: Service, md5s: list[str], number: int) -> None:
    """Submit so many jobs, from all clients."""

    def ask(first: int) -> None:
        with service.client() as client:
            for at in range(first, number, CLIENTS):
                path = f"/images/{md5s[at % len(md5s)]}/operations"
                client.post(path, json=CHAIN).raise_for_status()

    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(ask, range(CLIENTS)))


def wait_for_all(folder: Path, number: int) -> None:
    """Wait until so many results are whole on the disk."""
    results = folder / "data" / "blobs" / "results"
    while sum(path.is_file() for path in results.rglob("*")) < number:
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(describe())
    accepted, done = [], []
    with tempfile.TemporaryDirectory() as name, serving(Path(name), env=RATES) as service:
        with service.client() as client:
            answers = [client.post("/images", content=data) for data in small_photos(100)]
        md5s = [answer.raise_for_status().json()["md5"] for answer in answers]
        for number in range(1, arguments.rounds + 1):
            begun = time.perf_counter()
            submitted(service, md5s, arguments.jobs)
            accepted.append(arguments.jobs / (time.perf_counter() - begun))
            wait_for_all(Path(name), number * arguments.jobs)
            done.append(arguments.jobs / (time.perf_counter() - begun))
    print(f"\n{arguments.jobs} jobs a round, {CLIENTS} clients")
    print(f"  accepted  {spread(accepted)} a second")
    print(f"  done      {spread(done)} a second")


if __name__ == "__main__":
    main()
