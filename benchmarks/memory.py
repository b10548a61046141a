"""Memory of the whole process tree: over the length of a list, and for images of 100 megapixels.

The figure is the proportional set size (shared pages divided among their sharers), summed over the
command and all processes it started, sampled from /proc/PID/smaps_rollup: Linux only. Whatever else
runs with the same interpreter and packages shares pages too and lowers the figure: nothing should.

    python benchmarks/memory.py lines [--lines 1000000]    a 64 x 64 PNG over and over, one worker
    python benchmarks/memory.py large                      10,000 x 10,000 under --memory 512M
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe
from benchmarks.origin import origin
from tests.pictures import png

MIB = 2**20


def summed_pss(process: psutil.Process) -> int:
    """Bytes of the tree under `process`; what ended meanwhile counts nothing."""
    total = 0
    try:
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for each in tree:
        try:
            text = Path(f"/proc/{each.pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        lines = (line.split() for line in text.splitlines() if line.startswith("Pss:"))
        total += sum(int(line[1]) * 1024 for line in lines)
    return total


def colors(folder: Path, source: Path, flags: list[str], every_s: float, marks: list[int]):
    """Run the command; its exit code, its words, the peak, and the samples around each mark."""
    line = [sys.executable, "-m", "pixmill", "colors", str(source), "-o", str(folder / "o.csv")]
    command = subprocess.Popen(
        [*line, "--overwrite", "--no-dedupe", "--allow-network", "127.0.0.0/8", *flags],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    process, peak, at_mark = psutil.Process(command.pid), 0, {}
    checkpoint = folder / "o.csv.checkpoint"
    while command.poll() is None:
        sample = summed_pss(process)
        peak = max(peak, sample)
        if marks and checkpoint.exists():
            done = json.loads(checkpoint.read_text())["line"]
            for mark in marks:
                if abs(done - mark) <= mark * 0.05:
                    at_mark.setdefault(mark, []).append(sample)
        time.sleep(every_s)
    return command.returncode, command.stderr.read(), peak, at_mark


def lines(number: int) -> None:
    marks = [number // 10, number]
    picture = {"a.png": png(random.Random(1), 64, 64, 40)}
    with tempfile.TemporaryDirectory() as name, origin(Path(name), picture) as base:
        source = Path(name, "urls.txt")
        with source.open("w") as file:
            file.writelines(f"{base}/a.png?{line}\n" for line in range(number))
        start = time.perf_counter()
        code, words, peak, at_mark = colors(Path(name), source, ["--workers", "1"], 0.25, marks)
        elapsed = time.perf_counter() - start
    print(f"{number:,} lines, one worker, exit {code}, {number / elapsed:,.0f} images/s")
    print(words.strip().splitlines()[-2] if code == 0 else words)
    print(f"peak of the summed PSS: {peak / MIB:.1f} MiB")
    for mark in marks:
        samples = sorted(at_mark.get(mark, [0]))
        print(f"around line {mark:,}: median {samples[len(samples) // 2] / MIB:.1f} MiB")


def large() -> None:
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    side = 10_000
    y, x = np.mgrid[0:side, 0:side].astype(np.int32)
    noise = np.random.default_rng(1).integers(0, 24, (side, side), dtype=np.int32)
    red, green, blue = (
        x * 230 // side + noise,
        y * 230 // side + noise,
        (x + y) * 110 // side + noise,
    )
    rgb = np.stack([red, green, blue], axis=2).astype(np.uint8)
    cases = [
        ("baseline JPEG", "jpg", rgb, {"quality": 90}, "512M"),
        ("progressive JPEG", "jpg", rgb, {"quality": 90, "progressive": True}, "512M"),
        ("progressive JPEG", "jpg", rgb, {"quality": 90, "progressive": True}, "1G"),
        ("RGBA PNG", "png", np.dstack([rgb, np.full((side, side), 200, np.uint8)]), {}, "512M"),
    ]
    for name, ending, pixels, options, memory in cases:
        with tempfile.TemporaryDirectory() as folder_name:
            folder = Path(folder_name)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, {"jpg": "JPEG", "png": "PNG"}[ending], **options)
            source = folder / f"large.{ending}"
            source.write_bytes(buffer.getvalue())
            flags = ["--memory", memory, "--workers", "1", "-v"]
            start = time.perf_counter()
            code, words, peak, _ = colors(folder, source, flags, 0.02, [])
            elapsed = time.perf_counter() - start
            row = (folder / "o.csv").read_text().strip().rpartition("/")[2] or words.splitlines()[0]
        print(f"{name} of {len(buffer.getvalue()) / 1e6:.0f} MB, --memory {memory}: exit {code}, "
              f"peak {peak / MIB:.0f} MiB, {elapsed:.1f} s: {row}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["lines", "large"], default="large")
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    print(describe())
    large() if options.what == "large" else lines(options.lines)


if __name__ == "__main__":
    main()
