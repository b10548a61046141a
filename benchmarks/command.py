"""The whole command against the two bounds that no pipeline can beat, in turn, in one run.

The bounds: as many processes as cores decode (and count) the same files, held in memory, kernels
warm, nothing fetched. The command: `pixmill colors` over a list of distinct URLs from a local
nginx, start-up included. Printed are images a second and the ratios, as minimum, median and maximum
over the rounds.

    python benchmarks/command.py [--images 4000] [--rounds 5] [--thumbnails]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread
from benchmarks.origin import numbered, origin


def thumbnails(number: int = 200) -> list[bytes]:
    """JPEGs of 128 x 128, cut from photographs."""
    import io

    import numpy as np
    from PIL import Image

    files, rng = [], np.random.default_rng(1)
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in photos()]
    for index in range(number):
        picture = pictures[index % len(pictures)]
        x, y = (int(rng.integers(0, side - 256)) for side in picture.size)
        buffer = io.BytesIO()
        picture.crop((x, y, x + 256, y + 256)).resize((128, 128)).save(buffer, "JPEG", quality=85)
        files.append(buffer.getvalue())
    return files


def bound_worker(files: list[bytes], number: int, *, count: bool, gates) -> None:
    import simplejpeg

    from pixmill.color.counting import count_top, warm_up

    ready, go, done = gates
    warm_up()
    ready.release()
    go.wait()
    for index in range(number):
        rgb = simplejpeg.decode_jpeg(files[index % len(files)], "RGB")
        if count:
            count_top(rgb, 3)
    done.release()


def bound(files: list[bytes], images: int, *, count: bool) -> float:
    """Images a second of as many processes as cores that only decode, or decode and count."""
    cpus = len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    ready, go, done = context.Semaphore(0), context.Event(), context.Semaphore(0)
    how = {"count": count, "gates": (ready, go, done)}
    workers = [
        context.Process(target=bound_worker, args=(files, images // cpus), kwargs=how)
        for _ in range(cpus)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    start = time.perf_counter()
    go.set()
    for _ in workers:
        done.acquire()
    rate = images // cpus * cpus / (time.perf_counter() - start)
    for worker in workers:
        worker.join()
    return rate


def command(list_file: Path, images: int, flags: list[str], rows: int | None = None) -> float:
    """Images a second of `pixmill colors`, from its start to its end; `rows` of them succeed."""
    output = list_file.with_name("out.csv")
    line = [sys.executable, "-m", "pixmill", "colors", str(list_file), "-o", str(output)]
    line += ["--no-dedupe", "--overwrite", "--allow-network", "127.0.0.0/8", *flags]
    start = time.perf_counter()
    run = subprocess.run(line, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - start
    if run.returncode or sum(1 for _ in output.open()) != (rows or images):
        sys.exit(f"the command failed ({run.returncode}): {run.stderr[-2000:]}")
    return images / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, help="default 4000, or 20000 thumbnails")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--thumbnails", action="store_true", help="128 x 128, not photographs")
    options, flags = parser.parse_known_args()
    files = thumbnails() if options.thumbnails else photos()
    images = options.images or (20_000 if options.thumbnails else 4_000)
    print(describe())
    size = sum(map(len, files)) / len(files)
    print(f"input: {images} URLs over {len(files)} files, {size:,.0f} bytes each")
    rates: dict[str, list[float]] = {"command": [], "decoding and counting": [], "decoding": []}
    with tempfile.TemporaryDirectory() as name, origin(Path(name), numbered(files)) as base:
        list_file = Path(name, "urls.txt")
        urls = (f"{base}/{index % len(files)}.jpg?{index}\n" for index in range(images))
        list_file.write_text("".join(urls))
        command(list_file, images, flags)  # warm the page cache and the kernel cache
        for _ in range(options.rounds):
            rates["command"].append(command(list_file, images, flags))
            rates["decoding and counting"].append(bound(files, images, count=True))
            rates["decoding"].append(bound(files, images, count=False))
    for name, values in rates.items():
        print(f"{name:<22} {spread(values, 'images/s')}")
    for name in ("decoding and counting", "decoding"):
        ratios = [mine / best for mine, best in zip(rates["command"], rates[name], strict=True)]
        print(f"command / {name:<22} {spread(ratios)}")


if __name__ == "__main__":
    main()
