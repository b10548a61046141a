"""Shards as the simulation lays them out, against the real pipeline over the same kind of servers.

A local server keeps each answer back for a time drawn from the simulation's distribution; some URLs
it never answers. `pixmill.batch.run` goes through lists of thumbnails, so that downloads alone
bound it, and the time that it takes stands beside what the simulation foretells for the same URLs.

    python benchmarks/layout.py [--urls 1000] [--rounds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, drawn_photo, spread
from benchmarks.simulated_shards import Url, World, drawn_urls, played
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
    """Answers `/HANGS,SECONDS` after so long, once so many requests for it were not answered."""

    def __init__(self, body: bytes) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        self.asked: Counter[bytes] = Counter()
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
                path = request.split()[1]
                hangs, seconds = path.split(b"?")[0].lstrip(b"/").split(b",")
                self.asked[path] += 1
                await asyncio.sleep(3600 if self.asked[path] <= int(hangs) else float(seconds))
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def drawn(world: World, seed: int) -> list[Url]:
    """Draw URLs of images that are nothing to transfer."""
    nothing = np.zeros(world.urls)
    return drawn_urls(world, nothing > 0, nothing, np.random.default_rng(seed))


def listed(urls: list[Url], port: int, list_name: str) -> list[str]:
    """List what asks for the same answers; no other list has the same URLs."""
    hangs = [len(url.times) - url.succeeds for url in urls]
    return [
        f"http://127.0.0.1:{port}/{number},{url.times[-1]:.4f}?{list_name}-{at}"
        for at, (url, number) in enumerate(zip(urls, hangs, strict=True))
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
    parser.add_argument("--urls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    print(describe())
    servers = Servers(drawn_photo(1, 128, 128))
    calm = {"gone_part": 0.0, "flaky_part": 0.0, "connection_mbit_s": 1e9, "per_host": 10_000}
    base = World.calibrated(options.urls, 1, mix={"thumbnail": 1.0}, **calm)
    taken_s(
        base, listed(drawn(replace(base, urls=50), 0), servers.port, "first")
    )  # caches of kernels
    print(f"{options.urls} thumbnails; seconds as they are / as they are foretold")
    for name, changes in CASES.items():
        world = replace(base, **changes)
        ratios = []
        for seed in range(options.rounds):
            urls = drawn(world, seed)
            real = taken_s(world, listed(urls, servers.port, f"{len(name)}-{seed}"))
            foretold = played(world, urls, random.Random(seed))[-1]
            ratios.append(real / foretold)
            print(f"  {name}: {real:.1f} / {foretold:.1f}", flush=True)
        print(f"{name:<24} {spread(ratios)}", flush=True)


if __name__ == "__main__":
    main()
