"""Whatever races to insert, one image and one pair of blobs win, and every arrival is counted.

In each run of the tests a few images by a few processes, in a soak as many as the promise says.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pixmill.ingest.keeper import ArchiveKeeper, image_of
from pixmill.record import Analysis, Cluster
from pixmill.settings import load_settings
from pixmill.store import open_archive, where
from pixmill.store.archive import Capture
from tests.archives import counts_of, names_of, stored_images
from tests.contract.archives import ARCHIVES, RED, open_one, settings_of

PROJECT = Path(__file__).parents[2]
SHORT = os.environ.get("PIXMILL_SOAK") == "short"
SIZES = [
    pytest.param((3, 30, 2), id="few"),
    pytest.param(
        (8, 100 if SHORT else 500, 4), id="many", marks=[pytest.mark.soak, pytest.mark.timeout(900)]
    ),
]


def insert_all(archive, images, times, seed):
    """What one process does: each image so many times, in an order of its own, as ingest does."""
    rng = random.Random(seed)
    keeper = ArchiveKeeper(archive, originals=True)
    order = [number for number in range(images) for _ in range(times)]
    rng.shuffle(order)
    for start in range(0, len(order), 20):
        archive.add([_capture(keeper, number, rng) for number in order[start : start + 20]])


def _capture(keeper, number, rng):
    analysis = Analysis(
        colors=(RED,), pixels=4, width=2, height=2, format="png", bytes=9, md5=f"{number:032x}",
        clusters=(Cluster((255.0, 0.0, 0.0), 1.0),),
    )  # fmt: skip
    kept = keeper.keep(memoryview(b"original"), f"{number:064x}", analysis, b"grey")
    return Capture(key=rng.randbytes(16), source="race", image=image_of(analysis, kept))


def check(archive, images, arrivals):
    stored = [each.image for each in stored_images(archive)]
    assert len(stored) == len({each.md5 for each in stored}) == images
    assert names_of(archive) == {name for each in stored for name in each.blobs}
    assert len(names_of(archive)) == 2 * images
    assert counts_of(archive) == (images, arrivals - images, 0, {})
    assert len(archive.arrivals(arrivals + 1)) == arrivals


@pytest.mark.parametrize("kind", ARCHIVES)
def test_threads_that_insert_the_same_images_keep_each_once(request, tmp_path, kind):
    with open_one(kind, request, tmp_path) as archive:
        threads = [
            threading.Thread(target=insert_all, args=(archive, 20, 2, seed)) for seed in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(archive, 20, 8 * 20 * 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [*(each for each in ARCHIVES if each != "memory"), "postgres+s3"])
def test_processes_that_insert_the_same_images_keep_each_once(request, tmp_path, kind, size):
    number, images, times = size
    settings = settings_of(kind, request, tmp_path / "data")
    places = where(load_settings(**settings))
    with open_archive(*places):
        pass  # its tables are made
    variables = {f"PIXMILL_{name.upper()}": value for name, value in settings.items()}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(images), str(times), str(seed)],
            cwd=PROJECT,
            env=os.environ | variables,
        )
        for seed in range(number)
    ]
    assert [process.wait(800) for process in running] == [0] * number
    with open_archive(*places) as archive:
        check(archive, images, number * images * times)


def main():
    images, times, seed = map(int, sys.argv[1:])
    with open_archive(*where(load_settings())) as archive:
        insert_all(archive, images, times, seed)


if __name__ == "__main__":
    main()
