"""Disks that are full or can not be written: a sentence with the path and the way out."""

from __future__ import annotations

import random
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from pixmill.store import open_archive
from tests.archives import names_of, stored_images
from tests.command import run
from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

INGEST = ("ingest", "pictures", "-o", "out.csv", "--workers", "1")
SERVE = ("serve", "--port", "0", "--workers", "1")
ELSEWHERE = re.compile(r"name a place that can be written|name another OUTPUT")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(30):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(png(random.Random(number)))
    return tmp_path


def remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(disk)], check=True)


def test_a_run_that_ends_for_a_full_disk_leaves_no_file_that_no_row_names(
    folder: Path, small_disk: Path
) -> None:
    blobs = small_disk / "blobs"
    env = {"PIXMILL_DATA": str(folder / "data"), "PIXMILL_BLOBS": str(blobs)}
    done = run(*INGEST, cwd=folder, env=env)
    assert done.returncode == 1
    assert f"the folder of images {blobs} can not be used: its disk is full" in done.stderr
    assert "pixmill doctor --store --mend" in done.stderr
    with open_archive(None, None, blobs, folder / "data") as archive:
        named = {name for each in stored_images(archive) for name in each.image.blobs}
        assert names_of(archive) == named
    remount(small_disk, "size=4m")
    again = run(*INGEST, cwd=folder, env=env)
    assert again.returncode == 0, again.stderr
    with open_archive(None, None, blobs, folder / "data") as archive:
        assert len(list(stored_images(archive))) == 30
        assert len(names_of(archive)) == 60


@pytest.mark.parametrize("order", [INGEST, SERVE])
@pytest.mark.parametrize("made_before", [False, True])
def test_a_data_folder_that_can_not_be_written_is_told(
    folder: Path, small_disk: Path, order: tuple[str, ...], made_before: bool
) -> None:
    remount(small_disk, "size=4m")
    data = small_disk / "data"
    if made_before:
        assert run(*INGEST, cwd=folder, env={"PIXMILL_DATA": str(data)}).returncode == 0
    remount(small_disk, "ro")
    done = run(*order, cwd=folder, env={"PIXMILL_DATA": str(data)})
    assert done.returncode == 1
    assert str(data / "catalog.sqlite") in done.stderr
    assert ELSEWHERE.search(done.stderr)


@pytest.mark.parametrize("order", [INGEST, SERVE])
def test_a_folder_of_images_that_can_not_be_written_is_told(
    folder: Path, small_disk: Path, order: tuple[str, ...]
) -> None:
    blobs = small_disk / "blobs"
    env = {"PIXMILL_DATA": str(folder / "data"), "PIXMILL_BLOBS": str(blobs)}
    remount(small_disk, "ro")
    done = run(*order, cwd=folder, env=env)
    assert done.returncode == 1
    assert f"the folder of images {blobs} can not be used: Read-only file system" in done.stderr
    assert ELSEWHERE.search(done.stderr)


def test_a_table_that_can_not_be_written_is_told(folder: Path, small_disk: Path) -> None:
    remount(small_disk, "ro")
    env = {"PIXMILL_DATA": str(folder / "data")}
    order = ("ingest", "pictures", "-o", str(small_disk / "out.csv"), "--workers", "1")
    done = run(*order, cwd=folder, env=env)
    assert done.returncode == 1
    assert f"cannot write {small_disk}/" in done.stderr
    assert ELSEWHERE.search(done.stderr)


def test_an_archive_of_an_unknown_kind_is_refused_by_its_name(folder: Path) -> None:
    env = {"PIXMILL_DATA": str(folder / "data")}
    done = run(*INGEST, "--archive", "mysql://host/name", cwd=folder, env=env)
    assert done.returncode == 2
    assert "the archive's URL begins with sqlite:///, postgresql:// or mongodb://" in done.stderr
