"""The way from bytes to clusters: ours beside the naive one, on one core, in one run.

Ours is `analyze`, the way of every user; naive is Pillow's decode, its Lanczos to fit 200x200, and
`scipy.cluster.vq.kmeans2`. Every round does both once, so that a busy machine slows both alike.
Color profiles, which only ours honors, cost it some time; the way from one of them to sRGB is made
once. Beside the times stands the mean absolute difference of the two small pictures, in levels.

    python benchmarks/scaled.py [--rounds 9]

Pictures are the photographs of PIXMILL_TEST_IMAGES, without it drawn ones; a PNG of 5400x7200 drawn
from the first of them, and a flat one.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.cluster.vq import kmeans2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread

from pixmill.analysis import Task, Wanted, analyze
from pixmill.imaging.probe import probe
from pixmill.imaging.scaled import scaled

K = 5
FIT = (200, 200)
LARGE = (5400, 7200)


def ours(data: bytes) -> None:
    analyze(data, Task(probe(data), Wanted(n=0, md5=False, summarizer="kmeans", k=K)))


def naive(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        full = image.convert("RGB")
    full.thumbnail(FIT, Image.Resampling.LANCZOS, reducing_gap=None)
    small = np.asarray(full)
    # its default seeding can not begin on a flat picture
    kmeans2(small.reshape(-1, 3).astype(float), K, minit="points", seed=1)
    return small


def measure(data: bytes, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of ours and of the naive way, after one of each that is not measured."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for work, kept in zip((ours, naive), times, strict=True):
            start = time.perf_counter()
            work(data)
            if number:
                kept.append(1e3 * (time.perf_counter() - start))
    return times


def report(name: str, data: bytes, rounds: int) -> tuple[float, float]:
    """Print one picture's figures; the medians."""
    mine, theirs = measure(data, rounds)
    pair = statistics.median(mine), statistics.median(theirs)
    print(f"\n{name}, {len(data) / 1e6:.2f} MB")
    print(f"  pixmill  {spread(mine, 'ms')}")
    print(f"  naive    {spread(theirs, 'ms')}, {pair[1] / pair[0]:.2f} x the time of pixmill")
    ours_rgb, naive_rgb = scaled(data, probe(data)).rgb.astype(int), naive(data)
    if ours_rgb.shape == naive_rgb.shape:
        print(f"  mean absolute difference {np.abs(ours_rgb - naive_rgb).mean():.2f}")
    return pair


def png(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    print(describe())
    print(f"k = {K}, {arguments.rounds} rounds; ratios are of medians")
    warnings.filterwarnings("ignore", message="One of the clusters is empty")  # kmeans2's own fate
    Image.MAX_IMAGE_PIXELS = None
    pictures = photos()
    medians = [
        report(f"photo {number}", data, arguments.rounds) for number, data in enumerate(pictures, 1)
    ]
    mine, theirs = (sum(column) for column in zip(*medians, strict=True))
    print(f"\nall photos: {mine:.1f} ms, naive {theirs:.1f} ms, {theirs / mine:.2f} x")
    with Image.open(io.BytesIO(pictures[0])) as image:
        large = image.convert("RGB").resize(LARGE, Image.Resampling.BICUBIC)
    report("5400x7200 PNG of photo 1", png(large), arguments.rounds)
    report("5400x7200 flat PNG", png(Image.new("RGB", LARGE, (201, 187, 160))), arguments.rounds)


if __name__ == "__main__":
    main()
