"""`pixmill demo` and `pixmill doctor` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import run


def test_the_demo_counts_its_pictures_whatever_the_folder_is_called(tmp_path: Path) -> None:
    folder = "[/x] [bold]"  # neither markup nor an end of it
    done = run("demo", folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 images: 5 ok, 1 failed" in done.stderr
    assert "line 6: http_error 404" in done.stderr
    table, _, following = done.stdout.partition("Three commands")
    assert f"\n{folder}/urls.txt-colors.csv " in table
    assert "chessboard.gif" in table
    assert "#769656" in table
    assert "pixmill colors urls.txt" in following
    assert len((tmp_path / folder / "urls.txt-colors.csv").read_text().splitlines()) == 5


def test_the_demo_says_where_it_can_not_write(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    done = run("demo", "taken", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "pixmill: the demo can not write to taken: File exists\n"


def test_the_demo_leaves_a_folder_that_is_somebodys_alone(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("mine")
    done = run("demo", ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pixmill: the folder . is not empty; name a new one\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"urls.txt": "mine"}


def test_the_demo_runs_again_in_its_own_folder_whatever_the_settings_are(tmp_path: Path) -> None:
    (tmp_path / "pixmill.toml").write_text("no_such_setting = 1")
    for _ in range(2):
        done = run("demo", cwd=tmp_path, env={"PIXMILL_MEMORY": "128M", "PIXMILL_CACHE": "cache"})
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"pixmill.toml", "pixmill-demo"}


def test_the_doctor_tells_of_wrong_settings_beside_all_else(tmp_path: Path) -> None:
    (tmp_path / "pixmill.toml").write_text("no_such_setting = 1")
    done = run("doctor", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert {"pixmill", "numpy", "counting kernel"} <= set(found["facts"])
    assert "no_such_setting in 'pixmill.toml': there is no such setting" in found["troubles"]
    assert done.returncode == 1


def test_the_doctor_tells_what_a_bug_report_needs_and_what_is_amiss(tmp_path: Path) -> None:
    # Fewer open files than these settings need are certain on any machine.
    env = {"PIXMILL_FETCHERS": "10000", "PIXMILL_QUEUE": "100000"}
    done = run("doctor", "--json", cwd=tmp_path, env=env)
    found = json.loads(done.stdout)
    told = {"pixmill", "python", "system", "numpy", "libvips", "pillow avif", "memory cap"}
    assert told <= set(found["facts"])
    assert found["facts"]["counting kernel"] == "numba"
    assert Path(found["facts"]["kernel cache"]).is_dir()
    amiss = [trouble for trouble in found["troubles"] if "ulimit -n 110064" in trouble]
    assert len(amiss) == int(int(found["facts"]["open files"]) in range(110_064))
    assert done.returncode == int(bool(found["troubles"]))
