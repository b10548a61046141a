"""What the simulation foretells of two workers, and of two that are killed, beside what they do.

The simulation learns from runs of one worker alone: processor time an image, of the worker and of
all else on the machine (broker, catalog, nginx, command), and how long a worker takes to come up.
Then two workers do the same list, each with a core of its own, once in peace and once with both
killed, one after the other, and begun anew at once. Printed are the times foretold over those
measured, as minimum, median and maximum over the rounds.

    python benchmarks/predicted.py [--images 12000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cluster import Workers, clustered, cpu_seconds, timed
from benchmarks.machine import describe, spread
from benchmarks.simulated_job import simulated
from benchmarks.simulated_shards import HERE, ImageClass, World

LEASE_S = 10.0
KILLS_AT = (0.25, 0.5)  # of the time that two workers are foretold to take in peace


def machine_seconds() -> float:
    """Processor seconds that all of this machine has used."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal


def learnt(world: World, taken_s: float) -> World:
    """Choose the processor time of an image by which one worker takes so long."""
    kind = world.images["photo"]
    least, most = 0.0, 2000 * taken_s / world.urls
    for _ in range(40):
        middle = (least + most) / 2
        tried = replace(world, images={"photo": kind._replace(cpu_ms=middle)})
        if simulated(tried).makespan_s < taken_s:
            least = middle
        else:
            most = middle
    return tried


def main() -> None:
    """Measure, foretell, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(describe())
    ratios: dict[str, list[float]] = {"in peace": [], "with kills": []}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = stack.enter_context(clustered(folder, arguments.images))
        place.env["PIXMILL_JOB_LEASE"] = f"{LEASE_S:g}"
        order = place.order("o.csv")
        for number in range(arguments.rounds):
            with Workers(place, 1) as workers:
                before = cpu_seconds(workers.processes()), machine_seconds()
                one_s = timed(order, place.env)
                used_s = cpu_seconds(workers.processes()) - before[0]
                all_s = machine_seconds() - before[1]
                coming_s = workers.coming_s
            world = World.calibrated(
                arguments.images, 1,
                mix={"photo": 1.0}, lease_s=LEASE_S, per_host=place.per_host,
                restart_s=coming_s, **HERE,
            )  # fmt: skip
            world = replace(world, images={"photo": ImageClass(1.0, 0.0, place.bytes_an_image)})
            world = learnt(world, one_s)
            # One worker's core does nothing else; of two, whatever else there is takes its part.
            kind = world.images["photo"]
            shared = replace(
                world, workers=2,
                images={"photo": kind._replace(cpu_ms=kind.cpu_ms * all_s / used_s)},
            )  # fmt: skip
            foretold = {"in peace": simulated(shared).makespan_s}
            kills = tuple((part * foretold["in peace"], at) for at, part in enumerate(KILLS_AT))
            foretold["with kills"] = simulated(replace(shared, crashes_at=kills)).makespan_s
            real = {}
            for name, taken_s in foretold.items():
                with Workers(place, 2) as workers:
                    timers = [
                        threading.Timer(at_s, workers.kill, (at,))
                        for at_s, at in (kills if name == "with kills" else ())
                    ]
                    for timer in timers:
                        timer.start()
                    real[name] = timed(order, place.env)
                    for timer in timers:
                        timer.join()
                ratios[name].append(taken_s / real[name])
            told = "; ".join(f"{n}: {foretold[n]:.1f} s foretold, {real[n]:.1f} s" for n in real)
            print(
                f"round {number + 1}: one worker {one_s:.1f} s, up after {coming_s:.1f} s, "
                f"{1000 * used_s / arguments.images:.2f} ms an image and "
                f"{1000 * (all_s - used_s) / arguments.images:.2f} ms beside it; {told}",
                flush=True,
            )
            time.sleep(1)
    for name, values in ratios.items():
        print(f"  foretold over measured, two workers {name}: {spread(values)}")


if __name__ == "__main__":
    main()
