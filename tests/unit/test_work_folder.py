"""Folders for work: gone at the end, cleared after a kill, and left alone while in use."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from pixmill.store.work_folder import work_folder

HOLDING = """
import sys
from pathlib import Path
from pixmill.store.work_folder import work_folder
with work_folder(Path(sys.argv[1]), ".work-") as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def holding(place):
    """A process that has a folder until its standard input ends."""
    order = [sys.executable, "-c", HOLDING, str(place)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(order, **pipes)
    process.stdout.readline()
    return process


def test_it_is_gone_at_the_end_also_of_one_by_an_error(tmp_path):
    with work_folder(tmp_path, ".work-") as folder:
        (folder / "file").write_text("x")
    with pytest.raises(KeyError), work_folder(tmp_path, ".work-"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_cleared_and_what_is_in_use_or_not_ours_is_not(tmp_path):
    killed, living = holding(tmp_path), holding(tmp_path)
    with killed, living:
        assert len(list(tmp_path.iterdir())) == 2
        killed.kill()
        killed.wait()
        (tmp_path / ".work-file").write_text("x")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / ".work-link").symlink_to(tmp_path / "elsewhere")
        (tmp_path / ".other-1").mkdir()
        with work_folder(tmp_path, ".work-"):
            pass
        names = {path.name for path in tmp_path.iterdir()}
        assert {".work-file", ".work-link", "elsewhere", ".other-1"} < names
        assert len(names) == 5
        living.communicate("")
        assert living.returncode == 0
    assert len(list(tmp_path.iterdir())) == 4


def test_many_that_begin_and_clear_at_once_keep_their_own(tmp_path):
    wrong = []

    def work():
        for _ in range(20):
            with work_folder(tmp_path, ".work-") as folder:
                (folder / "file").write_text("x")
                if not (folder / "file").exists():
                    wrong.append(folder)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert list(tmp_path.iterdir()) == []
