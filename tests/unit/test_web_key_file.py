"""A key's file: for its owner alone, whole or not at all, and nothing else left behind."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from pixmill.errors import OutputError
from pixmill.web.key_file import KeyFile


def test_the_key_stands_in_it_for_its_owner_alone(tmp_path):
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        with closing(KeyFile(path)) as file:
            assert not path.exists()
            file.write("pm_x")
    finally:
        os.umask(before)
    assert path.read_text() == "pm_x\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_lay_there_is_replaced_and_a_link_is_not_followed(tmp_path):
    target, path = tmp_path / "target", tmp_path / "key"
    target.write_text("someone's")
    path.symlink_to(target)
    with closing(KeyFile(path)) as file:
        file.write("pm_x")
    assert target.read_text() == "someone's"
    assert not path.is_symlink()


def test_without_a_key_nothing_changes(tmp_path):
    path = tmp_path / "key"
    path.write_text("before")
    with closing(KeyFile(path)):
        pass
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/key", "No such file or directory"),
        ("folder", "Is a directory"),
        ("file/key", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_a_place_that_can_not_be_is_told_at_once(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        KeyFile(tmp_path / name)
    assert "the first key can not be written to " in str(caught.value)
    assert str(caught.value).endswith(f": {reason}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_may_not_be_written_is_told(tmp_path, nobody):
    with pytest.raises(OutputError, match="Permission denied"):
        KeyFile(Path("/key"))


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_text("before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with closing(KeyFile(path)) as file, pytest.raises(OutputError, match="No space left"):
        file.write("pm_x")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
