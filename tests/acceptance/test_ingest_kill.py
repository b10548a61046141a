"""SIGKILL to all of `pixmill ingest` at any moment: the same command ends with the same archive.

Few kills in every run of the tests, many in a soak. Images, bytes, counts and the table are those
of a run that nobody killed; files that no row names may be left, and nothing else. On MongoDB
counts are off by at most the images in hand at each kill.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from pixmill.batch.checkpoint import Checkpoint
from pixmill.batch.job import checkpoint_path
from pixmill.ingest.arrivals import MOST_ROWS
from pixmill.store import open_archive
from tests.acceptance.test_kill import write_list
from tests.archives import look, names_of, stored_images
from tests.command import LOOPBACK, kill_group, run, start
from tests.services import fresh_postgres

if TYPE_CHECKING:
    from pathlib import Path

SHORT = os.environ.get("PIXMILL_SOAK") == "short"
SIZES = [
    pytest.param((300, 3), id="few"),
    pytest.param(
        (1000, 5 if SHORT else 50),
        id="many",
        marks=[pytest.mark.soak, pytest.mark.timeout(1800)],
    ),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mongo"])
def test_a_killed_ingest_ends_with_the_same_archive(request, origin, tmp_path, kind, size):
    lines, kills = size
    urls = write_list(origin, tmp_path, lines)
    order = ["ingest", str(urls), "-o", "o.csv", "--workers=1", "--queue=32", *LOOPBACK]
    places = [place(request, kind, tmp_path / name) for name in ("whole", "killed")]
    began = time.monotonic()
    finish(order, tmp_path / "whole", places[0])
    within_s = 0.9 * (time.monotonic() - began)
    rng, ended = random.Random(lines), set()
    for _ in range(kills):
        process = start(*order, cwd=tmp_path / "killed", env=places[1])
        time.sleep(rng.uniform(0.3, within_s))
        kill_group(process)
        ended |= ended_run(tmp_path / "killed" / "o.csv")
    finish(order, tmp_path / "killed", places[1])
    ended |= ended_run(tmp_path / "killed" / "o.csv")
    whole, killed = (
        look_at(tmp_path / name, env) for name, env in zip(("whole", "killed"), places, strict=True)
    )
    assert killed.images == whole.images
    assert len(killed.images) == 36
    success, duplicate, fail, codes = whole.counts
    arrived = success + duplicate
    rounds = len(ended)  # after a run that had ended another is begun, which counts duplicates
    uninterrupted = (success, rounds * arrived - success, rounds * fail)
    if kind == "mongo":
        assert captures_of(places[1], tmp_path / "killed") == sum(uninterrupted)
        for counted, right in zip(killed.counts[:3], uninterrupted, strict=True):
            assert right - kills * MOST_ROWS <= counted <= right
    else:
        assert killed.counts[:3] == uninterrupted
        assert killed.counts[3] == {code: rounds * number for code, number in codes.items()}
    mend(tmp_path / "killed", places[1])
    if rounds == 1:
        assert table(tmp_path / "killed") == table(tmp_path / "whole")


def ended_run(output: Path) -> set[str]:
    checkpoint = Checkpoint.load(checkpoint_path(output))
    finished = checkpoint is not None and checkpoint.state == "finished"
    return {checkpoint.run} if finished else set()


def place(request, kind: str, folder: Path) -> dict[str, str]:
    folder.mkdir()
    env = {"PIXMILL_DATA": str(folder / "data")}
    if kind == "postgres":
        env["PIXMILL_CATALOG"] = fresh_postgres(request.getfixturevalue("postgres_server"))
    if kind == "mongo":
        env["PIXMILL_ARCHIVE"] = f"{request.getfixturevalue('mongod')}_{folder.name}"
    return env


def url_of(env) -> str | None:
    return env.get("PIXMILL_ARCHIVE") or env.get("PIXMILL_CATALOG")


def captures_of(env, folder: Path) -> int:
    with open_archive(url_of(env), None, None, folder / "data") as archive:
        return len(archive.arrivals(1_000_000))


def finish(order, folder: Path, env) -> None:
    ended = run(*order, cwd=folder, env=env)
    assert ended.returncode == 0, ended.stderr


def look_at(folder: Path, env):
    """Look into the archive; what no row names is at most what was in hand at the kills."""
    with open_archive(url_of(env), None, None, folder / "data") as archive:
        named = {name for each in stored_images(archive) for name in each.image.blobs}
        assert named <= names_of(archive)
    return look(folder / "data", url_of(env))


def mend(folder: Path, env) -> None:
    """Afterwards no file is left without its row, and none of a row's is gone."""
    done = run("doctor", "--store", "--mend", "--older-than", "0", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    with open_archive(url_of(env), None, None, folder / "data") as archive:
        named = {name for each in stored_images(archive) for name in each.image.blobs}
        assert named == names_of(archive)
        assert list(archive.blobs.spool.iterdir()) == []


def table(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "o.csv").read_bytes(), (folder / "o-errors.csv").read_bytes()
