"""What workers may take, when large items run, and that verdicts on memory are always alike."""

from __future__ import annotations

import sys
import time

import psutil
import pytest

from pixmill.errors import OutOfMemory, TooManyPixels
from pixmill.pool import SLACK_BYTES, Pool
from tests import crafted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_DATA")

MIB = 2**20
BUDGET = 400 * MIB  # a share is 100 MiB


def make_pool(function, *, workers=4, budget=BUDGET):
    return Pool(function, workers=workers, item_timeout_s=60, decode_budget_bytes=budget)


def limit_of(workers, need_mib):
    with make_pool(crafted.limit, workers=workers) as pool:
        return pool.submit(b"", None, need_bytes=need_mib * MIB).result()


def test_a_worker_may_take_its_share_and_a_large_item_what_it_needs():
    usual, large = limit_of(4, 0), limit_of(4, 350)
    assert abs(large - usual - 250 * MIB) < 8 * MIB
    assert limit_of(1, 0) > large


def test_without_a_budget_there_is_no_limit():
    with make_pool(crafted.limit, budget=None) as pool:
        assert pool.submit(b"", None, need_bytes=2**50).result() == -1


def test_what_can_never_fit_is_refused_at_submit():
    with make_pool(crafted.take) as pool, pytest.raises(TooManyPixels, match="more than the 400"):
        pool.submit(b"", 1, need_bytes=BUDGET + 1)


def test_an_item_that_takes_more_than_it_may_is_out_of_memory_and_one_that_takes_less_is_not():
    over = (100 * MIB + SLACK_BYTES) // MIB + 10
    with make_pool(crafted.take) as pool:
        futures = {mib: pool.submit(b"", mib) for mib in (90, over, 10, over + 100, 91)}
        failed = {mib for mib, future in futures.items() if future.exception()}
        assert failed == {over, over + 100}
        assert all(type(futures[mib].exception()) is OutOfMemory for mib in failed)


@pytest.mark.parametrize("kept", [30, 60, 90, 120])
def test_what_earlier_items_left_behind_does_not_change_a_verdict(kept):
    """The one worker keeps memory; the item that then needs its whole share still has it."""
    with make_pool(crafted.hoard, workers=1, budget=100 * MIB) as pool:
        first = [pool.submit(b"", kept) for _ in range(4)]
        assert not [f.exception() for f in first if f.exception()]
        last = pool.submit(b"", 99, need_bytes=99 * MIB)
        assert last.exception() is None


def test_an_item_that_would_not_fit_is_handed_on_before_it_is_begun():
    """Else a library that aborts where malloc fails would make it a crash."""
    with make_pool(crafted.hoard_or_abort, workers=1, budget=100 * MIB) as pool:
        futures = [pool.submit(b"", 90, need_bytes=95 * MIB) for _ in range(4)]
        assert [future.exception() for future in futures] == [None] * 4


def test_large_items_run_together_only_as_far_as_the_budget_goes():
    needs = [0, 250, 0, 150, 390, 0, 0, 300, 100, 120, 130, 200, 0]
    with make_pool(crafted.interval) as pool:
        futures = [pool.submit(b"", 0.03, need_bytes=need * MIB) for need in needs]
        spans = [future.result() for future in futures]
    costs = [max(100, need) for need in needs]
    for began, _ in spans:
        at_work = [
            cost for cost, (start, end) in zip(costs, spans, strict=True) if start <= began < end
        ]
        assert sum(at_work) <= 400


def test_a_large_item_is_not_starved_by_small_ones_that_come_later():
    with make_pool(crafted.interval) as pool:
        early = [pool.submit(b"", 0.005) for _ in range(20)]
        large = pool.submit(b"", 0.005, need_bytes=BUDGET)
        late = [pool.submit(b"", 0.005) for _ in range(20)]
        began, ended = large.result()
        assert max(f.result()[0] for f in early) < began
        assert min(f.result()[0] for f in late) > ended


def wait_until(condition, what):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def test_a_worker_gives_back_what_a_large_item_took():
    """The blocks are freed, but the heap ends in one that is not: it takes a trim."""
    with make_pool(crafted.crumble, workers=2) as pool:
        worker = psutil.Process(pool.submit(b"", 60, need_bytes=390 * MIB).result())
        wait_until(lambda: worker.memory_full_info().uss < 50 * MIB, "the memory is given back")
        assert worker.pid in pool.pids()


def test_a_worker_that_keeps_what_a_large_item_took_is_replaced():
    with make_pool(crafted.hoard, workers=2) as pool:
        pid = pool.submit(b"", 300, need_bytes=310 * MIB).result()
        wait_until(lambda: pid not in pool.pids(), "the worker is gone")
        wait_until(lambda: len(pool.pids()) == 2, "there is another")


def test_an_item_that_hands_itself_back_runs_once_on_a_new_worker_beside_busy_ones():
    """Every worker is full; each item that needs room gets a fresh worker, and all end well."""
    with make_pool(crafted.hoard, workers=2, budget=200 * MIB) as pool:
        futures = [
            pool.submit(b"", 60 + n % 3, need_bytes=(70 + n % 3) * MIB) for n in range(12)
        ] + [pool.submit(b"", 95, need_bytes=99 * MIB) for _ in range(6)]
        assert [future.exception() for future in futures] == [None] * 18
