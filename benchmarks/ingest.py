"""`pixmill ingest` beside `pixmill colors` over the same list, in turn, in one run, on each engine.

The list: URLs of photographs of about 300 x 300 from a local nginx, of which a tenth fail (404) and
a tenth are repeats. Both commands include their start-up; the archive is empty at each start.
Printed are lines a second and the ratios, as minimum, median and maximum over the rounds.

    python benchmarks/ingest.py [--lines 1000] [--rounds 5] [--engines sqlite,postgres,mongo]
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, photos, spread
from benchmarks.origin import numbered, origin
from tests.services import MONGODB, POSTGRES, fresh_postgres, serve_mongo, serve_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINES = ("sqlite", "postgres", "mongo")


def small_photos(number: int) -> list[bytes]:
    """JPEGs of 300 x 300, each another cut from photographs."""
    import numpy as np
    from PIL import Image

    files, rng = [], np.random.default_rng(1)
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in photos()]
    for index in range(number):
        picture = pictures[index % len(pictures)]
        side = int(rng.integers(300, min(picture.size)))
        x, y = (int(rng.integers(0, length - side + 1)) for length in picture.size)
        buffer = io.BytesIO()
        cut = picture.crop((x, y, x + side, y + side)).resize((300, 300))
        cut.save(buffer, "JPEG", quality=85)
        files.append(buffer.getvalue())
    return files


def write_list(path: Path, base: str, lines: int) -> int:
    """Write the list: of ten lines one fails and one repeats the line before; count the failing."""
    urls, distinct = [], 0
    for line in range(lines):
        if line % 10 == 4:
            urls.append(f"{base}/missing-{line}.jpg")
        elif line % 10 == 9:
            urls.append(urls[-1])
        else:
            urls.append(f"{base}/{distinct}.jpg")
            distinct += 1
    path.write_text("".join(f"{url}\n" for url in urls))
    return sum("missing" in url for url in urls)


def timed(arguments: list[str], env: dict[str, str]) -> float:
    """Seconds of one command, which must succeed."""
    line = [sys.executable, "-m", "pixmill", *arguments, "--overwrite"]
    line += ["--allow-network", "127.0.0.0/8"]
    start = time.perf_counter()
    run = subprocess.run(
        line, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    elapsed = time.perf_counter() - start
    if run.returncode:
        sys.exit(f"the command failed ({run.returncode}): {run.stderr[-2000:]}")
    return elapsed


@contextmanager
def servers(engines: list[str], work: Path) -> Iterator[dict[str, str]]:
    """Start the servers that are needed; give their URLs by engine."""
    with ExitStack() as stack:
        urls = {}
        if "postgres" in engines:
            POSTGRES.find() or sys.exit(f"PostgreSQL is needed: {POSTGRES.how}")
            (work / "postgres").mkdir()
            urls["postgres"] = stack.enter_context(serve_postgres()).url
        if "mongo" in engines:
            program = MONGODB.find() or sys.exit(f"MongoDB is needed: {MONGODB.how}")
            (work / "mongo").mkdir()
            urls["mongo"] = stack.enter_context(serve_mongo(program, work / "mongo"))
        yield urls


def place(engine: str, urls: dict[str, str], data: Path) -> dict[str, str]:
    """The environment of an empty archive."""
    env = {"PIXMILL_DATA": str(data)}
    if engine == "postgres":
        env["PIXMILL_CATALOG"] = fresh_postgres(urls["postgres"])
    if engine == "mongo":
        env["PIXMILL_ARCHIVE"] = f"{urls['mongo']}/{data.name}"
    return env


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", default=",".join(ENGINES))
    options = parser.parse_args()
    engines = options.engines.split(",")
    files = small_photos(options.lines * 8 // 10)
    print(describe())
    print(f"input: {options.lines} lines, {len(files)} photographs of 300 x 300, "
          f"{sum(map(len, files)) / len(files):,.0f} bytes each")  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ("colors", *engines)}
    with (
        tempfile.TemporaryDirectory() as name,
        origin(Path(name), numbered(files)) as base,
        servers(engines, Path(name)) as urls,
    ):
        list_file = Path(name, "urls.txt")
        failing = write_list(list_file, base, options.lines)
        print(f"{failing} lines fail, {options.lines - failing - len(files)} repeat the one before")
        colors = ["colors", str(list_file), "-o", str(Path(name, "colors.csv"))]
        timed(colors, {})  # warm the page cache and the kernel cache
        for round_ in range(options.rounds):
            seconds["colors"].append(timed(colors, {}))
            for engine in engines:
                data = Path(name, f"data-{engine}-{round_}")
                line = ["ingest", str(list_file), "-o", str(Path(name, "ingest.csv"))]
                seconds[engine].append(timed(line, place(engine, urls, data)))
    for what, values in seconds.items():
        print(f"{what:<10} {spread([options.lines / value for value in values], 'lines/s')}")
    for engine in engines:
        pairs = zip(seconds["colors"], seconds[engine], strict=True)
        print(f"ingest on {engine:<10} / colors  {spread([ours / mine for ours, mine in pairs])}")


if __name__ == "__main__":
    main()
