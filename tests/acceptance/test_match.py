"""`pixmill match` of images named on the command line: answers, exits, refusals, the terminal."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import pixmill
from pixmill.cli.app import app
from pixmill.color.palette_files import FORMATS, write_palette
from pixmill.told import clusters_as_json, match_as_json
from tests import command
from tests.acceptance.api_pictures import PICTURES, invisible
from tests.command import LOOPBACK, kill_group
from tests.origin import hang
from tests.pictures import plain, png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin

FLAGS = ("--workers", "1", *LOOPBACK)
SHOP = pixmill.Palette(
    "shop",
    (
        pixmill.Entry('Coal, "deep"', (10, 10, 10), "SKU-1"),
        pixmill.Entry("Brick", (200, 40, 30), "SKU-2"),
    ),
)
GREEN, MISSED = plain((0, 129, 0)), plain((150, 255, 255))


def match(
    folder: Path, *arguments: str | Path, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    env = {"PIXMILL_DATA": str(folder / "data")}
    return command.run("match", *arguments, *FLAGS, cwd=folder, env=env, text=text)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def put(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return name


def test_urls_and_images_are_answered_in_their_order(origin: Origin, tmp_path: Path) -> None:
    names = [
        origin.serve("/green.png?a=1,2", GREEN),
        put(tmp_path, "far, off.png", MISSED),
        put(tmp_path, "none.png", invisible()),
        origin.url("/3.png"),
    ]
    done = match(tmp_path, *names, "--max-distance", "0.1", "--header")
    head, *found = rows(done.stdout)
    assert head == ["url", "color", "hex", "distance"]
    assert [row[0] for row in found] == names
    assert found[0][1:3] == ["green", "#008000"]
    assert float(found[0][3]) == pixmill.match(GREEN).nearest.distance  # type: ignore[union-attr]
    assert found[1][1:] == found[2][1:] == ["", "", ""]
    assert (done.returncode, done.stderr) == (3, "")
    assert not list(tmp_path.glob("*match*"))


def test_exits_tell_what_became_of_the_images_and_a_failure_outweighs_a_miss(
    origin: Origin, tmp_path: Path
) -> None:
    green, far = put(tmp_path, "green.png", GREEN), put(tmp_path, "far.png", MISSED)
    broken = put(tmp_path, "broken.png", GREEN[:40])
    assert match(tmp_path, green).returncode == 0
    assert match(tmp_path, green, far, "--max-distance", "0").returncode == 3
    done = match(tmp_path, far, broken, green, origin.url("/gone.png"), "--max-distance", "0.1")
    assert done.returncode == 1
    assert [row[0] for row in rows(done.stdout)] == [far, green]
    assert "line 2: corrupt_image broken.png" in done.stderr
    assert f"line 4: http_error 404 {origin.url('/gone.png')}" in done.stderr


def test_json_lines_are_those_of_the_library(origin: Origin, tmp_path: Path) -> None:
    names = [put(tmp_path, "a.png", png(random.Random(5))), put(tmp_path, "n.png", invisible())]
    bad = origin.url("/gone.png")
    order = ["--json", "--space", "ciede2000", "--summarizer", "background"]
    done = match(tmp_path, *names, bad, *order)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["line"], row["url"], row["status"]) for row in told] == [
        (1, "a.png", "ok"), (2, "n.png", "ok"), (3, bad, "failed"),
    ]  # fmt: skip
    for row in told[:2]:
        found = pixmill.match(tmp_path / row["url"], space="ciede2000", summarizer="background")
        assert row["match"] == match_as_json(found)
        assert row["clusters"] == clusters_as_json(found.clusters)
        assert len(row["md5"]) == 32
    assert (told[2]["code"], told[2]["match"], told[2]["clusters"]) == ("http_error", None, None)
    assert done.returncode == 1


@pytest.mark.parametrize("summarizer", ["kmeans", "mean", "background"])
def test_pictures_match_what_everyone_sees(tmp_path: Path, summarizer: str) -> None:
    """The same pictures and the same names as over HTTP."""
    names = [put(tmp_path, f"{name}.image", data) for name, (data, _) in PICTURES.items()]
    done = match(tmp_path, *names, "--summarizer", summarizer)
    assert done.returncode == 0, done.stderr
    assert [row[1] for row in rows(done.stdout)] == [by[summarizer] for _, by in PICTURES.values()]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_palette_is_a_file_in_any_format(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path, f"shop.{kind}", write_palette(SHOP, kind))
    image = put(tmp_path, "a.png", plain((12, 10, 10)))
    done = match(tmp_path, image, "--palette", path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)["match"]
    assert (told["palette"], told["nearest"]["name"]) == ("shop", 'Coal, "deep"')
    assert told["nearest"]["id"] == ("SKU-1" if kind in {"json", "csv"} else None)
    assert told["runner_up"]["name"] == "Brick"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.png", "--palette", "nosuch"], "there is no palette 'nosuch'"),
        (["a.png", "--palette", ""], "name of the palette is empty"),
        (["a.png", "--palette", "a.png"], "palette"),
        (["a.png", "--max-distance", "-1"], "from 0 up"),
        (["a.png", "--max-distance", "nan"], "from 0 up"),
        (["a.png", "--max-distance", "inf"], "from 0 up"),
        (["a.png", "--max-distance", "far"], "--max-distance"),
        (["a.png", "--space", "hsv"], "--space"),
        (["a.png", "--summarizer", "median"], "--summarizer"),
        (["http://127.0.0.1/a.png", "u.txt"], "put it into a list"),
        (["http://127.0.0.1/a.png", "-o", "o.csv"], "put it into a list"),
        (["http://127.0.0.1/a.png", "-"], "put it into a list"),
        ([""], "is empty"),
        (["a.png", ""], "is empty"),
        (["u.txt", ""], "is empty"),
        (["a.png", "-o", ""], "is empty"),
        (["a.png", "--retry-failed"], "for lists and tables"),
        (["a.png", "--overwrite"], "for lists and tables"),
        (["a.png", "--keep-columns", "id"], "for lists and tables"),
        (["a.png", "--url-column", "2"], "for lists and tables"),
        (["a.png", "-o", "o.txt"], "ends in"),
        ([], "INPUT"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    """In this process: nothing is started before the refusal."""
    put(tmp_path, "a.png", GREEN)
    put(tmp_path, "u.txt", b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIXMILL_DATA", str(tmp_path / "data"))
    done = CliRunner().invoke(app, ["match", *arguments, *FLAGS])
    assert done.exit_code == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"a.png", "u.txt", "data"}


@pytest.mark.parametrize("arguments", [["none.png"], ["a.png", "--palette", "none.json"]])
def test_a_file_that_is_not_there_is_fatal(tmp_path: Path, arguments: list[str]) -> None:
    put(tmp_path, "a.png", GREEN)
    done = match(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{arguments[-1]}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_ends_it_with_130_and_what_was_found_is_told(origin: Origin, tmp_path: Path) -> None:
    origin.on("/hang.png", hang())
    image = put(tmp_path, "a.png", GREEN)
    env = {"PIXMILL_DATA": str(tmp_path / "data")}
    order = ["match", image, origin.url("/hang.png"), *FLAGS]
    process = command.start(*order, cwd=tmp_path, env=env)
    try:
        wait_for(lambda: origin.hits("/hang.png") > 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    except BaseException:
        kill_group(process)
        raise
    assert process.returncode == 130
    assert "Traceback" not in err
    assert rows(out) in ([], [["a.png", "green", "#008000", "0.0039215686"]])


def wait_for(condition, limit_s: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_an_answer_that_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    put(tmp_path, "a.png", GREEN)
    with open("/dev/full", "w") as full:  # noqa: PTH123  no path that could be kept
        done = subprocess.run(
            [sys.executable, "-m", "pixmill", "match", "a.png", "--workers", "1"],
            cwd=tmp_path, env=command.environment(), stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=100, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()  # a slow machine also tells of its progress
    assert last == "pixmill: standard output can not be written: No space left on device"


def on_a_terminal(folder: Path, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Run it on a terminal of that width; gives its exit and what stands there at the end."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {"PIXMILL_DATA": str(folder / "data"), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    kept = command.environment(env)
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        kept.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "pixmill", "match", *arguments, *FLAGS],
        cwd=folder, env=kept, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65_536)
        except OSError:
            break
    os.close(ours)
    return process.wait(timeout=60), said.decode()


def last_lines(said: str) -> list[str]:
    """What stands below all that was erased, without colors."""
    text = said.rpartition("\x1b[2K")[2]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "").splitlines()


def test_a_terminal_shows_a_table_with_swatches(origin: Origin, tmp_path: Path) -> None:
    """Also an image of a long name, which the answer must stand beside."""
    green = put(tmp_path, "a long name of a photograph of a lawn in summer [bold].png", GREEN)
    far = origin.serve("/far.png", MISSED)
    status, said = on_a_terminal(tmp_path, green, far, origin.url("/gone.png"))
    assert status == 1
    assert "line 3: http_error 404" in said
    head, first, second = last_lines(said)[-3:]
    assert head.split() == ["image", "color", "share", "nearest", "distance"]
    assert re.search(r"in summer \[bold\]\.png +#008100 +100% +#008000 green +0\.0039", first)
    assert second.split()[0].endswith("far.png")
    assert max(map(len, (head, first, second))) <= 80
    assert "\x1b[48;2;0;128;0m" in said  # the swatch
    status, said = on_a_terminal(tmp_path, green, "--max-distance", "0", columns=120)
    assert status == 3
    assert re.search(r"green +0\.003922 > 0 +#[0-9A-F]{6} \w+ \+0", last_lines(said)[-1])


def test_json_on_a_terminal_stays_one_object_a_line(tmp_path: Path) -> None:
    green, broken = put(tmp_path, "a.png", GREEN), put(tmp_path, "b.png", b"no picture")
    status, said = on_a_terminal(tmp_path, green, "--json", broken)
    assert status == 1
    told = [json.loads(line) for line in last_lines(said) if line.startswith("{")]
    assert [row["status"] for row in told] == ["ok", "failed"]
