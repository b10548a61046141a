"""`pixmill match` of lists and folders: tables that resume, retry and refuse; what exits tell."""

from __future__ import annotations

import csv
import json
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

import pixmill
from pixmill.color.palette_files import write_palette
from pixmill.told import match_as_json
from tests import command
from tests.acceptance.api_pictures import invisible
from tests.acceptance.lists import FLAGS, body, lines_of, listed
from tests.command import kill_group, start
from tests.origin import answer, delayed, hang
from tests.pictures import plain, png

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.origin import Origin

GREEN, MISSED = plain((0, 129, 0)), plain((150, 255, 255))
TIGHT = ("--max-distance", "0.05")


def match(
    folder: Path, *arguments: str | Path, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    return command.run("match", *arguments, *FLAGS, cwd=folder, text=text)


def a_list(origin: Origin, folder: Path) -> list[str]:
    """One image that is found, one that is not, one without a visible pixel."""
    origin.serve("/green.png", GREEN)
    origin.serve("/far.png", MISSED)
    origin.serve("/none.png", invisible())
    urls = [origin.url(path) for path in ("/green.png", "/far.png", "/none.png")]
    listed(folder, urls)
    return urls


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_list_becomes_a_table_beside_it_and_a_finished_one_tells_the_same_again(
    origin: Origin, tmp_path: Path
) -> None:
    urls = a_list(origin, tmp_path)
    done = match(tmp_path, "urls.txt", *TIGHT)
    assert done.returncode == 3, done.stderr
    rows = list(csv.reader(lines_of(tmp_path / "urls.txt-match.csv")))
    distance = pixmill.match(GREEN).nearest.distance  # type: ignore[union-attr]
    assert rows == [
        [urls[0], "green", "#008000", str(distance)],
        [urls[1], "", "", ""],
        [urls[2], "", "", ""],
    ]
    assert "3 images: 3 ok, 0 failed" in done.stderr
    hits, before = len(origin.requests), contents(tmp_path)
    again = match(tmp_path, "urls.txt", *TIGHT)
    assert again.returncode == 3
    assert "finished already, and no line failed" in again.stderr
    assert (len(origin.requests), contents(tmp_path)) == (hits, before)
    assert match(tmp_path, "urls.txt", *TIGHT, "--retry-failed").returncode == 3
    assert match(tmp_path, "urls.txt", "--overwrite", "--max-distance", "2").returncode == 3
    assert (tmp_path / "urls.txt-match.csv").read_text().count("#") == 2


def test_exits_are_0_where_all_matched_and_1_where_some_failed(
    origin: Origin, tmp_path: Path
) -> None:
    urls = a_list(origin, tmp_path)
    assert match(tmp_path, listed(tmp_path, urls[:1], "all.txt")).returncode == 0
    assert match(tmp_path, "all.txt").returncode == 0
    some = listed(tmp_path, [*urls, origin.url("/gone.png")], "some.txt")
    for _ in range(2):  # also of the table that is finished already
        assert match(tmp_path, some, *TIGHT).returncode == 1
    assert len((tmp_path / "some.txt-match.csv").read_text().splitlines()) == 3
    assert "4," in (tmp_path / "some.txt-match-errors.csv").read_text().splitlines()[1]


def test_json_and_parquet_tell_matches_in_full(origin: Origin, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    urls = [*a_list(origin, tmp_path), origin.url("/gone.png")]
    listed(tmp_path, urls)
    assert match(tmp_path, "urls.txt", "--json").returncode == 1
    lines = (tmp_path / "urls.txt-match.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["url"] for row in rows] == urls
    for row, data in zip(rows, (GREEN, MISSED, invisible()), strict=False):
        assert row["match"] == match_as_json(pixmill.match(data))
    assert (rows[3]["code"], rows[3]["match"]) == ("http_error", None)
    assert match(tmp_path, "urls.txt", "-o", "o.parquet").returncode == 1
    table = pq.read_table(tmp_path / "o.parquet").to_pylist()
    assert [{**row, "extra": dict(row["extra"])} for row in table] == rows


def test_header_kept_columns_and_a_named_column(origin: Origin, tmp_path: Path) -> None:
    urls = a_list(origin, tmp_path)
    (tmp_path / "in.csv").write_text(f'id,link,label\n7,{urls[0]},"a, ""b"""\n8,{urls[1]},\n')
    flags = ["--header", "--keep-columns", "label,id", "--url-column", "link", *TIGHT]
    assert match(tmp_path, "in.csv", "-o", "o.csv", *flags).returncode == 3
    rows = list(csv.reader(lines_of(tmp_path / "o.csv")))
    assert rows[0] == ["url", "color", "hex", "distance", "label", "id"]
    assert [row[1:3] + row[4:] for row in rows[1:]] == [
        ["green", "#008000", 'a, "b"', "7"], ["", "", "", "8"],
    ]  # fmt: skip


def test_folders_and_named_images_become_tables_too(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.png").write_bytes(GREEN)
    (folder / "a.png").write_bytes(plain((255, 0, 0)))
    assert match(tmp_path, "in").returncode == 0
    text = "in/a.png,red,#FF0000,0.0\nin/b.png,green,#008000,0.0039215686\n"
    assert (tmp_path / "in-match.csv").read_text() == text
    done = match(tmp_path, "in/a.png", "in/b.png", "-o", "o.csv")
    assert (done.returncode, (tmp_path / "o.csv").read_text()) == (0, text)


def test_standard_input_to_standard_output(origin: Origin, tmp_path: Path) -> None:
    green, far, _ = a_list(origin, tmp_path)
    done = match(tmp_path, "-", "-o", "-", *TIGHT, text=f"{green}\n{far}\n")
    assert done.returncode == 3
    assert done.stdout == f"{green},green,#008000,0.0039215686\n{far},,,\n"
    done = match(tmp_path, "urls.txt", "-o", "-", "--json", *TIGHT)
    found = [json.loads(line)["match"]["found"] for line in done.stdout.splitlines()]
    assert found == [True, False, False]
    assert match(tmp_path, "-", text=green).returncode == 2


def test_retry_failed_mends_what_failed_and_counts_what_is_missed(
    origin: Origin, tmp_path: Path
) -> None:
    urls = a_list(origin, tmp_path)[:1]
    origin.on("/late.png", answer(status=404), answer(MISSED))
    listed(tmp_path, [*urls, origin.url("/late.png"), *urls])
    order = ["urls.txt", "-o", "o.jsonl", *TIGHT]
    assert match(tmp_path, *order).returncode == 1
    assert match(tmp_path, *order, "--retry-failed").returncode == 3
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [row["match"]["found"] for row in rows] == [True, False, True]
    assert match(tmp_path, *order).returncode == 3
    whole = match(tmp_path, "urls.txt", "-o", "whole.jsonl", *TIGHT)
    assert whole.returncode == 3
    assert (tmp_path / "o.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


SHOP = pixmill.Palette("shop", (pixmill.Entry("moss", (0, 120, 0), "M-1"),))
OTHER = pixmill.Palette("shop", (pixmill.Entry("moss", (0, 121, 0), "M-1"),))


def test_a_table_of_another_palette_metric_tolerance_or_summarizer_is_not_gone_on_with(
    origin: Origin, tmp_path: Path
) -> None:
    """Also of a palette of the same name whose content was changed."""
    a_list(origin, tmp_path)
    palette = tmp_path / "shop.json"
    palette.write_bytes(write_palette(SHOP, "json"))
    order = ["urls.txt", "-o", "o.csv"]
    assert match(tmp_path, *order, "--palette", "shop.json").returncode == 3
    before = contents(tmp_path)
    for more, says in {
        (): "palette was 'shop', now 'css'",
        ("--palette", "shop.json", "--space", "lab"): "metric was 'srgb', now 'lab'",
        ("--palette", "shop.json", "--max-distance", "0.1"): "max distance was 0.2, now 0.1",
        ("--palette", "shop.json", "--summarizer", "mean"): "summarizer was 'kmeans', now 'mean'",
    }.items():
        done = match(tmp_path, *order, *more)
        assert done.returncode == 1
        assert says in done.stderr
        assert "--overwrite" in done.stderr
    assert contents(tmp_path) == before
    palette.write_bytes(write_palette(OTHER, "json"))
    done = match(tmp_path, *order, "--palette", "shop.json")
    assert done.returncode == 1
    assert "palette's content was" in done.stderr
    assert match(tmp_path, *order, "--palette", "shop.json", "--overwrite").returncode == 3
    done = command.run("colors", *order, *FLAGS, cwd=tmp_path)
    assert done.returncode == 1
    assert "product was 'match', now 'colors'" in done.stderr


def many(origin: Origin, folder: Path, lines: int) -> None:
    """A list over small pictures that are answered slowly; every tenth URL fails."""
    rng = random.Random(3)
    for number in range(20):
        data = invisible() if number == 7 else png(rng)
        origin.on(f"/m{number}.png", delayed(0.02, answer(data)))
    urls = [
        origin.url("/gone.png" if line % 10 == 9 else f"/m{line % 20}.png?{line}")
        for line in range(lines)
    ]
    listed(folder, urls)


@pytest.mark.parametrize(
    "ending",
    ["csv", *(pytest.param(each, marks=pytest.mark.soak) for each in ("jsonl", "parquet"))],
)
def test_a_killed_run_ends_with_the_same_bytes_and_the_same_exit(
    origin: Origin, tmp_path: Path, ending: str
) -> None:
    many(origin, tmp_path, 2000)
    order = ["match", "../urls.txt", "-o", f"o.{ending}", "--queue", "16", *TIGHT, *FLAGS]
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    assert command.run(*order, cwd=tmp_path / "whole").returncode == 1
    killed = tmp_path / "killed"
    for lines in (1, 1000):
        process = start(*order, cwd=killed)
        wait_for(lambda n=lines: committed(killed / f"o.{ending}.checkpoint") >= n)
        assert process.poll() is None, "it ended before it was killed"
        kill_group(process)
    done = command.run(*order, cwd=killed)
    assert done.returncode == 1
    assert "going on after line" in done.stderr
    assert contents(killed) == contents(tmp_path / "whole")


def committed(checkpoint: Path) -> int:
    return int(json.loads(checkpoint.read_text())["line"]) if checkpoint.exists() else 0


def wait_for(condition, limit_s: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_an_interrupted_run_exits_130_and_a_resumed_one_remembers_what_was_missed(
    origin: Origin, tmp_path: Path
) -> None:
    urls = a_list(origin, tmp_path)
    origin.on("/hang.png", hang())
    listed(tmp_path, [*urls, origin.url("/hang.png")])
    order = ["match", "urls.txt", "-o", "o.csv", *TIGHT, *FLAGS]
    process = start(*order, cwd=tmp_path)
    try:
        wait_for(lambda: origin.hits("/hang.png") and committed(tmp_path / "o.csv.checkpoint") == 3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    except BaseException:
        kill_group(process)
        raise
    assert process.returncode == 130
    assert "the same command goes on" in said
    origin.serve("/hang.png", GREEN)
    done = command.run(*order, cwd=tmp_path)
    assert done.returncode == 3  # what was missed stands before line 3
    assert "going on after line 3" in done.stderr
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 4


def test_a_cache_serves_every_palette_metric_and_tolerance(origin: Origin, tmp_path: Path) -> None:
    """What is kept are the clusters; a table of exact colors finds nothing it could misread."""
    headers = {"Cache-Control": "max-age=3600"}
    url = origin.serve("/kept.png", body(3), headers=headers)
    listed(tmp_path, [url])
    kept = ["--cache", str(tmp_path / "kept")]
    (tmp_path / "shop.json").write_bytes(write_palette(SHOP, "json"))
    match(tmp_path, "urls.txt", "-o", "a.jsonl", *kept)
    hits = origin.hits("/kept.png")
    order = ["--palette", "shop.json", "--space", "oklab", *kept]
    match(tmp_path, "urls.txt", "-o", "b.jsonl", *order)
    assert origin.hits("/kept.png") == hits
    told = json.loads((tmp_path / "b.jsonl").read_text())["match"]
    assert told == match_as_json(pixmill.match(body(3), SHOP, space="oklab"))
    match(tmp_path, "urls.txt", "-o", "c.jsonl", "--summarizer", "mean", *kept)
    assert origin.hits("/kept.png") == hits + 1
    done = command.run("colors", "urls.txt", "-o", "d.jsonl", *kept, *FLAGS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert origin.hits("/kept.png") == hits + 2
    row = json.loads((tmp_path / "d.jsonl").read_text())
    expected = [color.hex for color in pixmill.top_colors(body(3))]
    assert [color["hex"] for color in row["colors"]] == expected
