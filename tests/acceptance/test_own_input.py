"""An output among the files of an input folder, and options that decide which lines fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.command import run
from tests.pictures import plain

if TYPE_CHECKING:
    from pathlib import Path


def test_an_output_within_an_input_folder_is_refused(tmp_path: Path) -> None:
    """It would be an input of its own, and change the input while it is read."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.png").write_bytes(plain((1, 2, 3)))
    for name in ("colors.csv", "deep/colors.csv"):
        done = run("colors", ".", "-o", name, "--workers", "1", cwd=tmp_path)
        assert done.returncode == 2
        assert "-o" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "deep"]
    done = run("colors", ".", "-o", "-", "--workers", "1", cwd=tmp_path)
    assert done.stdout == "./a.png,#010203,#010203,#010203\n", done.stderr


def test_a_limit_that_decides_which_lines_fail_may_not_change(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(plain((1, 2, 3)))
    order = ("colors", "a.png", "-o", "o.csv", "--workers", "1")
    assert run(*order, cwd=tmp_path).returncode == 0
    done = run(*order, cwd=tmp_path, env={"PIXMILL_MAX_PIXELS": "9"})
    assert done.returncode == 1
    assert "max pixels was 120000000, now 9" in done.stderr
