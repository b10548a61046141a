"""Shards as the simulation lays them out, against the real pipeline over the same kind of servers.

A local server keeps each answer back for a time drawn from the simulation's distribution; some URLs
it never answers. `pixmill.batch.run` goes through lists of thumbnails, so that downloads alone
bound it, and the time that it takes stands beside what `simulated_shards.laid_out` foretells.

    python benchmarks/layout.py [--urls 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, drawn_photo, spread
from benchmarks.simulated_shards import World, laid_out
from tests.services import free_port

from pixmill.batch import RunOptions, run

CASES: dict[str, dict[str, object]] = {
    "as it is": {},
    "far": {"latency_median_s": 1.0},
    "few fetchers": {"fetchers": 16},
    "all on one host": {"per_host": 16, "hot_host_part": 1.0},
    "one in a hundred hangs": {"hang_part": 0.01},
}


class Servers:
    """Answers `/SECONDS` after so long, and `/hangs` never."""

    def __init__(self, body: bytes) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        self.port = free_port()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(
            asyncio.start_server(self.talk, "127.0.0.1", self.port, backlog=1024)
        )
        self.loop.run_forever()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                wanted = request.split()[1].split(b"?")[0].lstrip(b"/")
                await asyncio.sleep(3600 if wanted == b"hangs" else float(wanted))
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def listed(world: World, port: int, rng: np.random.Generator) -> list[str]:
    """URLs with the latencies of a world."""
    latencies = rng.lognormal(np.log(world.latency_median_s), world.latency_sigma, world.urls)
    hangs = rng.random(world.urls) < world.hang_part
    return [
        f"http://127.0.0.1:{port}/{'hangs' if hang else f'{latency:.4f}'}?{at}"
        for at, (latency, hang) in enumerate(zip(latencies, hangs, strict=True))
    ]


def taken_s(world: World, urls: list[str]) -> float:
    """Seconds that the pipeline takes for a list, its start left out."""
    options = RunOptions(
        fetchers=world.fetchers,
        per_host=world.per_host,
        queue=world.queue,
        timeout_s=world.timeout_s,
        idle_timeout_s=world.idle_timeout_s,
        retries=world.retries,
        dedupe=False,
        allow_networks=(ip_network("127.0.0.0/8"),),
    )

    def told():
        nonlocal began
        began = time.perf_counter()
        yield from urls

    began = 0.0
    for _ in run(told(), options):
        pass
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--urls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(describe())
    servers = Servers(drawn_photo(1, 128, 128))
    calm = {"gone_part": 0.0, "flaky_part": 0.0, "connection_mbit_s": 1e9, "per_host": 10_000}
    base = World.calibrated(options.urls, 1, mix={"thumbnail": 1.0}, **calm)
    taken_s(base, listed(replace(base, urls=50), servers.port, np.random.default_rng(0)))
    print(f"{options.urls} thumbnails; seconds as they are / as they are foretold")
    for name, changes in CASES.items():
        world = replace(base, **changes)
        ratios = []
        for seed in range(options.rounds):
            real = taken_s(world, listed(world, servers.port, np.random.default_rng(seed)))
            rng = np.random.default_rng((7, seed))
            foretold = laid_out(world, world.urls, rng).wait_s
            ratios.append(real / foretold)
            print(f"  {name}: {real:.1f} / {foretold:.1f}", flush=True)
        print(f"{name:<24} {spread(ratios)}", flush=True)


if __name__ == "__main__":
    main()
