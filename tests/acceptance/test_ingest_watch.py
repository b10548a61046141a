"""`pixmill ingest --watch`: files of a folder, each once and whole, by any number of watchers."""

from __future__ import annotations

import contextlib
import hashlib
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from pixmill.store import open_archive
from tests.archives import look
from tests.command import kill_group, run, start
from tests.pictures import png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.command import Process

HALF_S = 1.5  # longer than a file has to be unchanged to be taken in
FLAGS = ("--workers", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "nas"
    (place / "line 1").mkdir(parents=True)
    return place


@pytest.fixture
def watcher(tmp_path: Path, folder: Path) -> Iterator[Callable[..., Process]]:
    """Call it to start a watcher of the folder."""
    with contextlib.ExitStack() as started:

        def begin(*flags: str) -> Process:
            data = {"PIXMILL_DATA": str(tmp_path / "data")}
            process = start(
                "ingest", "--watch", str(folder), *FLAGS, *flags, cwd=tmp_path, env=data
            )
            started.callback(kill_group, process)
            return process

        yield begin


def stop(process: Process) -> str:
    """End a watcher as a service manager does; gives what it said."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def pictures(number: int, seed: int = 0) -> list[bytes]:
    return [png(random.Random(seed * 100_000 + n)) for n in range(number)]


def md5s(files: list[bytes]) -> set[str]:
    return {hashlib.md5(data, usedforsecurity=False).hexdigest() for data in files}


def number_of(data: Path) -> int:
    with open_archive(None, None, None, data) as archive:
        return sum(minute.success + minute.fail for minute in recent(archive))


def recent(archive):  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    now = datetime.now(UTC)
    return archive.minutes(now - timedelta(hours=1), now + timedelta(minutes=1))


def wait_for(data: Path, number: int) -> None:
    deadline = time.monotonic() + 90
    while number_of(data) < number:
        assert time.monotonic() < deadline, f"{number_of(data)} of {number} came"
        time.sleep(0.1)


def put(folder: Path, files: list[bytes]) -> None:
    """Write a third in place, move a third in, and write a third in two halves, with a pause."""
    halves = []
    for number, data in enumerate(files):
        path = folder / ("line 1" if number % 2 else ".") / f"{number:04}.png"
        if number % 3 == 0:
            path.write_bytes(data)
        elif number % 3 == 1:
            on_its_way = folder / f"{number}.part"
            on_its_way.write_bytes(data)
            on_its_way.rename(path)
        else:
            path.write_bytes(data[: len(data) // 2])
            halves.append((path, data))
    time.sleep(HALF_S)
    for path, data in halves:
        with path.open("ab") as file:
            file.write(data[len(data) // 2 :])


@pytest.mark.parametrize("number", [60, pytest.param(500, marks=pytest.mark.soak)])
def test_two_watchers_take_each_file_once_and_none_torn(
    tmp_path: Path, folder: Path, watcher: Callable[..., Process], number: int
) -> None:
    files = pictures(number)
    early, late = files[: number // 3], files[number // 3 :]
    put(folder, early)
    both = [watcher("-o", "-"), watcher("-o", "-")]
    (folder / "more").mkdir()
    (folder / "more" / "line 1").mkdir()
    put(folder / "more", late)
    wait_for(tmp_path / "data", number)
    time.sleep(HALF_S)
    rows = []
    for process in both:
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        rows += [row for row in out.splitlines() if row.endswith(",success")]
    contents = look(tmp_path / "data")
    assert contents.images.keys() == md5s(files)
    assert contents.counts == (number, 0, 0, {})
    assert {original for original, _, _ in contents.images.values()} == {
        hashlib.sha256(data).hexdigest() for data in files
    }


def test_what_was_taken_in_is_not_taken_again_and_a_changed_file_is_another_capture(
    tmp_path: Path, folder: Path, watcher: Callable[..., Process]
) -> None:
    data = tmp_path / "data"
    first, second = pictures(2)
    (folder / "a.png").write_bytes(first)
    process = watcher("--source", "camera-1")
    wait_for(data, 1)
    kill_group(process)
    again = watcher("--source", "camera-1")
    (folder / "b.png").write_bytes(first)  # the same picture is a duplicate
    time.sleep(HALF_S)
    (folder / "a.png").write_bytes(second)
    wait_for(data, 2)
    said = stop(again)
    assert f"watching {folder}; Ctrl-C stops" in said
    assert look(data).counts == (2, 1, 0, {})
    with open_archive(None, None, None, data) as archive:
        captures = [*archive.arrivals(10, md5=min(md5s([first])))]
        assert {(each.source, each.reference[-5:]) for each in captures} == {
            ("camera-1", "a.png"),
            ("camera-1", "b.png"),
        }


def test_a_folder_that_is_gone_for_a_while_is_told_and_looked_into_again(
    tmp_path: Path, folder: Path, watcher: Callable[..., Process]
) -> None:
    data = tmp_path / "data"
    files = pictures(2)
    (folder / "a.png").write_bytes(files[0])
    process = watcher()
    wait_for(data, 1)
    folder.rename(tmp_path / "elsewhere")
    time.sleep(HALF_S)
    (tmp_path / "elsewhere").rename(folder)
    (folder / "b.png").write_bytes(files[1])
    wait_for(data, 2)
    said = stop(process)
    assert f"can not look into {folder}: No such file or directory; trying again" in said
    assert "the folder can be looked into again" in said
    assert look(data).counts == (2, 0, 0, {})


def test_an_order_that_makes_no_sense_is_a_sentence(tmp_path: Path) -> None:
    for arguments in (["--watch", ".", "urls.txt"], ["--watch", ".", "-o", "o.csv"], []):
        done = run("ingest", *arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
    done = run("ingest", "--watch", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1, "pixmill: can not read nowhere: No such file or directory\n",
    )  # fmt: skip
