"""Photographs to JPEGs that fit 512x512, quality 75, on one core, stage by stage.

Beside the whole way stands libvips' own `thumbnail` with its JPEG encoder, in the same process and
run, which is what image proxies on libvips do. Every round does each once for every photograph, so
that a busy machine slows all alike.

    python benchmarks/rendering.py [--photos FOLDER] [--rounds 9] [--width 4000]

Pictures are the photographs of FOLDER or of PIXMILL_TEST_IMAGES, without either drawn ones; those
narrower than `--width` are enlarged to it first (0: none is), as cameras' photographs are large.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread

from pixmill.imaging.opening import opened
from pixmill.imaging.operations import parse_text
from pixmill.imaging.operations.geometry import resized
from pixmill.imaging.orientation import orientation
from pixmill.imaging.probe import Limits, probe
from pixmill.imaging.profiles import embedded
from pixmill.imaging.rendering import render
from pixmill.imaging.vips import locked_down
from pixmill.imaging.writing import written

SIDE, QUALITY = 512, 75
CHAIN = parse_text(f"resize {SIDE} {SIDE}\nconvert jpeg {QUALITY}")


def ours(data: bytes) -> bytes:
    return render(data, probe(data), CHAIN, Limits()).data


def by_libvips(data: bytes) -> bytes:
    pyvips = locked_down()
    source = pyvips.Source.new_from_memory(data)
    small = pyvips.Operation.call("thumbnail_source", source, SIDE, height=SIDE)
    return small.jpegsave_buffer(Q=QUALITY, keep="icc")


def enlarged(data: bytes, width: int) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        if image.width >= width:
            return data
        size = width, round(image.height * width / image.width)
        target = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(target, "JPEG", quality=85)
    return target.getvalue()


def stages(data: bytes) -> dict[str, float]:
    """Milliseconds of each stage of ours, and of both ways as a whole."""
    took, view = {}, memoryview(data)

    def timed(name, work):
        start = time.perf_counter()
        value = work()
        took[name] = 1e3 * (time.perf_counter() - start)
        return value

    header = timed("header", lambda: probe(data))
    turn = timed("orientation", lambda: orientation(view, header))
    timed("profile", lambda: embedded(view, header))
    size = resized((header.width, header.height), SIDE, SIDE, "fit")[0]
    image = timed("decode and shrink", lambda: opened(view, header, turn, size))
    timed("encode", lambda: written(image, "jpeg", QUALITY))
    timed("pixmill, whole", lambda: ours(data))
    timed("libvips, whole", lambda: by_libvips(data))
    return took


def difference(data: bytes) -> float:
    """Mean absolute difference of both results, in levels."""
    pair = [np.asarray(Image.open(io.BytesIO(way(data))), float) for way in (ours, by_libvips)]
    return float(np.abs(pair[0] - pair[1]).mean()) if pair[0].shape == pair[1].shape else -1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--width", type=int, default=4000)
    arguments = parser.parse_args()
    print(describe())
    folder = arguments.photos
    files = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))] if folder else photos()
    files = [enlarged(data, arguments.width) for data in files]
    totals: dict[str, list[float]] = {}
    for number, data in enumerate(files, 1):
        header = probe(data)
        print(f"\nphoto {number}: {header.width} x {header.height}, {len(data) / 1e6:.2f} MB, "
              f"results differ by {difference(data):.2f} levels")  # fmt: skip
        rounds = [stages(data) for _ in range(arguments.rounds + 1)][1:]
        for name in rounds[0]:
            values = [took[name] for took in rounds]
            print(f"  {name:18} {spread(values, 'ms')}")
            totals.setdefault(name, []).append(statistics.median(values))
    whole, theirs = (sum(totals[f"{name}, whole"]) for name in ("pixmill", "libvips"))
    print(f"\nall photos: pixmill {1e3 * len(files) / whole:.1f} images/s, "
          f"libvips {1e3 * len(files) / theirs:.1f} images/s, {theirs / whole:.2f} x")  # fmt: skip


if __name__ == "__main__":
    main()
