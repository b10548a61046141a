"""`pixmill backup` and `restore`: all of the archive, also while it is written to, or nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pixmill.store import open_archive, open_catalog
from pixmill.store.archive import Image
from tests.archives import look, names_of
from tests.command import run
from tests.contract.archives import RED, capture, put_blobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def data_of(folder: Path) -> Path:
    return folder / "data"


def original(number: int) -> bytes:
    return b"original %d" % number


def add(archive, number: int) -> None:
    """Add an image whose row tells the truth about its original."""
    data = original(number)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    image = Image(
        md5=md5, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), format="png",
        width=2, height=2, colors=(RED,), color="#FF0000",
        blobs=put_blobs(archive, md5, original=data),
    )  # fmt: skip
    archive.add([capture(image)])


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A folder whose data hold an archive of ten images, a key and a failure."""
    folder = tmp_path / "full"
    folder.mkdir()
    with open_catalog(None, data_of(folder)) as catalog:
        catalog.keys.add("shop", ["read"])
    with open_archive(None, None, None, data_of(folder)) as archive:
        for number in range(10):
            add(archive, number)
        archive.add([capture(code="timeout")])
    return folder


def pixmill(folder: Path, *arguments: str, status: int = 0):  # type: ignore[no-untyped-def]
    folder.mkdir(exist_ok=True)
    done = run(*arguments, cwd=folder, env={"PIXMILL_DATA": str(data_of(folder))})
    assert done.returncode == status, done.stderr
    return done


def back_up_while(folder: Path, write: Callable[[], None], done: threading.Event) -> None:
    """Back up while another thread writes until it is `done`."""
    writer = threading.Thread(target=write)
    writer.start()
    try:
        pixmill(folder, "backup", "../b.tar")
    finally:
        done.set()
        writer.join()


def nothing_is_left(folder: Path) -> bool:
    data = data_of(folder)
    return not data.exists() or not [path for path in data.rglob("*") if path.is_file()]


def test_a_backup_restores_images_arrivals_counts_and_keys(tmp_path: Path, full: Path) -> None:
    done = pixmill(full, "backup", "../b.tar")
    assert done.stdout == "backed up 10 images (0.0 MB) to ../b.tar\n"
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    new = tmp_path / "new"
    assert pixmill(new, "restore", "../b.tar").stdout == "restored 10 images (0.0 MB)\n"
    assert look(data_of(new)) == look(data_of(full))
    with open_archive(None, None, None, data_of(new)) as archive:
        assert len(archive.arrivals(100)) == 11
        assert list(archive.blobs.spool.iterdir()) == []
    with open_catalog(None, data_of(new)) as catalog:
        assert [key.name for key in catalog.keys.all()] == ["shop"]
    assert pixmill(new, "doctor", "--store").stdout == "rows and files belong together\n"
    again = pixmill(new, "restore", "../b.tar", status=2)
    assert "catalog.sqlite stands already" in again.stderr


def test_a_backup_while_others_write_is_of_one_moment(tmp_path: Path, full: Path) -> None:
    done = threading.Event()

    def write() -> None:
        with open_archive(None, None, None, data_of(full)) as archive:
            for number in range(10, 100_000):
                add(archive, number)
                if number % 5 == 0:
                    archive.delete(hashlib.md5(original(number - 3)).hexdigest())
                if done.is_set():
                    return

    back_up_while(full, write, done)
    new = tmp_path / "new"
    pixmill(new, "restore", "../b.tar")
    contents = look(data_of(new))
    assert len(contents.images) >= 10
    assert pixmill(new, "doctor", "--store", "--older-than", "0").stdout == (
        "rows and files belong together\n"
    )


def test_a_row_whose_files_were_dropped_under_the_backup_is_not_restored(
    tmp_path: Path, full: Path
) -> None:
    with open_archive(None, None, None, data_of(full)) as archive:
        archive.blobs.delete(min(names_of(archive)))
    assert "1 file went meanwhile" in pixmill(full, "backup", "../b.tar").stdout
    new = tmp_path / "new"
    assert pixmill(new, "restore", "../b.tar").stdout == "restored 9 images (0.0 MB)\n"
    assert len(look(data_of(new)).images) == 9


def test_a_backup_that_is_cut_off_or_altered_is_refused_with_nothing_left(
    tmp_path: Path, full: Path
) -> None:
    pixmill(full, "backup", "../b.tar")
    whole = (tmp_path / "b.tar").read_bytes()
    altered = whole.replace(original(7), b"ORIGINAL 7")
    grey = b"GREY".join(whole.rsplit(b"grey\0", 1))
    row = whole.replace(b'[["#FF0000"', b'[{"#FF0000"', 1)
    cut = (whole[:700], whole[: -len(whole) // 20], b"", b"text" * 500)
    for number, data in enumerate((*cut, altered, grey, row, whole + whole)):
        (tmp_path / "bad.tar").write_bytes(data)
        new = tmp_path / f"new{number}"
        said = pixmill(new, "restore", "../bad.tar", status=1).stderr
        assert said.count("\n") == 1, said
        assert "backup" in said
        assert nothing_is_left(new), said


@pytest.mark.parametrize(
    "entry", ["../evil", "/evil", "blobs/../evil", "blobs/greys/evil", "link", "holes", "long"]
)
def test_entries_that_a_backup_never_has_are_refused(
    tmp_path: Path, full: Path, entry: str
) -> None:
    pixmill(full, "backup", "../b.tar")
    with tarfile.open(tmp_path / "b.tar") as source, (tmp_path / "bad.tar").open("wb") as bad:
        for number, info in enumerate(source):
            if number == 1:
                bad.write(evil(entry, info.name))
            bad.write(info.tobuf(tarfile.GNU_FORMAT))
            bad.write(source.extractfile(info).read() + bytes(-info.size % 512))
    new = tmp_path / "new"
    said = pixmill(new, "restore", "../bad.tar", status=1).stderr
    assert "the backup holds" in said
    assert nothing_is_left(new)
    assert not list(tmp_path.rglob("evil"))


def evil(entry: str, name: str) -> bytes:
    """An entry that is no file of a backup, or bears the name of one."""
    info = tarfile.TarInfo(entry)
    info.size = 4
    if entry == "link":
        info.name, info.type, info.linkname, info.size = name, tarfile.SYMTYPE, "/etc/passwd", 0
    if entry == "holes":
        info.name, info.type = name, tarfile.GNUTYPE_SPARSE
    if entry == "long":
        info.type = tarfile.XHDTYPE
    return info.tobuf(tarfile.GNU_FORMAT) + b"evil".ljust(512, b"\0")


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path, full: Path) -> None:
    pixmill(full, "backup", "../b.tar")
    whole = (tmp_path / "b.tar").read_bytes()
    newer = whole.replace(json.dumps({"format": 1})[:-1].encode(), b'{"format": 9')
    (tmp_path / "b.tar").write_bytes(newer)
    assert "newer pixmill" in pixmill(tmp_path / "new", "restore", "../b.tar", status=1).stderr


def test_what_can_not_be_done_is_a_sentence(tmp_path: Path, full: Path) -> None:
    (tmp_path / "b.tar").write_text("precious")
    assert "--overwrite" in pixmill(full, "backup", "../b.tar", status=2).stderr
    assert (tmp_path / "b.tar").read_text() == "precious"
    pixmill(full, "backup", "../b.tar", "--overwrite")
    assert "no/b.tar can not be written" in pixmill(full, "backup", "no/b.tar", status=1).stderr
    empty = tmp_path / "empty"
    assert "nothing to back up" in pixmill(empty, "backup", "x.tar", status=1).stderr
    assert "can not read gone.tar" in pixmill(empty, "restore", "gone.tar", status=1).stderr
    env = {"PIXMILL_ARCHIVE": "mongodb://127.0.0.1/x", "PIXMILL_DATA": str(data_of(full))}
    done = run("backup", "x.tar", cwd=full, env=env)
    assert (done.returncode, "mongodump" in done.stderr) == (2, True)


def test_a_damaged_original_is_told_and_left_out_and_the_backup_can_be_restored(
    tmp_path: Path, full: Path
) -> None:
    damaged = min((data_of(full) / "blobs" / "originals").rglob("*.png"))
    damaged.write_bytes(b"rotten")
    done = pixmill(full, "backup", "../b.tar", status=1)
    assert "1 damaged original left out" in done.stdout
    new = tmp_path / "new"
    assert pixmill(new, "restore", "../b.tar").stdout == "restored 9 images (0.0 MB)\n"
    assert len(look(data_of(new)).images) == 9


@pytest.mark.parametrize("log", ["-wal", "-shm", "-journal"])
def test_what_a_killed_service_left_of_another_catalog_is_not_played_into_the_restored_one(
    tmp_path: Path, full: Path, log: str
) -> None:
    pixmill(full, "backup", "../b.tar")
    new = tmp_path / "new"
    data_of(new).mkdir(parents=True)
    left = data_of(new) / f"catalog.sqlite{log}"
    left.touch()
    assert f"{left.name} stands already" in pixmill(new, "restore", "../b.tar", status=2).stderr
    left.unlink()
    pixmill(new, "restore", "../b.tar")
    assert (data_of(new) / "catalog.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_copy_of_the_database_ends_however_often_others_write(full: Path) -> None:
    """SQLite begins a copy in steps anew at each write that it has not shut out."""
    database = data_of(full) / "catalog.sqlite"
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE ballast (content BLOB)")
        other.executemany("INSERT INTO ballast VALUES (?)", [[bytes(2**20)]] * 64)
        other.commit()
    done = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as other:
            while not done.is_set():
                other.execute("INSERT INTO ballast VALUES ('one more')")

    back_up_while(full, write, done)


def test_a_restore_that_was_killed_is_done_again(tmp_path: Path, full: Path) -> None:
    """All of its files may stand, and no database."""
    pixmill(full, "backup", "../b.tar")
    new = tmp_path / "new"
    pixmill(new, "restore", "../b.tar")
    (data_of(new) / "catalog.sqlite").unlink()
    pixmill(new, "restore", "../b.tar")
    assert look(data_of(new)) == look(data_of(full))


def killed(command: str, data: Path, *, given: bytes = b"") -> None:
    """Have a command killed in the middle, as it waits for its other side of the pipe."""
    order = [sys.executable, "-m", "pixmill", command, "-"]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(data.parent), "PIXMILL_DATA": str(data)}
    pipe = subprocess.PIPE
    with subprocess.Popen(order, env=env, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        process.stdin.write(given)
        process.stdin.flush()
        while not list(data.glob(f".{command}-*/*")):
            assert process.poll() is None
        process.kill()


def test_the_next_run_clears_what_a_killed_backup_or_restore_left(
    tmp_path: Path, full: Path
) -> None:
    killed("backup", data_of(full))
    assert len(list(data_of(full).glob(".backup-*"))) == 1
    pixmill(full, "backup", "../b.tar")  # beside another file: not where that one was
    whole = subprocess.run(
        [sys.executable, "-m", "pixmill", "backup", "-"],
        env={"PATH": "/usr/bin:/bin", "PIXMILL_DATA": str(data_of(full))},
        capture_output=True,
        check=True,
    ).stdout
    assert list(data_of(full).glob(".backup-*")) == []
    new = tmp_path / "new"
    data_of(new).mkdir(parents=True)
    killed("restore", data_of(new), given=whole[: len(whole) // 2])
    assert len(list(data_of(new).glob(".restore-*"))) == 1
    pixmill(new, "restore", "../b.tar")
    assert list(data_of(new).glob(".restore-*")) == []
    assert look(data_of(new)) == look(data_of(full))


def test_a_backup_can_go_through_a_pipe(tmp_path: Path, full: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIXMILL_DATA": str(data_of(full))}
    order = [sys.executable, "-m", "pixmill"]
    made = subprocess.run([*order, "backup", "-"], env=env, capture_output=True, check=True)
    assert b"backed up 10 images" in made.stderr
    env["PIXMILL_DATA"] = str(tmp_path / "new" / "data")
    subprocess.run([*order, "restore", "-"], env=env, input=made.stdout, check=True)
    assert look(tmp_path / "new" / "data") == look(data_of(full))
