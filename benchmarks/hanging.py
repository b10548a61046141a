"""A list in which some URLs never answer, against the same list without them.

python benchmarks/hanging.py [--images 20000] [--share 0.01] [--rounds 3]
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command import command
from benchmarks.machine import describe, photos, spread
from benchmarks.origin import numbered, origin


def mute_server() -> int:
    """Accept every connection and never say a word; returns the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    kept = []

    def accept() -> None:
        while True:
            kept.append(listener.accept())

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    files, mute = photos(), f"http://127.0.0.1:{mute_server()}/"
    every = round(1 / options.share)
    print(describe())
    print(f"input: {options.images} URLs, every {every}th of one list hangs, --timeout 5")
    with tempfile.TemporaryDirectory() as name, origin(Path(name), numbered(files)) as base:
        urls = [f"{base}/{n % len(files)}.jpg?{n}" for n in range(options.images)]
        lists = {"without": urls, "with": list(urls)}
        lists["with"][::every] = [f"{mute}{n}" for n in range(0, options.images, every)]
        rates: dict[str, list[float]] = {"without": [], "with": []}
        for _ in range(options.rounds):
            for kind, lines in lists.items():
                source = Path(name, f"{kind}.txt")
                source.write_text("\n".join(lines) + "\n")
                rows = sum(not line.startswith(mute) for line in lines)
                rates[kind].append(command(source, options.images, ["--timeout=5"], rows))
    for kind, values in rates.items():
        print(f"{kind:<8} hanging URLs: {spread(values, 'URLs/s')}")
    ratios = [w / wo for w, wo in zip(rates["with"], rates["without"], strict=True)]
    print(f"with / without: {spread(ratios)}")


if __name__ == "__main__":
    main()
