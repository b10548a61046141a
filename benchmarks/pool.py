"""The isolated pool against two rivals: pebble's ProcessPool and the standard ProcessPoolExecutor.

Each runs the same function over payloads of 190 KB, with a window of 8 items a worker in flight:
with no work to speak of, which shows what the pool itself costs; with 8 ms of CPU time an item, as
decoding and counting a photograph takes; and with 8 ms of sleep, which no other load on the machine
disturbs. In turn, for several rounds, workers warm. Printed are items a second, the CPU time that
the parent spends on an item, and the share of the time in which workers are inside the function.
pebble takes part where it is installed.

    python benchmarks/pool.py [--workers 2] [--rounds 5] [--seconds 2]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import functools
import importlib
import importlib.util
import multiprocessing
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, spread

from pixmill.pool import Pool

PAYLOAD = bytes(190_000)
WINDOW = 8


def work(payload, task):
    """Read every page of the payload, use CPU time or sleep, and say from when to when."""
    kind, seconds = task
    begin, end = time.monotonic(), time.process_time() + seconds
    bytes(payload[::4096])
    if kind == "sleep":
        time.sleep(seconds)
    while kind == "CPU" and time.process_time() < end:
        pass
    return begin, time.monotonic()


@contextlib.contextmanager
def ours(workers):
    with Pool(work, workers=workers, item_timeout_s=60, decode_budget_bytes=2**30) as pool:
        yield pool.submit


@contextlib.contextmanager
def standard(workers):
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield functools.partial(pool.submit, work)


@contextlib.contextmanager
def pebble(workers):
    from pebble import ProcessPool

    context = multiprocessing.get_context("forkserver")
    with ProcessPool(max_workers=workers, context=context) as pool:
        yield lambda *args: pool.schedule(work, args=args, timeout=60)


def measure(submit, task, workers, seconds):
    """Return items a second, µs of the parent's CPU an item, share of time that workers work."""
    window = threading.Semaphore(WINDOW * workers)
    futures, begin, cpu = [], time.monotonic(), time.process_time()
    while time.monotonic() < begin + seconds:
        window.acquire()
        futures.append(submit(PAYLOAD, task))
        futures[-1].add_done_callback(lambda _: window.release())
    concurrent.futures.wait(futures)
    wall = time.monotonic() - begin
    parent_us = (time.process_time() - cpu) / len(futures) * 1e6
    busy = sum(end - begin for begin, end in (future.result() for future in futures))
    return len(futures) / wall, parent_us, busy / wall / workers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    pools = {"pixmill": ours, "executor": standard}
    if importlib.util.find_spec("pebble"):
        pools["pebble"] = pebble
    print(describe())
    print(f"{options.workers} workers, payload {len(PAYLOAD)} bytes, {options.rounds} rounds")
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(make(options.workers)) for name, make in pools.items()}
        for submit in running.values():
            concurrent.futures.wait(
                [submit(PAYLOAD, ("sleep", 0.05)) for _ in range(4 * options.workers)]
            )
        for task in (("CPU", 0), ("CPU", 0.008), ("sleep", 0.008)):
            report(running, task, options)


def report(running, task, options) -> None:
    print(f"\n{task[1] * 1000:g} ms of {task[0]} an item")
    rounds = {name: [] for name in running}
    for _ in range(options.rounds):
        for name, submit in running.items():
            rounds[name].append(measure(submit, task, options.workers, options.seconds))
    for name, figures in rounds.items():
        rate, parent_us, busy = zip(*figures, strict=True)
        print(f"  {name:9} {spread(rate, 'items/s')}, {spread(parent_us, 'µs of parent')}")
        if task[1]:
            print(f"  {'':9} share of time that workers work: {spread(busy)}")


if __name__ == "__main__":
    # Under its own name, so that workers can import the function.
    importlib.import_module("benchmarks.pool").main()
