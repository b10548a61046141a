"""Whatever moment a run is killed at, going on from the checkpoint ends with the same bytes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest

from pixmill.batch.durable import write_atomically
from pixmill.batch.sink import TableOptions, errors_path, open_table, parquet_part
from tests.unit.kills import Killed, Killer
from tests.unit.sink_records import a_run, both_files, write_all

OPTIONS = TableOptions(header=True)
RECORDS = a_run(17)


@pytest.fixture(scope="module")
def killer() -> Killer:
    return Killer()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Three parts and a rest out of 17 records, each part out of three batches."""
    monkeypatch.setattr(parquet_part, "PART_ROWS", 5)
    monkeypatch.setattr(parquet_part, "_PIECE_BYTES", 400)


def run(output: Path, commit_every: int, step) -> None:
    """What the runner does: rows, commits and checkpoints, in the order that the sink asks for."""
    checkpoint = output.with_name("checkpoint")
    done, state, ended = 0, None, False
    if checkpoint.exists():
        done, state, ended = json.loads(checkpoint.read_bytes())
    sink = open_table(output, OPTIONS, state)
    with contextlib.closing(sink):
        if not ended:
            for number, record in enumerate(RECORDS[done:], done + 1):
                step()
                sink.write(record)
                if number % commit_every == 0:
                    state = sink.commit()
                    step()
                    write_atomically(checkpoint, json.dumps([number, state, False]).encode())
            state = sink.finish()
            step()
            write_atomically(checkpoint, json.dumps([len(RECORDS), state, True]).encode())
        sink.publish()


def leftovers(output: Path) -> set[str]:
    return {path.name for path in output.parent.iterdir()} - {
        output.name,
        errors_path(output).name,
        "checkpoint",
    }


@pytest.fixture
def no_sync(monkeypatch):
    """A kill loses nothing that was written; syncing thousands of times would only cost time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("commit_every", [pytest.param(1, marks=pytest.mark.soak), 7])
def test_killed_at_every_step_and_again_while_resuming_gives_the_same_bytes(
    tmp_path, killer, ending, commit_every
):
    write_all(tmp_path / f"whole.{ending}", RECORDS, OPTIONS)
    expected = both_files(tmp_path / f"whole.{ending}")
    folder = tmp_path / "run"
    output = folder / f"o.{ending}"
    folder.mkdir()
    with killer.watching(folder, None):
        run(output, commit_every, killer.step)
        steps = killer.steps
    assert steps > len(RECORDS)
    for at in range(steps):
        shutil.rmtree(folder)
        folder.mkdir()
        for moment in (at, at * 7 % steps):
            with contextlib.suppress(Killed), killer.watching(folder, moment):
                run(output, commit_every, killer.step)
        run(output, commit_every, lambda: None)
        assert both_files(output) == expected, at
        assert leftovers(output) == set(), at


@pytest.mark.usefixtures("no_sync")
def test_until_it_is_published_an_older_output_stands_untouched(tmp_path, killer, ending):
    folder = tmp_path / "run"
    folder.mkdir()
    output = folder / f"o.{ending}"
    with killer.watching(folder, None):
        run(output, 5, killer.step)
        steps = killer.steps
    output.with_name("checkpoint").unlink()
    older = both_files(output)
    for at in range(steps):
        for name, content in zip((output, errors_path(output)), (b"old", b"older"), strict=True):
            name.write_bytes(content)
        with contextlib.suppress(Killed), killer.watching(folder, at):
            run(output, 5, killer.step)
        table, errors = both_files(output)
        assert table in (b"old", older[0])
        assert errors in (b"older", older[1])
        assert table == b"old" or errors != b"older", "the errors file is published first"
        output.with_name("checkpoint").unlink(missing_ok=True)


def test_what_a_commit_names_is_synced_before_it_returns(tmp_path, monkeypatch, ending):
    synced = {}
    fsync = os.fsync

    def recording(descriptor: int) -> None:
        fsync(descriptor)
        synced[str(Path(f"/proc/self/fd/{descriptor}").readlink())] = os.fstat(descriptor).st_size

    monkeypatch.setattr(os, "fsync", recording)
    output = tmp_path / f"o.{ending}"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        for record in RECORDS:
            sink.write(record)
        state = sink.commit()
        growing = "o.parquet.parts/tail-00003.jsonl" if ending == "parquet" else f"o.{ending}.part"
        assert synced[str(tmp_path / growing)] == state["table"]["bytes"] > 0
        assert synced[str(tmp_path / "o-errors.csv.part")] == state["errors"]["bytes"] > 0
        if ending == "parquet":
            parts = [path for path in synced if path.endswith(".tmp")]
            assert len(parts) == state["table"]["parts"] == 3
            assert str(tmp_path / "o.parquet.parts") in synced
        state = sink.finish()
        assert synced[str(tmp_path / f"o.{ending}.part")] == state["table"]["bytes"]
        synced.clear()
        sink.publish()
        assert str(tmp_path) in synced


def test_a_commit_without_news_does_not_touch_the_disk(tmp_path, monkeypatch):
    with contextlib.closing(open_table(tmp_path / "o.csv", OPTIONS, None)) as sink:
        sink.write(RECORDS[0])
        state = sink.commit()
        monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("synced"))
        assert sink.commit() == state
