"""Clusters of small pictures: how good beside the best of many restarts, and how fast.

Every picture is resized with Pillow's Lanczos to fit 200x200. Goodness is the inertia as a share
of that of scikit-learn's best of 50 restarts of k-means++, and the CIEDE2000 difference of the most
populous centroid from that one's, where its two greatest shares differ by 10 points or more.
Speed is that of the clustering alone, on one core, beside `scipy.cluster.vq.kmeans2` on the same
pixels; every round measures both once, so that a busy machine slows both alike.

    python benchmarks/clustering.py [--rounds 15]

Pictures are those of PIXMILL_TEST_IMAGES, photos and others; without it, drawn ones.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from coloraide import Color
from PIL import Image
from scipy.cluster.vq import kmeans2
from sklearn.cluster import KMeans

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread

from pixmill.color.clustering import Cluster, clusters

K = 5
FIT = (200, 200)
RESTARTS = 50
DECISIVE = 0.1


def small(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        upright = image.convert("RGB")
    upright.thumbnail(FIT, Image.Resampling.LANCZOS)
    return np.asarray(upright)


def others() -> list[np.ndarray]:
    """The pictures of the folder `good` that Pillow reads and that have more than K colors."""
    folder = os.environ.get("PIXMILL_TEST_IMAGES")
    found = []
    for path in sorted(Path(folder, "good").rglob("*.*")) if folder else []:
        try:
            picture = small(path.read_bytes())
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # what Pillow does not read is no picture for this comparison
        if len(np.unique(picture.reshape(-1, 3), axis=0)) > K:
            found.append(picture)
    return found


def goodness(picture: np.ndarray, found: tuple[Cluster, ...]) -> tuple[float, float | None]:
    """Inertia as a share of the best one's, and the difference of the first color where decided."""
    pixels = picture.reshape(-1, 3).astype(float)
    best = KMeans(K, n_init=RESTARTS, random_state=0).fit(pixels)
    centroids = np.array([cluster.centroid for cluster in found])
    inertia = ((pixels[:, np.newaxis] - centroids) ** 2).sum(axis=2).min(axis=1).sum()
    shares = np.bincount(best.labels_, minlength=K) / len(pixels)
    second, first = np.argsort(shares)[-2:]
    if shares[first] - shares[second] < DECISIVE:
        return inertia / best.inertia_, None
    ours, theirs = (
        Color("srgb", [channel / 255 for channel in color])
        for color in (centroids[0], best.cluster_centers_[first])
    )
    return inertia / best.inertia_, ours.delta_e(theirs, method="2000")


def told(difference: float | None) -> str:
    return "toss-up" if difference is None else f"{difference:.3f}"


def measure(picture: np.ndarray, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of pixmill and of kmeans2, each after a run that is not measured."""
    pixels = picture.reshape(-1, 3).astype(float)
    ours, theirs = [], []
    for number in range(rounds):
        for times, work in (
            (ours, lambda: clusters(picture, K)),
            (theirs, lambda seed=number: kmeans2(pixels, K, seed=seed)),
        ):
            work()
            start = time.perf_counter()
            work()
            times.append(1e3 * (time.perf_counter() - start))
    return ours, theirs


def report_photo(name: str, picture: np.ndarray, rounds: int) -> None:
    share, difference = goodness(picture, clusters(picture, K))
    ours, theirs = measure(picture, rounds)
    ratio = statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
    print(f"\n{name}, {picture.shape[1]}x{picture.shape[0]}")
    print(f"  inertia {share:.5f} of the best of {RESTARTS}, CIEDE2000 {told(difference)}")
    print(f"  pixmill  {spread(ours, 'ms')}")
    print(f"  kmeans2  {spread(theirs, 'ms')}, {ratio:.2f} x the time of pixmill")


def report_others(pictures: list[np.ndarray]) -> None:
    results = [goodness(picture, clusters(picture, K)) for picture in pictures]
    shares = [share for share, _difference in results]
    decided = [difference for _share, difference in results if difference is not None]
    print(f"\n{len(pictures)} other pictures")
    print(f"  inertia  {spread(shares)}; above 1.01: {sum(share > 1.01 for share in shares)}")
    print(f"  CIEDE2000, of {len(decided)} decided  {spread(decided)}", end="")
    print(f"; above 1: {sum(difference > 1 for difference in decided)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print(describe())
    print(f"k = {K}, {arguments.rounds} rounds; ratios are the rounds' median")
    warnings.filterwarnings("ignore", message="One of the clusters is empty")  # kmeans2's own fate
    for number, data in enumerate(photos(), 1):
        report_photo(f"photo {number}", small(data), arguments.rounds)
    if pictures := others():
        report_others(pictures)


if __name__ == "__main__":
    main()
