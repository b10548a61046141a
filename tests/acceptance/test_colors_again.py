"""`pixmill colors` a second time: resuming, retrying, and what is left alone."""

from __future__ import annotations

import csv
import json
import signal
import time
from typing import TYPE_CHECKING

from tests.command import kill_group, run, start
from tests.origin import answer, hang
from tests.pictures import plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin
from tests.acceptance.lists import FLAGS, body, lines_of, listed


def committed(checkpoint: Path) -> int:
    return int(json.loads(checkpoint.read_text())["line"]) if checkpoint.exists() else 0


def test_retry_failed_mends_only_what_failed(origin: Origin, tmp_path: Path) -> None:
    urls = [origin.url(path) for path in ("/0.png", "/late.png", "/1.png", "/gone.png", "/2.png")]
    origin.on("/late.png", answer(status=404), answer(body(3)))
    order = ["colors", str(listed(tmp_path, urls)), "-o", "o.csv", *FLAGS]
    assert run(*order, cwd=tmp_path).returncode == 0
    before = origin.hits("/0.png")
    done = run(*order, "--retry-failed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert origin.hits("/0.png") == before
    rows = [row[0] for row in csv.reader(lines_of(tmp_path / "o.csv"))]
    assert rows == [urls[0], urls[1], urls[2], urls[4]]
    (left,) = csv.DictReader(lines_of(tmp_path / "o-errors.csv"))
    assert left["line"] == "4"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "o-errors.csv", "o.csv", "o.csv.checkpoint", "urls.txt",
    ]  # fmt: skip


def test_retry_failed_needs_a_finished_table(origin: Origin, tmp_path: Path) -> None:
    done = run("colors", listed(tmp_path, []), "--retry-failed", *FLAGS, cwd=tmp_path)
    assert done.returncode == 1
    assert "not finished" in done.stderr


def test_with_nothing_failed_retrying_has_nothing_to_do(origin: Origin, tmp_path: Path) -> None:
    order = ["colors", str(listed(tmp_path, [origin.url("/0.png")])), "-o", "o.csv", *FLAGS]
    run(*order, cwd=tmp_path)
    done = run(*order, "--retry-failed", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "o.csv is finished already, and no line failed; --overwrite starts anew\n"


def test_a_finished_table_tells_how_many_lines_could_be_retried(tmp_path: Path) -> None:
    order = ["colors", str(listed(tmp_path, ["nonsense"])), "-o", "o.csv", *FLAGS]
    run(*order, cwd=tmp_path)
    said = run(*order, cwd=tmp_path).stderr
    assert "finished already, with 1 failed line; --retry-failed tries again, --overwrite" in said


def test_a_finished_table_is_not_touched(origin: Origin, tmp_path: Path) -> None:
    order = ["colors", str(listed(tmp_path, [origin.url("/0.png")])), "-o", "o.csv", *FLAGS]
    run(*order, cwd=tmp_path)
    hits = origin.hits("/0.png")
    again = run(*order, cwd=tmp_path)
    assert again.returncode == 0
    assert "finished already, and no line failed; --overwrite" in again.stderr
    assert origin.hits("/0.png") == hits
    assert run(*order, "--overwrite", cwd=tmp_path).returncode == 0
    assert origin.hits("/0.png") == hits + 1


def test_another_file_in_the_place_of_the_table_is_not_touched(
    origin: Origin, tmp_path: Path
) -> None:
    (tmp_path / "o.csv").write_text("precious")
    path = listed(tmp_path, [origin.url("/0.png")])
    done = run("colors", path, "-o", "o.csv", *FLAGS, cwd=tmp_path)
    assert done.returncode == 1
    assert "--overwrite" in done.stderr
    assert (tmp_path / "o.csv").read_text() == "precious"


def test_a_changed_list_or_option_is_refused_with_the_reason(
    origin: Origin, tmp_path: Path
) -> None:
    path = listed(tmp_path, [origin.url("/0.png")])
    run("colors", path, "-o", "o.csv", *FLAGS, cwd=tmp_path)
    other = run("colors", path, "-o", "o.csv", "-n", "5", *FLAGS, cwd=tmp_path)
    assert other.returncode == 1
    assert "number of colors was 3, now 5" in other.stderr
    listed(tmp_path, [origin.url("/0.png"), origin.url("/1.png")])
    changed = run("colors", path, "-o", "o.csv", *FLAGS, cwd=tmp_path)
    assert changed.returncode == 1
    assert "the input has changed" in changed.stderr


def test_an_interrupted_run_says_how_to_go_on_and_goes_on(origin: Origin, tmp_path: Path) -> None:
    urls = [origin.url(f"/{number}.png") for number in range(10)] + [origin.url("/hang.png")]
    origin.on("/hang.png", hang())
    order = ["colors", str(listed(tmp_path, urls)), "-o", "o.csv", *FLAGS]
    process = start(*order, cwd=tmp_path)
    wait_for(lambda: origin.hits("/hang.png") and committed(tmp_path / "o.csv.checkpoint") == 10)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    origin.on("/hang.png", answer(plain((1, 2, 3))))
    hits = origin.hits("/0.png")
    done = run(*order, cwd=tmp_path)
    assert "going on after line 10" in done.stderr
    assert origin.hits("/0.png") == hits
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 11


def wait_for(condition, limit_s: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_two_runs_on_one_output_one_gives_way(origin: Origin, tmp_path: Path) -> None:
    origin.on("/hang.png", hang())
    order = ["colors", str(listed(tmp_path, [origin.url("/hang.png")])), "-o", "o.csv", *FLAGS]
    first = start(*order, cwd=tmp_path)
    try:
        wait_for(lambda: origin.hits("/hang.png"))
        second = run(*order, cwd=tmp_path)
        assert second.returncode == 1
        assert "being written" in second.stderr
    finally:
        kill_group(first)


def test_standard_input_can_not_be_resumed_and_needs_an_output(
    origin: Origin, tmp_path: Path
) -> None:
    url = origin.url("/0.png")
    assert run("colors", "-", *FLAGS, cwd=tmp_path, text=url).returncode == 2
    assert run("colors", "-", "-o", "o.csv", *FLAGS, cwd=tmp_path, text=url).returncode == 0
    again = run("colors", "-", "-o", "o.csv", *FLAGS, cwd=tmp_path, text=url)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert "must be started anew, --overwrite" in again.stderr
