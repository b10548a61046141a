"""Start-up: `pixmill --version` and `import pixmill` against an interpreter that does nothing.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, spread

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import pixmill": ["-c", "import pixmill"],
    "pixmill --version": ["-m", "pixmill", "--version"],
    "pixmill colors --help": ["-m", "pixmill", "colors", "--help"],
}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(describe())
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.rounds + 1):  # the first round warms the caches of files
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    bare = statistics.median(times["python -c pass"][1:])
    for name, values in times.items():
        over = statistics.median(values[1:]) - bare
        print(f"{name:<22} {spread(values[1:], 's')}  (+{over:.3f} s)")


if __name__ == "__main__":
    main()
