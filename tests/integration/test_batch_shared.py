"""Runs over a pool that others use as well: never far ahead, and never closing it."""

from __future__ import annotations

import random
import threading
from ipaddress import ip_network
from pathlib import Path

import pytest

from pixmill.analysis import Wanted
from pixmill.analysis.work import work
from pixmill.batch import RunOptions, run
from pixmill.batch.memory import MemoryPlan
from pixmill.batch.options import Shared
from pixmill.pool import Pool
from pixmill.record import Kept
from tests.drawn import encoded, noise
from tests.origin import Origin
from tests.pictures import expected, png

pytestmark = pytest.mark.usefixtures("warm_pools")

MIB = 2**20
PLAN = MemoryPlan(bodies=MIB, rows=MIB, decode=64 * MIB)
PICTURES = 40


class CountingPool(Pool):
    """A pool that notes how many images it was given at once at most."""

    peak = inside = 0
    lock = threading.Lock()

    def submit(self, *arguments, **more):
        with self.lock:
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        future = super().submit(*arguments, **more)
        future.add_done_callback(self.left)
        return future

    def left(self, _):
        with self.lock:
            self.inside -= 1


@pytest.fixture
def pool():
    with CountingPool(
        work, workers=1, item_timeout_s=60, decode_budget_bytes=PLAN.decode
    ) as opened:
        yield opened


@pytest.fixture
def pictures():
    with Origin() as origin:
        data = [png(random.Random(seed)) for seed in range(PICTURES)]
        yield [(origin.serve(f"/{at}.png", each), each) for at, each in enumerate(data)]


def options(pool, at_once=2, **more):
    loopback = (ip_network("127.0.0.0/8"),)
    return RunOptions(allow_networks=loopback, shared=Shared(pool, PLAN, at_once), **more)


def colors(records):
    return [[(each.hex, each.count) for each in record.analysis.colors] for record in records]


def test_a_run_has_no_more_in_the_pool_than_it_may_and_leaves_it_open(pool, pictures):
    urls = [url for url, _ in pictures]
    for _ in range(2):
        found = colors(run(urls, options(pool)))
        assert found == [expected(data, 3) for _, data in pictures]
    assert 1 <= pool.peak <= 2
    assert pool.broken is None


def test_two_runs_share_a_pool(pool, pictures):
    urls = [url for url, _ in pictures]
    runs = [run(urls, options(pool, 1)) for _ in range(2)]
    pairs = list(zip(*runs, strict=True))
    assert [first == second for first, second in pairs] == [True] * PICTURES
    assert pool.peak <= 2


def test_a_run_that_is_left_gives_back_its_places(pool, pictures):
    urls = [url for url, _ in pictures]
    left = run(urls, options(pool))
    next(left)
    left.close()
    assert colors(run(urls[:3], options(pool))) == [expected(data, 3) for _, data in pictures[:3]]


def test_large_greys_of_a_run_that_is_left_are_deleted(pool, tmp_path):
    """Whoever leaves while an image is at work leaves no file of it behind."""
    wanted = Wanted(summarizer="kmeans", grey=str(tmp_path))
    with Origin() as origin:
        urls = [
            origin.serve(f"/{seed}.png", encoded(noise(700, 700, seed=seed), "png"))
            for seed in range(1, 7)
        ]
        left = run(urls, options(pool, wanted=wanted, keeper=Unkept()))
        next(left)
        left.close()
        pool.close()
    assert list(tmp_path.iterdir()) == []


class Unkept:
    """A keeper that keeps nothing."""

    def keep(self, file, sha256, image, grey):
        assert isinstance(grey, str)
        Path(grey).unlink()
        return Kept(sha256)

    def known(self, md5):
        return None
