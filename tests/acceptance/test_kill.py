"""SIGKILL to the whole process group at any moment: the same command ends with the same bytes."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.command import LOOPBACK, kill_group, run, start
from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin

SHORT = os.environ.get("PIXMILL_SOAK") == "short"


def write_list(origin: Origin, folder: Path, lines: int) -> Path:
    """A list over 40 small pictures, in which every tenth URL fails in one of three ways."""
    rng = random.Random(3)
    for number in range(40):
        origin.serve(f"/{number}.png", png(rng))
    origin.serve("/broken.png", png(rng)[:90])
    urls = []
    for line in range(lines):
        failing = ["/missing.png", "/broken.png", "ftp://nowhere/"][line // 10 % 3]
        path = failing if line % 10 == 9 else f"/{line % 40}.png"
        urls.append(path if "://" in path else f"{origin.url(path)}?{line}")
    path = folder / "urls.txt"
    path.write_text("\n".join(urls) + "\n")
    return path


def kill_until_done(
    arguments: list[str], folder: Path, kills: int, seed: int, within_s: float = 2.5
) -> int:
    """Kill the command `kills` times at random moments, then let it end; the kills that hit it."""
    rng, hits = random.Random(seed), 0
    for _ in range(kills):
        process = start(*arguments, cwd=folder)
        time.sleep(rng.uniform(0.0, within_s))
        hits += process.poll() is None
        kill_group(process)
    ended = run(*arguments, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return hits


def tables(folder: Path, name: str) -> dict[str, bytes]:
    """Every file of an output but its checkpoint."""
    return {
        path.name.replace(name, "x"): path.read_bytes()
        for path in sorted(folder.glob(f"{name}*"))
        if path.suffix != ".checkpoint"
    }


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_killed_run_ends_with_the_same_bytes(origin: Origin, tmp_path: Path, ending: str) -> None:
    urls = write_list(origin, tmp_path, 400)
    flags = ["--workers", "1", "--counts", *LOOPBACK]
    began = time.monotonic()
    assert run("colors", urls, "-o", f"whole.{ending}", *flags, cwd=tmp_path).returncode == 0
    within_s = 0.9 * (time.monotonic() - began)
    order = ["colors", str(urls), "-o", f"cut.{ending}", *flags]
    hits = kill_until_done(order, tmp_path, 4, seed=5, within_s=within_s)
    assert hits > 0, "no kill hit the run"
    assert tables(tmp_path, "cut") == tables(tmp_path, "whole")
    assert len(tables(tmp_path, "whole")) == 2


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_many_kills_end_with_the_same_bytes(origin: Origin, tmp_path: Path, ending: str) -> None:
    kills = 10 if SHORT else 100
    urls = write_list(origin, tmp_path, 2000)
    flags = ["--counts", *LOOPBACK]
    assert run("colors", urls, "-o", f"whole.{ending}", *flags, cwd=tmp_path).returncode == 0
    done = 0
    for seed in range(kills):
        if done >= kills:
            break
        for path in tmp_path.glob("cut*"):
            path.unlink()
        order = ["colors", str(urls), "-o", f"cut.{ending}", *flags]
        done += kill_until_done(order, tmp_path, min(5, kills - done), seed)
        assert tables(tmp_path, "cut") == tables(tmp_path, "whole")
    assert done >= kills
