"""`run_job` and `retry_job` themselves: killed at every step they end alike, and spare all else."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixmill.batch import RunOptions, job
from pixmill.batch.checkpoint import Checkpoint
from pixmill.batch.job import Job, run_job
from pixmill.batch.retry import retry_job
from pixmill.batch.sink import TableOptions
from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import OutputError, ResumeRefused, UsageError
from tests.pictures import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("warm_pools")

PICTURES = 3
ERRORS_HEADER = "line,url,code,http_status,attempts,message\n"


class Silent:
    """A watcher that takes no note."""

    def started(self, run: object, progress: object, resumed_line: int) -> None:
        pass

    def seen(self, record: object) -> None:
        pass

    def tick(self) -> None:
        pass


@pytest.fixture
def paths(tmp_path: Path) -> Path:
    """A list of pictures, of which the second and the last are not there."""
    folder = tmp_path / "in"
    folder.mkdir()
    names = [folder / f"{number}.png" for number in range(PICTURES)]
    for number, name in enumerate(names):
        if number not in (1, PICTURES - 1):
            name.write_bytes(plain((number, 0, 0)))
    path = folder / "paths.txt"
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def job_of(paths: Path, output: Path, **changes: object) -> Job:
    table = TableOptions(n=1, counts=True)
    source = open_source([paths], SourceOptions(allow_files=True))
    order = {"run": RunOptions(workers=1, memory_bytes=2**30), "bearing": {"n": 1}, **changes}
    return Job(source=source, output=output, table=table, **order)


def mend(paths: Path) -> None:
    (paths.parent / "1.png").write_bytes(plain((1, 0, 0)))


def files(folder: Path) -> dict[str, bytes]:
    """What stands in a folder, but for checkpoints."""
    found = {path.name: path for path in folder.iterdir() if path.suffix != ".checkpoint"}
    return {name: path.read_bytes() for name, path in found.items()}


class Moments:
    """Every distinct state a folder goes through, which is what a kill at that moment leaves.

    Taken before each open, rename, removal and truncation in it, after each open that empties a
    file, and whenever a file is synced.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self.states: list[dict[str, bytes]] = []
        sys.addaudithook(self._hook)

    @contextlib.contextmanager
    def of(self, folder: Path) -> Iterator[list[dict[str, bytes]]]:
        self._folder, self.states = folder, []
        try:
            yield self.states
        finally:
            self._folder = None

    def take(self, emptied: str | None = None) -> None:
        folder, self._folder = self._folder, None  # what is read here is no step
        if folder is None:
            return
        # Neither the lock nor what is on its way to a name is ever read.
        seen = [path for path in folder.iterdir() if path.name[0] != "." and path.suffix != ".tmp"]
        state = {path.name: path.read_bytes() for path in seen}
        if emptied is not None and not emptied.endswith(".tmp"):
            state[emptied] = b""
        if state not in self.states:
            self.states.append(state)
        self._folder = folder

    def _hook(self, event: str, arguments: tuple) -> None:  # type: ignore[type-arg]
        if self._folder is None or threading.current_thread() is not threading.main_thread():
            return
        if event in {"open", "os.rename", "os.remove", "os.truncate"}:
            self.take()
            if event == "open" and arguments[2] & os.O_TRUNC:
                path = Path(os.fsdecode(arguments[0]))
                if path.parent == self._folder:
                    self.take(emptied=path.name)


@pytest.fixture(scope="module")
def moments() -> Moments:
    return Moments()


@pytest.fixture
def every_commit(monkeypatch: pytest.MonkeyPatch, moments: Moments) -> None:
    """A commit after each record, and a moment at each sync."""
    monkeypatch.setattr(job, "COMMIT_EVERY_S", 0.0)
    monkeypatch.setattr(os, "fsync", lambda _: moments.take())


def goes_on_from(states: list[dict[str, bytes]], attempt: Callable[[Path], object], work: Path):
    """What stands in the end, going on from each of the states."""
    for number, state in enumerate(states):
        folder = work / f"after-{number}"
        folder.mkdir()
        for name, content in state.items():
            (folder / name).write_bytes(content)
        attempt(folder)
        yield number, sorted(state), files(folder)


EVERY = pytest.mark.parametrize(
    "every",
    [
        pytest.param(6, id="some moments"),
        pytest.param(1, id="all moments", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)


@EVERY
@pytest.mark.usefixtures("every_commit")
def test_a_job_killed_at_any_moment_ends_with_the_same_bytes(
    tmp_path: Path, paths: Path, moments: Moments, every: int
) -> None:
    """Among the moments are those around each commit, each checkpoint and each rename."""

    def attempt(folder: Path) -> object:
        return run_job(job_of(paths, folder / "o.csv"), Silent())

    whole = tmp_path / "whole"
    whole.mkdir()
    with moments.of(whole) as states:
        attempt(whole)
    expected = files(whole)
    assert set(expected) == {"o.csv", "o-errors.csv"}
    assert len(states) > 3 * PICTURES
    for number, names, found in goes_on_from(states[::every], attempt, tmp_path):
        assert found == expected, (number, names)


@EVERY
@pytest.mark.usefixtures("every_commit")
def test_a_retry_killed_at_any_moment_ends_with_the_same_bytes(
    tmp_path: Path, paths: Path, moments: Moments, every: int
) -> None:
    """It ends as if the mended picture had been there from the beginning."""

    def attempt(folder: Path) -> object:
        return retry_job(job_of(paths, folder / "o.csv"), Silent())

    whole, again = tmp_path / "whole", tmp_path / "again"
    whole.mkdir()
    again.mkdir()
    run_job(job_of(paths, again / "o.csv"), Silent())
    mend(paths)
    run_job(job_of(paths, whole / "o.csv"), Silent())
    with moments.of(again) as states:
        attempt(again)
    assert b"2.png" in files(whole)["o-errors.csv"]
    assert len(states) > 3 * PICTURES
    for number, names, found in goes_on_from(states[::every], attempt, tmp_path):
        assert found == files(whole), (number, names)


@pytest.mark.parametrize(
    "name", ["o.csv", "o-errors.csv", "o.csv.part", "o-errors.csv.part", "o.lock", ".o.csv.lock"]
)
def test_files_of_somebody_else_are_never_written_over(
    tmp_path: Path, paths: Path, name: str
) -> None:
    (tmp_path / name).write_text("precious")
    order = job_of(paths, tmp_path / "o.csv")
    with contextlib.nullcontext() if "lock" in name else pytest.raises(ResumeRefused, match=name):
        run_job(order, Silent())
    assert (tmp_path / name).read_text() == "precious"
    assert not list(tmp_path.glob("*pixmill*"))


def test_overwriting_is_what_replaces_a_partial_file_of_somebody_else(
    tmp_path: Path, paths: Path
) -> None:
    (tmp_path / "o.csv.part").write_text("not so precious")
    assert run_job(job_of(paths, tmp_path / "o.csv", overwrite=True), Silent()).complete
    assert not (tmp_path / "o.csv.part").exists()


def test_an_errors_file_shared_with_another_output_is_named_as_its(
    tmp_path: Path, paths: Path
) -> None:
    run_job(job_of(paths, tmp_path / "o.csv"), Silent())
    with pytest.raises(ResumeRefused, match=r"o-errors.csv belongs to .*o\.csv: .*another name"):
        run_job(job_of(paths, tmp_path / "o.jsonl"), Silent())
    assert not (tmp_path / "o.jsonl.checkpoint").exists()


@pytest.mark.parametrize(
    "name",
    ["o.retry.csv", "o.retry-errors.csv", "o.retry.csv.part", "o.retry.csv.checkpoint"],
)
def test_a_retry_leaves_files_of_somebody_else_alone(
    tmp_path: Path, paths: Path, name: str
) -> None:
    output = tmp_path / "o.csv"
    run_job(job_of(paths, output), Silent())
    before = output.read_bytes()
    shutil.copy(f"{output}.checkpoint", tmp_path / name)
    theirs = (tmp_path / name).read_bytes()
    mend(paths)
    with pytest.raises(ResumeRefused, match=name):
        retry_job(job_of(paths, output), Silent())
    assert (tmp_path / name).read_bytes() == theirs
    assert output.read_bytes() == before
    (tmp_path / name).unlink()
    assert retry_job(job_of(paths, output), Silent()).failed == {"invalid_url": 1}


def test_a_retry_over_other_lines_takes_the_place_of_one_that_was_interrupted(
    tmp_path: Path, paths: Path
) -> None:
    output = tmp_path / "o.csv"
    run_job(job_of(paths, output), Silent())
    Checkpoint(None, {"errors file": "an older one"}).save(tmp_path / "o.retry.csv.checkpoint")
    (tmp_path / "o.retry.csv.part").write_text("rows of other lines")
    mend(paths)
    assert retry_job(job_of(paths, output), Silent()).complete
    assert not list(tmp_path.glob("o.retry*"))


@pytest.mark.parametrize(
    "content",
    [b"", b"line,url\n", ERRORS_HEADER.encode() + b"x,http://a/,c,,,m\n", b"\xff\xfe\n"],
)
def test_an_errors_file_that_was_altered_is_refused(
    tmp_path: Path, paths: Path, content: bytes
) -> None:
    output = tmp_path / "o.csv"
    run_job(job_of(paths, output), Silent())
    (tmp_path / "o-errors.csv").write_bytes(content)
    with pytest.raises(ResumeRefused, match=r"o-errors\.csv"):
        retry_job(job_of(paths, output), Silent())


def test_a_failed_line_of_any_length_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "paths.txt"
    path.write_text("/none/" + "x" * 500_000 + "\n")
    output = tmp_path / "o.csv"
    run_job(job_of(path, output), Silent())
    assert retry_job(job_of(path, output), Silent()).failed == {"invalid_url": 1}
    again = job_of(tmp_path / "o-errors.csv", tmp_path / "p.csv")
    assert run_job(again, Silent()).failed == {"invalid_url": 1}
    assert b"x" * 500_000 in (tmp_path / "p-errors.csv").read_bytes()


IMPOSSIBLE = [
    ({"run": RunOptions(workers=64, memory_bytes=2**29)}, "o.csv", UsageError),
    ({}, "o.foo", UsageError),
    ({}, "none/o.csv", OutputError),
]


@pytest.mark.parametrize(("changes", "name", "error"), IMPOSSIBLE)
def test_what_can_not_be_run_leaves_nothing_behind(
    tmp_path: Path, paths: Path, changes: dict[str, object], name: str, error: type[Exception]
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(error):
        run_job(job_of(paths, folder / name, bearing={"n": 5}, **changes), Silent())
    assert list(folder.iterdir()) == []


def test_a_start_that_fails_does_not_unmark_a_finished_table(tmp_path: Path, paths: Path) -> None:
    output = tmp_path / "o.csv"
    run_job(job_of(paths, output), Silent())
    changes, _, error = IMPOSSIBLE[0]
    with pytest.raises(error):
        run_job(job_of(paths, output, overwrite=True, **changes), Silent())
    assert run_job(job_of(paths, output), Silent()).did_nothing
