"""The service on loopback, asked by `wrk`: answers that are kept, and uploads that are not.

Kept: the same match by URL over and over, from 16 connections. Uploads: JPEGs of 1 to 2 megapixels,
each made unlike all others by bytes behind its end, so that every one is decoded, from 16 clients;
images a second stand beside the decode bound, which is the scaled decode and the clusters alone, in
as many processes as the service has workers. Meanwhile `/healthz` is asked ten times a second.

    python benchmarks/service.py [--seconds 10] [--rounds 3]
"""

from __future__ import annotations

import argparse
import base64
import io
import multiprocessing
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread
from benchmarks.origin import numbered, origin
from tests.serving import Service, serving

from pixmill.color.summary import summarize
from pixmill.imaging.probe import probe
from pixmill.imaging.scaled import scaled

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

CLIENTS = 16
UPLOADS = """
local bodies, number = {}, 0
for index = 0, %(files)d - 1 do
    local file = io.open("%(folder)s/" .. index .. ".jpg", "rb")
    bodies[index] = file:read("*a")
    file:close()
end
function init(args) math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16) %% 100000) end
function request()
    number = number + 1
    local body = bodies[number %% %(files)d] .. number .. "-" .. math.random(2^30)
    return wrk.format("POST", "/colours/match?max_distance=2", nil, body)
end
"""


def megapixels() -> list[bytes]:
    """The photographs, those of another size brought to 1.5 megapixels."""
    found = []
    for data in photos():
        with Image.open(io.BytesIO(data)) as image:
            pixels = image.width * image.height
            if 1e6 <= pixels <= 2e6:
                found.append(data)
                continue
            factor = (1.5e6 / pixels) ** 0.5
            size = (round(image.width * factor), round(image.height * factor))
            target = io.BytesIO()
            image.convert("RGB").resize(size).save(target, "JPEG", quality=90)
            found.append(target.getvalue())
    return found


def work(data: bytes) -> None:
    small = scaled(data, probe(data))
    summarize(small.rgb, small.weights, "kmeans", 5)


def bound(files: list[bytes], workers: int, seconds: float) -> float:
    """Images a second of decoding and clustering alone, in so many processes."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(work, files * workers))  # kernels are loaded
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            done += len(list(pool.map(work, files * 8, chunksize=4)))
        return done / (time.perf_counter() - begun)


def wrk(url: str, seconds: float, *arguments: str, clients: int = CLIENTS) -> dict[str, float]:
    """Requests a second and the 99th percentile in ms, and how many were not 2xx."""
    command = [
        "wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--latency", "--timeout", "30s",
        *arguments, url,
    ]  # fmt: skip
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
    number, name = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", said).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
    return {"rate": rate, "p99": float(number) * unit[name], "bad": int(bad[1]) if bad else 0}


def signed_in(service: Service) -> tuple[str, str]:
    """What tells `wrk` the first key."""
    credential = base64.b64encode(":".join(service.credential).encode()).decode()
    return "-H", f"Authorization: Basic {credential}"


class Pulse:
    """Asks /healthz ten times a second; `p99` and `longest` in ms.

    In a process of its own, so that what else the benchmark does meanwhile is not measured too.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._took: list[float] = []

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_ask_healthz, args=(self._url, theirs))
        self._process.start()
        theirs.close()  # so that the end of the process is seen
        self._ours.recv()  # it has begun
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send(None)
        self._took = self._ours.recv()
        self._process.join()

    @property
    def p99(self) -> float:
        return statistics.quantiles(self._took, n=100)[98]

    @property
    def longest(self) -> float:
        return max(self._took)


def _ask_healthz(url: str, pipe: Connection) -> None:
    took = []
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        client.get("/healthz").raise_for_status()
        pipe.send(None)
        while not pipe.poll(0.1):
            begun = time.perf_counter()
            client.get("/healthz").raise_for_status()
            took.append(1e3 * (time.perf_counter() - begun))
    pipe.send(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed: apt-get install wrk")
    print(describe())
    files, seconds = megapixels(), arguments.seconds
    rates = {"PIXMILL_KEY_RATE": "1000000000", "PIXMILL_ADDRESS_RATE": "1000000000"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with origin(folder, numbered(files)) as base, serving(folder, env=rates) as service:
            kept, uploads, shares = [], [], []
            url = f"{service.url}/colours/match?max_distance=2&url={base}/0.jpg"
            with service.client() as client:  # kernels are loaded, compiled where they never were
                client.get(url.removeprefix(service.url)).raise_for_status()
            key = signed_in(service)
            kept += [wrk(url, seconds, *key) for _ in range(arguments.rounds)]
            script = folder / "uploads.lua"
            script.write_text(UPLOADS % {"files": len(files), "folder": folder / "root"})
            pulses = []
            for _ in range(arguments.rounds):
                most = bound(files, 2, seconds / 2)
                with Pulse(service.url) as pulse:
                    uploads.append(wrk(service.url, seconds, "-s", str(script), *key))
                pulses.append(pulse.p99)
                shares.append(uploads[-1]["rate"] / most)
    for title, measured in (("kept answers", kept), ("uploads", uploads)):
        print(f"\n{title}, {CLIENTS} connections")
        print(f"  requests/s  {spread([each['rate'] for each in measured])}")
        print(f"  p99         {spread([each['p99'] for each in measured], 'ms')}")
        print(f"  not 2xx     {sum(each['bad'] for each in measured):.0f}")
    print(f"  share of the decode bound  {spread(shares)}")
    print(f"  p99 of /healthz meanwhile  {spread(pulses, 'ms')}")


if __name__ == "__main__":
    main()
