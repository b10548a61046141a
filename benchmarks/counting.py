"""Exact counting of colors: the kernels against NumPy and against other ways, in turn, in one run.

The ways: `numpy.unique` over packed integers (the reference); `numpy.bincount` into 2^24 bins; one
pass over a table of 2^24 counters; pixels parted by their upper 12 bits, each part counted by the
lower 12 in the first-level cache; and pixmill. All of them end with the three most common colors,
on one core. Every round measures each way once, so that a busy machine slows all of them alike.

    python benchmarks/counting.py [--rounds 7] [--plot docs/assets/counting.svg]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import simplejpeg
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread

from pixmill.color.compiled import offer, rgb_at
from pixmill.color.counting import TopCounts, count_top, count_top_reference, kernel_name, warm_up
from pixmill.color.pixels import pack_rgb
from pixmill.color.ranking import ranked

N = 3


def by_unique(pixels: np.ndarray) -> TopCounts:
    return count_top_reference(pixels, N)


def by_bincount(pixels: np.ndarray) -> TopCounts:
    return best_of(np.bincount(pack_rgb(pixels).reshape(-1), minlength=1 << 24), pixels)


def by_table(pixels: np.ndarray) -> TopCounts:
    table = np.zeros(1 << 24, np.uint32)
    fill_table(pixels.reshape(-1), table)
    return best_of(table, pixels)


def by_parts(pixels: np.ndarray) -> TopCounts:
    flat = pixels.reshape(-1)
    keys = np.zeros(N, np.uint64)
    rank_parts(flat, np.empty(flat.size // 3, np.uint16), keys)
    return ranked(keys, N, flat.size // 3)


def by_pixmill(pixels: np.ndarray) -> TopCounts:
    return count_top(pixels, N)


WAYS = {
    "numpy.unique": by_unique,
    "numpy.bincount": by_bincount,
    "table of 2^24": by_table,
    "parts of 12 bits": by_parts,
    "pixmill": by_pixmill,
}


def best_of(table: np.ndarray, pixels: np.ndarray) -> TopCounts:
    keys = np.zeros(N, np.uint64)
    rank(table, 0, keys)
    return ranked(keys, N, pixels.size // 3)


@njit(nogil=True)
def rank(table, first, keys):
    for i in range(table.size):
        if table[i] != 0:
            offer(keys, np.uint64(table[i]) << np.uint64(24) | np.uint64(0xFFFFFF - first - i))


@njit(nogil=True)
def fill_table(flat, table):
    for i in range(flat.size // 3):
        table[rgb_at(flat, i)] += 1


@njit(nogil=True)
def rank_parts(flat, parts, keys):
    ends = np.zeros(4097, np.int64)
    for i in range(flat.size // 3):
        ends[1 + (rgb_at(flat, i) >> 12)] += 1
    for part in range(4096):
        ends[part + 1] += ends[part]
    for i in range(flat.size // 3):
        rgb = rgb_at(flat, i)
        parts[ends[rgb >> 12]] = rgb & 4095
        ends[rgb >> 12] += 1
    table = np.zeros(4096, np.uint32)
    start = 0
    for part in range(4096):
        if ends[part] > start:
            table[:] = 0
            for i in range(start, ends[part]):
                table[parts[i]] += 1
            rank(table, part << 12, keys)
        start = ends[part]


def inputs() -> dict[str, list[np.ndarray]]:
    """Named lists of pictures; the speed of a list is that of all its pixels together."""
    rng = np.random.default_rng(1)
    pictures = [simplejpeg.decode_jpeg(data) for data in photos()]
    every = np.arange(1 << 24, dtype=np.uint32)
    return {
        **{f"photo {i} {p.shape[1]}x{p.shape[0]}": [p] for i, p in enumerate(pictures, 1)},
        "photos, summed": pictures,
        "thumbnails 128x128": [thumbnail(pictures[i % len(pictures)], rng) for i in range(20)],
        "one color": [np.full((2000, 2000, 3), 77, np.uint8)],
        "noise, uniform": [rng.integers(0, 256, (2000, 2000, 3), np.uint8)],
        "2^24 colors in order": [unpacked(every)],
        "2^24 colors shuffled": [unpacked(rng.permutation(every))],
    }


def thumbnail(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = (int(rng.integers(0, max(1, side - 256))) for side in picture.shape[:2])
    return np.resize(picture[y : y + 256 : 2, x : x + 256 : 2], (128, 128, 3))


def unpacked(values: np.ndarray) -> np.ndarray:
    planes = np.stack((values >> 16, values >> 8, values), axis=-1).astype(np.uint8)
    return planes.reshape(4096, 4096, 3)


def measure(pictures: list[np.ndarray], rounds: int) -> dict[str, list[float]]:
    """Megapixels a second of each way in each round, measured after a run that is not.

    That run fills the caches, so that no way pays for what the one before it left there.
    """
    megapixels = sum(picture.size for picture in pictures) / 3e6
    expected = [by_unique(picture) for picture in pictures]
    speeds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            if [way(picture) for picture in pictures] != expected:
                raise SystemExit(f"{name} does not agree with the reference")
            start = time.perf_counter()
            for picture in pictures:
                way(picture)
            speeds[name].append(megapixels / (time.perf_counter() - start))
    return speeds


def report(name: str, speeds: dict[str, list[float]]) -> None:
    print(f"\n{name}")
    for way, values in speeds.items():
        pairs = zip(values, speeds["numpy.unique"], strict=True)
        ratio = statistics.median(value / reference for value, reference in pairs)
        print(f"  {way:18}{spread(values, 'MP/s'):52}{ratio:6.2f} x numpy.unique")


def plot(results: dict[str, dict[str, list[float]]], path: Path) -> None:
    from matplotlib.figure import Figure

    names = [name for name in results if not name.startswith("photo ")]
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for place, way in enumerate(WAYS):
        heights = [statistics.median(results[name][way]) for name in names]
        offsets = np.arange(len(names)) + (place - len(WAYS) / 2 + 0.5) * 0.16
        axes.bar(offsets, heights, 0.16, label=way)
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axes.set_yscale("log")
    axes.set_ylabel("megapixels a second, one core")
    axes.set_title("The three most common colors, exactly")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a bar chart")
    arguments = parser.parse_args()
    print(describe())
    print(f"kernel: {kernel_name()}; {arguments.rounds} rounds; ratios are the rounds' median")
    warm_up()
    results = {}
    for name, pictures in inputs().items():
        results[name] = measure(pictures, arguments.rounds)
        report(name, results[name])
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
