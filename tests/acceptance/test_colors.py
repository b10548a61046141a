"""`pixmill colors` as a user types it: inputs, tables, what is said."""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.command import run
from tests.origin import answer
from tests.pictures import expected, plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin
from tests.acceptance.lists import FLAGS, body, lines_of, listed


def test_a_list_becomes_a_table_beside_it(origin: Origin, tmp_path: Path) -> None:
    urls = [origin.url(f"/{number}.png") for number in range(10)]
    done = run("colors", listed(tmp_path, urls), *FLAGS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(lines_of(tmp_path / "urls.txt-colors.csv")))
    wanted = [[color for color, _ in expected(body(number), 3)] for number in range(10)]
    assert rows == [[url, *colors] for url, colors in zip(urls, wanted, strict=True)]
    errors = (tmp_path / "urls.txt-colors-errors.csv").read_text()
    assert errors == "line,url,code,http_status,attempts,message\n"
    assert "10 images: 10 ok, 0 failed" in done.stderr
    assert done.stdout == ""


def test_counts_header_and_kept_columns(origin: Origin, tmp_path: Path) -> None:
    url = origin.url("/1.png")
    (tmp_path / "in.csv").write_text(f'id,url,label\n7,{url},"a, ""b"""\n')
    flags = ["-o", "o.csv", "-n", "2", "--counts", "--header", "--keep-columns", "label,id"]
    assert run("colors", "in.csv", *flags, *FLAGS, cwd=tmp_path).returncode == 0
    rows = list(csv.reader(lines_of(tmp_path / "o.csv")))
    (first, n1), (second, n2) = expected(body(1), 2)
    assert rows == [
        ["url", "color_1", "color_2", "count_1", "count_2", "label", "id"],
        [url, first, second, str(n1), str(n2), 'a, "b"', "7"],
    ]


def test_jsonl_holds_every_line_failed_ones_too(origin: Origin, tmp_path: Path) -> None:
    urls = [origin.url("/0.png"), origin.url("/gone.png"), "nonsense"]
    done = run("colors", listed(tmp_path, urls), "-o", "o.jsonl", *FLAGS, cwd=tmp_path)
    assert done.returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(row["line"], row["status"], row["code"]) for row in rows] == [
        (1, "ok", None),
        (2, "failed", "http_error"),
        (3, "failed", "invalid_url"),
    ]
    assert rows[0]["pixels"] == 24 * 16
    assert (rows[0]["format"], rows[0]["bytes"]) == ("png", len(body(0)))
    assert [color["hex"] for color in rows[0]["colors"]] == [
        color for color, _ in expected(body(0), 3)
    ]
    assert (rows[1]["http_status"], rows[1]["attempts"]) == (404, 1)


def test_failures_are_told_and_written_and_the_errors_file_is_an_input(
    origin: Origin, tmp_path: Path
) -> None:
    urls = [origin.url("/0.png"), origin.url("/late.png")]
    origin.on("/late.png", answer(status=404), answer(body(1)))
    done = run("colors", listed(tmp_path, urls), "-o", "o.csv", *FLAGS, cwd=tmp_path)
    assert f"line 2: http_error 404 {urls[1]}" in done.stderr
    assert "1  http_error" in done.stderr
    (row,) = csv.DictReader(lines_of(tmp_path / "o-errors.csv"))
    assert (row["line"], row["url"], row["code"], row["http_status"]) == (
        "2", urls[1], "http_error", "404",
    )  # fmt: skip
    assert run("colors", "o-errors.csv", "-o", "p.csv", *FLAGS, cwd=tmp_path).returncode == 0
    assert (tmp_path / "p.csv").read_text().startswith(urls[1])


def test_strict_makes_a_failed_url_exit_1(origin: Origin, tmp_path: Path) -> None:
    path = listed(tmp_path, [origin.url("/gone.png")])
    assert run("colors", path, "--strict", *FLAGS, cwd=tmp_path).returncode == 1


def test_standard_input_to_standard_output(origin: Origin, tmp_path: Path) -> None:
    url = origin.url("/0.png")
    done = run("colors", "-", "-o", "-", *FLAGS, cwd=tmp_path, text=f"{url}\n\nbad\n")
    assert done.returncode == 0
    assert done.stdout == ",".join([url, *(c for c, _ in expected(body(0), 3))]) + "\n"
    assert "line 3: invalid_url" in done.stderr
    assert "can not be resumed" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_folders_images_and_lists_with_paths(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.png").write_bytes(plain((255, 0, 0)))
    (folder / "deep" / "a.png").write_bytes(plain((0, 255, 0)))
    (folder / ".hidden.png").write_bytes(plain((0, 0, 255)))
    done = run("colors", "in", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "in-colors.csv").read_text() == (
        "in/b.png,#FF0000,#FF0000,#FF0000\nin/deep/a.png,#00FF00,#00FF00,#00FF00\n"
    )
    path = listed(tmp_path, ["in/b.png", "in/none.png", "/dev/zero"])
    refused = run("colors", path, "-o", "r.csv", "--workers", "1", cwd=tmp_path)
    assert refused.stderr.count("invalid_url") >= 3
    done = run("colors", path, "-o", "a.csv", "--allow-files", "--workers", "1", cwd=tmp_path)
    assert (tmp_path / "a.csv").read_text() == "in/b.png,#FF0000,#FF0000,#FF0000\n"
    assert "no regular file" in (tmp_path / "a-errors.csv").read_text()


def test_gzip_lists_and_parquet_tables(origin: Origin, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    urls = [origin.url(f"/{number}.png") for number in range(3)]
    (tmp_path / "u.txt.gz").write_bytes(gzip.compress("\n".join(urls).encode()))
    done = run("colors", "u.txt.gz", "-o", "o.parquet", *FLAGS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "o.parquet").to_pylist()
    assert [row["url"] for row in rows] == urls
    assert all(len(row["md5"]) == 32 for row in rows)


def test_json_messages_are_one_object_a_line(origin: Origin, tmp_path: Path) -> None:
    path = listed(tmp_path, [origin.url("/0.png"), "bad\x1b[31m"])
    done = run("colors", path, "--log-format", "json", *FLAGS, cwd=tmp_path)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == ["failed", "summary"]
    assert events[0]["code"] == "invalid_url"


def test_a_run_that_can_not_go_on_says_so_as_a_json_line(tmp_path: Path) -> None:
    done = run("colors", "none.txt", "--log-format", "json", cwd=tmp_path)
    assert done.returncode == 1
    event = json.loads(done.stderr)
    assert (event["event"], event["level"], event["error"]) == ("fatal", "error", "InputError")
    assert "none.txt" in event["message"]


def test_empty_inputs_give_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name in ("empty.txt", "folder"):
        done = run("colors", name, "--workers", "1", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{name}-colors.csv").read_bytes() == b""
