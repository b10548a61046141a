"""Holds what is pure, and the route of matches, to 100 % of lines and branches.

Coverage sees nothing of what numba compiles, so nothing is compiled here: kernels run as the Python
that they are written in, on pictures of a few pixels. What Hypothesis draws does not count: a line
is covered by a test that means it. All other tests, and the floor for all other code, are left to
the usual run with its `--cov`.

`make cover`, or `.venv/bin/python -m scripts.cover`; exits 1 and names the lines below 100 %.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).parents[1]
HELD = ("color", "fetch/address.py", "web/routes/match.py")
TESTS = (
    "integration/test_web_match.py",
    "unit/test_address.py",
    "unit/test_clustering_small.py",
    "unit/test_compiled.py",
    "unit/test_counting_arguments.py",
    "unit/test_counting_small.py",
    "unit/test_difference.py",
    "unit/test_distinct.py",
    "unit/test_palette.py",
    "unit/test_palette_files.py",
    "unit/test_palette_files_hostile.py",
    "unit/test_palette_nearest.py",
    "unit/test_spaces.py",
    "unit/test_summary.py",
)


def held_files() -> list[str]:
    """Find the files to be held; FileNotFoundError where a name of `HELD` stands for none."""
    files = []
    for name in HELD:
        path = ROOT / "src" / "pixmill" / name
        found = [path] if path.is_file() else sorted(path.rglob("*.py"))
        if not found:
            raise FileNotFoundError(f"{path} is neither a module nor a folder of modules")
        files += [str(module) for module in found]
    return files


def measurement() -> coverage.Coverage:
    """Measure the whole package: of a file that no test imports, no line is covered.

    No comment excuses a line; only what type checkers alone read is left out.
    """
    measured = coverage.Coverage(
        data_file=None, config_file=False, branch=True, source_pkgs=["pixmill"]
    )
    for which in ("exclude", "partial"):
        measured.clear_exclude(which)
    measured.exclude(r"^if TYPE_CHECKING:$")
    return measured


def main() -> int:
    """Run the tests under coverage and report on the files."""
    files = held_files()
    os.environ["NUMBA_DISABLE_JIT"] = "1"  # before anything imports numba
    measured = measurement()
    measured.start()
    tests = [str(ROOT / "tests" / name) for name in TESTS]
    ended = pytest.main(["-q", "-n0", "-m", "not hypothesis", *tests])
    measured.stop()
    percent = measured.report(include=files, show_missing=True, skip_covered=True)
    if percent < 100:
        sys.stderr.write(f"{', '.join(HELD)}: {percent:.2f} % of lines and branches, not 100 %\n")
    return int(ended) or int(percent < 100)


if __name__ == "__main__":
    sys.exit(main())
