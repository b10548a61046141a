"""Reading and committing a long list without fetching: the most the ends of the pipeline can do.

The real source, the real sink and the real checkpoints, with a made-up record in place of each
image, a commit every 65,536 lines.

    python benchmarks/reading.py [--lines 10000000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe

from pixmill.batch.checkpoint import Checkpoint
from pixmill.batch.sink import TableOptions, open_table
from pixmill.batch.source import SourceOptions, open_source
from pixmill.record import Analysis, Color, Record

COMMIT_EVERY = 65_536


def dry_run(source_path: Path, output: Path) -> int:
    colors = tuple(Color((n, n, n), f"#{n:02X}{n:02X}{n:02X}", 9 - n, 0.1) for n in range(3))
    analysis = Analysis(colors, 90, 9, 10, "png", 1234)
    source = open_source([source_path], SourceOptions())
    checkpoint = Checkpoint(source.identity(), {})
    sink, lines = open_table(output, TableOptions(), None), 0
    for item in source.items():
        sink.write(Record(item.line, item.url, analysis))
        lines += 1
        if lines % COMMIT_EVERY == 0:
            checkpoint.sink, checkpoint.line = sink.commit(), item.line
            checkpoint.position = item.position
            checkpoint.save(output.with_suffix(".checkpoint"))
    sink.finish()
    sink.publish()
    sink.close()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=10_000_000)
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "urls.txt")
        with source.open("w") as file:
            file.writelines(f"https://img.example/{n:09}.jpg\n" for n in range(options.lines))
        print(f"input: {options.lines:,} lines, {source.stat().st_size / 1e6:,.0f} MB")
        start = time.perf_counter()
        done = dry_run(source, Path(folder, "o.csv"))
        elapsed = time.perf_counter() - start
    print(f"{done:,} lines in {elapsed:.1f} s: {done / elapsed:,.0f} lines/s")


if __name__ == "__main__":
    main()
