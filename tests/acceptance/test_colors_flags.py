"""The flags and settings of `pixmill colors`, and what can not be done."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.command import run
from tests.origin import answer
from tests.pictures import plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin
from tests.acceptance.lists import FLAGS, listed


def transparent_and_opaque() -> bytes:
    """A PNG of two pixels: #090909, fully transparent, and #010203."""
    buffer = io.BytesIO()
    image = Image.new("RGBA", (2, 1), (9, 9, 9, 0))
    image.putpixel((0, 0), (1, 2, 3, 255))
    image.save(buffer, "PNG")
    return buffer.getvalue()


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
        (["ok.txt", "-o", ""], 2, "the name of an INPUT or OUTPUT is empty"),
        ([""], 2, "the name of an INPUT or OUTPUT is empty"),
        (["ok.txt", "--cache", "ok.txt"], 2, "--cache ok.txt is no folder"),
        (["ok.txt", "--retry-failed", "--overwrite"], 2, "--retry-failed mends"),
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
    switches = [line for line in said.splitlines() if "--counts" in line or "--verbose" in line]
    assert len(switches) == 2
    assert [line for line in switches if "<" in line] == [], "no value follows a switch"


@pytest.mark.parametrize("cache", ["in/kept", "in", "link/deep/kept"])
@pytest.mark.parametrize("output", ["o.csv", "-"])
def test_a_cache_within_an_input_folder_is_refused_and_not_made(
    tmp_path: Path, cache: str, output: str
) -> None:
    """Its files would be images of the next run, and the folder another input."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(plain((1, 2, 3)))
    (tmp_path / "link").symlink_to("in")
    env = {"PIXMILL_CACHE": cache} if output == "-" else {}
    flags = [] if env else ["--cache", cache]
    done = run("colors", "in", "-o", output, *flags, cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert f"--cache {cache} lies within the input folder in;" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "in", "link"]


def test_a_cache_beside_an_input_folder_lets_the_run_resume(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(plain((1, 2, 3)))
    flags = ["--cache", "in-kept", "--workers", "1"]
    assert run("colors", "in", *flags, cwd=tmp_path).returncode == 0
    assert "finished already" in run("colors", "in", *flags, cwd=tmp_path).stderr
