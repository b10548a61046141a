"""`pixmill colors` as a user types it: what is written, what is said, how it exits."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.command import LOOPBACK, kill_group, run, start
from tests.origin import answer, hang
from tests.pictures import expected, plain, png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin

FLAGS = ("--workers", "1", *LOOPBACK)


def body(number: int) -> bytes:
    """What the origin serves as `/NUMBER.png`."""
    return png(random.Random(number))


def listed(folder: Path, urls: list[str], name: str = "urls.txt") -> Path:
    path = folder / name
    path.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
    return path


def transparent_and_opaque() -> bytes:
    """A PNG of two pixels: #090909, fully transparent, and #010203."""
    buffer = io.BytesIO()
    image = Image.new("RGBA", (2, 1), (9, 9, 9, 0))
    image.putpixel((0, 0), (1, 2, 3, 255))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def lines_of(path: Path) -> io.StringIO:
    return io.StringIO(path.read_bytes().decode(), newline="")


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


def test_a_finished_table_is_not_touched(origin: Origin, tmp_path: Path) -> None:
    order = ["colors", str(listed(tmp_path, [origin.url("/0.png")])), "-o", "o.csv", *FLAGS]
    run(*order, cwd=tmp_path)
    hits = origin.hits("/0.png")
    again = run(*order, cwd=tmp_path)
    assert again.returncode == 0
    assert "finished already" in again.stderr
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


def committed(checkpoint: Path) -> int:
    return int(json.loads(checkpoint.read_text())["line"]) if checkpoint.exists() else 0


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


def test_standard_input_to_standard_output(origin: Origin, tmp_path: Path) -> None:
    url = origin.url("/0.png")
    done = run("colors", "-", "-o", "-", *FLAGS, cwd=tmp_path, text=f"{url}\n\nbad\n")
    assert done.returncode == 0
    assert done.stdout == ",".join([url, *(c for c, _ in expected(body(0), 3))]) + "\n"
    assert "line 3: invalid_url" in done.stderr
    assert "can not be resumed" in done.stderr
    assert list(tmp_path.iterdir()) == []


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


def test_flags_of_fetching_and_running_do_what_they_say(origin: Origin, tmp_path: Path) -> None:
    faint = transparent_and_opaque()
    url = origin.serve("/faint.png", faint)
    path = listed(tmp_path, [url, url, "nonsense"])
    bounds = ["--per-host", "1", "--fetchers", "1", "--queue", "1"]
    flags = ["-n", "2", "--alpha", "ignore", "--no-dedupe", "--user-agent", "me/1", "-vv"]
    done = run("colors", path, "-o", "o.csv", *bounds, *flags, *FLAGS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.csv").read_text() == f"{url},#010203,#090909\n" * 2
    assert origin.hits("/faint.png") == 2
    assert origin.requests[-1].headers["user-agent"] == "me/1"
    assert done.stderr.index("line 3: invalid_url") < done.stderr.index("Traceback (most recent")
    assert done.stderr.index("Traceback (most recent") < done.stderr.index("3 images: 2 ok")


def test_a_cache_spares_requests_and_the_contact_is_told(origin: Origin, tmp_path: Path) -> None:
    fresh = answer(plain((1, 2, 3)), headers={"Cache-Control": "max-age=3600"})
    path = listed(tmp_path, [origin.on("/fresh.png", fresh), "nonsense"])
    env = {"PIXMILL_CONTACT": "https://example.org/us"}
    for name in ("a.csv", "b.csv"):
        flags = ["-o", name, "--cache", "kept", "-v"]
        done = run("colors", path, *flags, *FLAGS, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        assert "line 2: invalid_url" in done.stderr
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert origin.hits("/fresh.png") == 1
    assert "https://example.org/us" in origin.requests[-1].headers["user-agent"]


def test_flags_of_the_tools_this_replaces_work(origin: Origin, tmp_path: Path) -> None:
    path = listed(tmp_path, [origin.url("/0.png")])
    flags = ["--output_file", "o.csv", "--number-of-colors", "2"]
    assert run("colors", path, *flags, *FLAGS, cwd=tmp_path).returncode == 0
    assert len((tmp_path / "o.csv").read_text().strip().split(",")) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["none.txt"], 1, "none.txt"),
        (["binary.txt"], 1, "binary"),
        (["ok.txt", "-o", "gone/o.csv"], 1, "gone"),
        (["ok.txt", "-o", "o.xlsx"], 2, ".csv"),
        (["ok.txt", "-n", "0"], 2, "-n"),
        (["ok.txt", "-n", "257"], 2, "-n"),
        (["ok.txt", "--workers", "0"], 2, "workers"),
        (["ok.txt", "--memory", "lots"], 2, "memory"),
        (["ok.txt", "--memory", "330M", "--workers", "64"], 2, "memory"),
        (["ok.txt", "--allow-network", "10.0.0.1/8"], 2, "--allow-network: "),
        (["ok.txt", "--timeout", "-1"], 2, "--timeout: -1.0: "),
        (["ok.txt", "--memory", "5M", "--workers", "1"], 2, "memory cap of at least"),
        (["HTTPS://a.example/" + "x" * 300], 2, "is a URL; put it into a list"),
        (["ok.txt", "ok.txt"], 2, "-o"),
        ([], 2, "INPUT"),
    ],
)
def test_what_can_not_be_done_is_one_clear_sentence(
    tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    listed(tmp_path, ["http://a.example/x.png"], "ok.txt")
    (tmp_path / "binary.txt").write_bytes(b"\0\1\2\3" * 100)
    done = run("colors", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_empty_inputs_give_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name in ("empty.txt", "folder"):
        done = run("colors", name, "--workers", "1", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{name}-colors.csv").read_bytes() == b""


def test_settings_come_from_file_environment_and_flags(origin: Origin, tmp_path: Path) -> None:
    path = listed(tmp_path, [origin.url("/0.png")])
    (tmp_path / "pixmill.toml").write_text('allow_networks = ["127.0.0.0/8"]\nworkers = 0\n')
    bad = run("colors", path, cwd=tmp_path)
    assert bad.returncode == 2
    assert "workers" in bad.stderr
    good = run("colors", path, "--strict", cwd=tmp_path, env={"PIXMILL_WORKERS": "1"})
    assert good.returncode == 0, good.stderr


def test_version_and_help(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout.startswith("pixmill ")
    said = run("colors", "--help", cwd=tmp_path, env={"COLUMNS": "160"}).stdout
    assert "INPUT" in said
    defaults = ["INPUT-colors.csv", "3", "visible", "60", "64", "16", "256", "1G", "text"]
    assert [each for each in defaults if f"[default: {each}]" not in said] == []
    assert run(cwd=tmp_path).returncode == 2
