"""SIGKILL to the whole process group at any moment: the same command ends with the same bytes.

Few kills in every run of the tests, many in a soak: of a run, of one with a cache and of a retry.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.command import LOOPBACK, kill_group, run, start
from tests.origin import answer, delayed
from tests.pictures import png

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.origin import Exchange, Origin, Reply

    Sign = Callable[[], int | None]

SHORT = os.environ.get("PIXMILL_SOAK") == "short"
ENDINGS = ("csv", "jsonl", "parquet")
PICTURES = 40
FRESH, MATCHED = {"Cache-Control": "max-age=3600"}, {"ETag": '"1"'}
MANNERS = [FRESH, MATCHED, {**FRESH, **MATCHED}, {"Cache-Control": "no-store"}]


class Size(NamedTuple):
    lines: int
    kills: int
    workers: int


def cases(*few: str) -> pytest.MarkDecorator:
    """Few kills for the tables with these endings, and in a soak many for each."""
    soak = [pytest.mark.soak, pytest.mark.timeout(1800)]
    small, large = Size(400, 3, 1), Size(2000, 10 if SHORT else 100, 2)
    return pytest.mark.parametrize(
        ("ending", "size"),
        [
            *(pytest.param(ending, small, id=f"{ending}-few") for ending in few),
            *(pytest.param(ending, large, id=f"{ending}-many", marks=soak) for ending in ENDINGS),
        ],
    )


def write_list(
    origin: Origin, folder: Path, lines: int, reply: Callable[[int, bytes], Reply] | None = None
) -> Path:
    """A list over 40 small pictures, in which every tenth URL fails in one of three ways."""
    rng = random.Random(3)
    for number in range(PICTURES):
        body = png(rng)
        origin.on(f"/{number}.png", reply(number, body) if reply else answer(body))
    origin.serve("/broken.png", png(rng)[:90])
    urls = []
    for line in range(lines):
        failing = ["/missing.png", "/broken.png", "ftp://nowhere/"][line // 10 % 3]
        path = failing if line % 10 == 9 else f"/{line % PICTURES}.png"
        urls.append(path if "://" in path else f"{origin.url(path)}?{line}")
    path = folder / "urls.txt"
    path.write_text("\n".join(urls) + "\n")
    return path


class Killing:
    """A command that writes into `folder`, over the files `before` (none: it begins there)."""

    def __init__(self, order: list[str], folder: Path, before: dict[str, bytes]) -> None:
        self._order = order
        self._folder = folder
        self._before = before
        self._restore()
        began = time.monotonic()
        self._end()
        self._within_s = 0.9 * (time.monotonic() - began)
        self.whole = contents(folder)

    def kill(self, kills: int, sign: Sign | None = None, after_s: float = 0.0) -> None:
        """Hit it that often, and every few kills let it end as it ends undisturbed.

        Kills come at any moment, every third one within `after_s` of a `sign` if there is one.
        """
        hits = 0
        for seed in range(3 * kills):  # on a busy machine many come too late
            self._restore()
            hits += self._round(min(5, kills - hits), random.Random(seed), sign, after_s)
            assert contents(self._folder) == self.whole
            if hits == kills:
                return
        pytest.fail(f"{hits} of {kills} kills hit the run")

    def _round(self, kills: int, rng: random.Random, sign: Sign | None, after_s: float) -> int:
        hits = 0
        for number in range(kills):
            process = start(*self._order, cwd=self._folder)
            if sign is None or number % 3 < 2:
                time.sleep(rng.uniform(0.0, self._within_s))
            else:
                wait_for(sign, process)
                time.sleep(rng.uniform(0.0, after_s))
            if process.poll() is None:
                hits += 1
            elif (
                number == 0
            ):  # none of it was done before: the machine was slower when it was timed
                self._within_s *= 0.8
            kill_group(process)
        self._end()
        return hits

    def _end(self) -> None:
        ended = run(*self._order, cwd=self._folder)
        assert ended.returncode == 0, ended.stderr

    def _restore(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name, data in self._before.items():
            (self._folder / name).write_bytes(data)


def wait_for(sign: Sign, process: subprocess.Popen[str]) -> None:
    """Return as soon as the sign is another than now, or the process has ended."""
    old = sign()
    while process.poll() is None and sign() in {old, None}:
        time.sleep(0.001)


def changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def contents(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, and every folder."""
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}


def order_of(urls: Path, output: str, workers: int, *more: str) -> list[str]:
    return ["colors", str(urls), "-o", output, "--counts", f"--workers={workers}", *LOOPBACK, *more]


@cases("jsonl")
def test_a_killed_run_ends_with_the_same_bytes(
    origin: Origin, tmp_path: Path, ending: str, size: Size
) -> None:
    urls = write_list(origin, tmp_path, size.lines)
    killing = Killing(order_of(urls, f"o.{ending}", size.workers), tmp_path / "out", {})
    assert killing.whole.keys() == {f"o.{ending}", "o-errors.csv", f"o.{ending}.checkpoint"}
    killing.kill(size.kills)


def heal(origin: Origin, lines: int) -> None:
    """Let every second failing URL that can succeed do so, slowly, and others fail otherwise."""
    rng = random.Random(4)
    for line in range(9, lines, 20):
        for path in ("/missing.png", "/broken.png"):
            origin.on(f"{path}?{line}", delayed(0.5, answer(png(rng))))
    origin.on("/missing.png", delayed(0.5, answer(status=410)))


@cases("parquet")
def test_a_killed_retry_ends_with_the_same_bytes(
    origin: Origin, tmp_path: Path, ending: str, size: Size
) -> None:
    order = order_of(write_list(origin, tmp_path, size.lines), f"o.{ending}", size.workers)
    before = Killing(order, tmp_path / "out", {}).whole
    heal(origin, size.lines)
    killing = Killing([*order, "--retry-failed"], tmp_path / "out", before)
    assert killing.whole.keys() == before.keys()
    assert 0 < len(killing.whole["o-errors.csv"]) < len(before["o-errors.csv"])
    # Merging begins with this file and is brief.
    merged = tmp_path / "out" / "o-errors.csv.part"
    killing.kill(size.kills, lambda: changed_at(merged), after_s=0.04)


def cacheable(number: int, body: bytes) -> Reply:
    """A picture that is fresh for an hour, or may be asked for again by its ETag, or both."""
    headers = MANNERS[number % len(MANNERS)]

    async def reply(exchange: Exchange) -> None:
        if exchange.request.headers.get("if-none-match") == '"1"':
            await answer(status=304, headers=headers)(exchange)
        else:
            await delayed(0.02, answer(body, headers=headers))(exchange)

    return reply


@cases("csv")
def test_a_killed_run_with_a_cache_ends_with_the_same_bytes_and_the_cache_whole(
    origin: Origin, tmp_path: Path, ending: str, size: Size
) -> None:
    urls = write_list(origin, tmp_path, size.lines, cacheable)
    out = tmp_path / "out"
    # A short queue, so that results are kept long before the last picture is asked for.
    order = order_of(urls, f"o.{ending}", size.workers, "--cache", "kept", "--queue", "32")
    killing = Killing(order, out, {})
    killing.kill(size.kills, lambda: len(origin.requests) // 100, after_s=0.2)
    assert_whole(out / "kept" / "results.sqlite")
    asked = len(origin.requests)
    done = run(*order_of(urls, f"again.{ending}", size.workers, "--cache", "kept"), cwd=out)
    assert done.returncode == 0, done.stderr
    assert (out / f"again.{ending}").read_bytes() == killing.whole[f"o.{ending}"]
    fresh = {f"/{n}.png" for n in range(PICTURES) if "max-age" in str(MANNERS[n % len(MANNERS)])}
    assert not fresh & {request.path.partition("?")[0] for request in origin.requests[asked:]}


def assert_whole(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
