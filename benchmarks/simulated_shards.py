"""The world that `benchmarks/simulation.py` plays a job in, and shards laid out in it URL by URL.

Owns the inputs with their units, and what one shard asks for: processor seconds, bytes, and how
long its downloads take where neither processors nor network are short. Downloads obey the rules of
`pixmill.fetch`: so many at once, fewer of one host, attempts with pauses, one deadline a URL. There
are too many shards to lay each of them out, so each is one of a number of patterns, by its size.

A shard is alone with its servers: what all workers may ask of one host together is not played.
"""

from __future__ import annotations

import heapq
import json
import random
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from pixmill.fetch.retry import backoff_s
from pixmill.jobs.planning import size_of
from pixmill.jobs.turns import few_of

if TYPE_CHECKING:
    from collections.abc import Mapping

CALIBRATION = Path(__file__).with_name("calibration.json")
MEASURED = (
    "plan_us_a_line",
    "merge_us_a_row",
    "catalog_ms_a_shard",
    "catalog_ms_a_worker_second",
    "shard_extra_s",
)
# Inputs for a worker with one core and for servers of the same machine.
HERE: dict[str, object] = {
    "cores": 1.0, "network_mbit_s": 1e5, "connection_mbit_s": 1e5,
    "latency_median_s": 0.001, "latency_sigma": 0.1, "gone_part": 0.0, "flaky_part": 0.0,
}  # fmt: skip
MIX = {"thumbnail": 0.2, "small": 0.3, "photo": 0.45, "large": 0.05}


class ImageClass(NamedTuple):
    """Images of one size: their part of all, processor milliseconds each, bytes each."""

    part: float
    cpu_ms: float
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class World:
    """All that bears on a job. The names carry the units; rates are for each machine or process.

    What is measured has no default and comes from the calibration. Defaults are pixmill's settings,
    or assumptions about machines and servers that nobody can measure beforehand.
    """

    urls: int
    workers: int
    seed: int = 1
    # Measured (benchmarks/calibration.py).
    images: Mapping[str, ImageClass]
    plan_us_a_line: float
    merge_us_a_row: float
    catalog_ms_a_shard: float
    catalog_ms_a_worker_second: float
    shard_extra_s: float  # files, client and table of a shard
    # Settings of pixmill.
    slots: int = 2
    shard_lines: int = 2000
    fetchers: int = 64
    per_host: int = 16  # of each shard; all workers share them (jobs/host_shares.py)
    queue: int = 256
    timeout_s: float = 60.0
    idle_timeout_s: float = 20.0
    retries: int = 3
    lease_s: float = 30.0
    # Assumed: machines.
    cores: float = 4.0
    network_mbit_s: float = 1000.0
    site_mbit_s: float = 100_000.0  # of all workers together
    catalog_cores: float = 2.0
    slow_part: float = 0.0  # of the workers
    slow_factor: float = 0.5  # of their speed
    crashes_an_hour: float = 0.0  # of each worker
    restart_s: float = 60.0
    crashes_at: tuple[tuple[float, int], ...] = ()  # seconds, and the number of the worker
    # Assumed: the servers of the images.
    latency_median_s: float = 0.2
    latency_sigma: float = 1.0  # of its logarithm: heavy tails
    connection_mbit_s: float = 20.0
    hang_part: float = 0.0  # of the URLs: connections are taken and nothing is said
    gone_part: float = 0.02  # answered with an error that stays
    flaky_part: float = 0.02  # of attempts: an error that passes
    hot_host_part: float = 0.0  # of the URLs: all on one host
    patterns: int = 100  # of shards of each size

    @classmethod
    def calibrated(
        cls, urls: int, workers: int, *, mix: Mapping[str, float] | None = None, **more: object
    ) -> Self:
        """Take what is measured from the calibration's file."""
        told = json.loads(CALIBRATION.read_text())
        parts = mix or MIX
        images = {
            name: ImageClass(part, told["images"][name]["cpu_ms"], told["images"][name]["bytes"])
            for name, part in parts.items()
        }
        measured = {name: told[name] for name in MEASURED}
        given: dict[str, Any] = {**measured, **more}
        return cls(urls=urls, workers=workers, images=images, **given)

    def sizes(self) -> list[int]:
        """The numbers of lines of all shards, as a planner that knows the end would cut them."""
        sizes: list[int] = []
        left = self.urls
        while left:
            sizes.append(min(left, size_of(len(sizes), self.shard_lines, left)))
            left -= sizes[-1]
        return sizes


class Pattern(NamedTuple):
    """What one shard asks for.

    `wait_s`: its downloads, where nothing on our side is short; `few_s`: until few are left.
    """

    urls: int
    failed: int
    cpu_s: float
    bytes: float
    wait_s: float
    few_s: float


class Lots:
    """Patterns by size, each laid out once, also for other jobs in the same world."""

    _of_worlds: ClassVar[dict[str, dict[int, list[Pattern]]]] = {}

    def __init__(self, world: World) -> None:
        self._world = world
        self._standard = set(replace(world, urls=10**6).sizes()[:-1])
        alike = repr(replace(world, urls=0, workers=0))
        self._by_size = self._of_worlds.setdefault(alike, {})

    def pattern(self, urls: int, lot: int) -> Pattern:
        """Give the pattern of a shard of so many URLs that drew a lot."""
        if urls not in self._by_size:
            number = self._world.patterns if urls in self._standard else 1
            rng = np.random.default_rng((self._world.seed, urls))
            self._by_size[urls] = [laid_out(self._world, urls, rng) for _ in range(number)]
        patterns = self._by_size[urls]
        return patterns[lot % len(patterns)]


@dataclass(slots=True)
class Url:
    """One URL on its way: the time that each attempt takes, of which the last may succeed."""

    times: list[float]
    succeeds: bool
    hot: bool
    hangs: bool
    left_s: float
    attempts: int = 0
    got: bool = False


def laid_out(world: World, urls: int, rng: np.random.Generator) -> Pattern:
    """Draw a shard's URLs and play their downloads."""
    kinds = list(world.images.values())
    parts = np.array([kind.part for kind in kinds])
    drawn = rng.choice(len(kinds), urls, p=parts / parts.sum())
    sizes = np.array([float(kind.size_bytes) for kind in kinds])[drawn]
    costs_s = np.array([kind.cpu_ms for kind in kinds])[drawn] / 1000
    gone = rng.random(urls) < world.gone_part
    way = drawn_urls(world, gone, sizes * 8 / (world.connection_mbit_s * 1e6), rng)
    over_s = played(world, way, random.Random(int(rng.integers(2**32))))
    got = np.array([url.got for url in way], dtype=bool) & ~gone
    cost_s, size = float(costs_s[got].sum()), float(sizes[got].sum())
    few = min(urls, few_of(urls))
    few_s = over_s[-1 - few] if few < urls else 0.0
    return Pattern(urls, urls - int(got.sum()), cost_s, size, over_s[-1], few_s)


def drawn_urls(
    world: World, gone: np.ndarray, transfer_s: np.ndarray, rng: np.random.Generator
) -> list[Url]:
    urls, most = len(gone), world.retries + 1
    hangs = rng.random(urls) < world.hang_part
    hot = rng.random(urls) < world.hot_host_part
    latency_s = rng.lognormal(np.log(world.latency_median_s), world.latency_sigma, (urls, most))
    silent = latency_s > world.idle_timeout_s
    latency_s = np.minimum(latency_s, world.idle_timeout_s)
    fails = (rng.random((urls, most)) < world.flaky_part) | silent
    first = np.where(fails.all(axis=1), most, fails.argmin(axis=1))
    way = []
    for at in range(urls):
        number = int(first[at])
        times = [world.idle_timeout_s] * most if hangs[at] else latency_s[at, : number + 1].tolist()
        succeeds = number < most and not hangs[at]
        if succeeds and not gone[at]:
            times[-1] += float(transfer_s[at])
        way.append(Url(times, succeeds, bool(hot[at]), bool(hangs[at]), world.timeout_s))
    return way


def played(world: World, urls: list[Url], rng: random.Random) -> list[float]:
    """Tell when each of some downloads is over, in the order of these times.

    At most `queue` are under way, begun in order; each waits for its host's turn, then for a
    fetcher, and for these waits its deadline stands still.
    """
    coming = iter(urls)
    events: list[tuple[float, int, bool, Url]] = []
    hot_free, free, number, now = world.per_host, world.fetchers, 0, 0.0
    for_host, for_fetcher = deque[Url](), deque[Url]()
    over_s: list[float] = []

    def later(at_s: float, url: Url, *, ends: bool) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (at_s, number, ends, url))

    for url in islice(coming, world.queue):
        later(0.0, url, ends=False)
    while events:
        now, _, ends, url = heapq.heappop(events)
        if not ends:
            (for_host if url.hot else for_fetcher).append(url)
        else:
            free += 1
            hot_free += url.hot
            pause_s = _pause_s(url, rng)
            if pause_s is None:
                over_s.append(now)
            after = next(coming, None) if pause_s is None else url
            if after is not None:
                later(now + (pause_s or 0.0), after, ends=False)
        while for_host and hot_free:
            hot_free -= 1
            for_fetcher.append(for_host.popleft())
        while for_fetcher and free:
            free -= 1
            begun = for_fetcher.popleft()
            later(now + _attempt_s(begun), begun, ends=True)
    return over_s


def _attempt_s(url: Url) -> float:
    """Take the time of an attempt from what its URL has left, and tell it."""
    wanted_s = url.times[url.attempts]
    taken_s = min(wanted_s, url.left_s)
    url.left_s -= taken_s
    url.attempts += 1
    url.got = url.succeeds and url.attempts == len(url.times) and taken_s == wanted_s
    return taken_s


def _pause_s(url: Url, rng: random.Random) -> float | None:
    """Tell how long it is until the next attempt; None where there is none."""
    if url.got or url.attempts == len(url.times) or url.left_s <= 0:
        return None
    pause_s = backoff_s(url.attempts, rng)
    if pause_s >= url.left_s:
        return None
    url.left_s -= pause_s
    return pause_s
