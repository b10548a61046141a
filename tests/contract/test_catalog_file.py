"""The catalog as an SQLite file: its rights, its faults, many processes, and a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from pixmill.errors import OutputError, UsageError
from pixmill.store import migrate_catalog, open_catalog
from pixmill.store.catalog import MAX_PALETTES
from pixmill.store.sql.schema import tokens
from pixmill.store.sql.sqlite import make_engine
from tests.contract.catalogs import START, Clock, mode, query

OPEN = """
import sys
import alembic.command, alembic.config, alembic.script, pixmill.store.sql.catalog
from pathlib import Path
from pixmill.store import open_catalog
print("ready", flush=True)
sys.stdin.readline()
with open_catalog(None, Path(sys.argv[1])) as catalog:
    made = catalog.keys.add_first("first", ["admin"])
    print(made[1] if made else "")
"""
PUT = """
import sys
from pathlib import Path
from pixmill.store import open_catalog
with open_catalog(None, Path(sys.argv[1])) as catalog:
    for number in range(100_000):
        info = catalog.palettes.put("brand", b"%08d" % number * 50_000, number)
        print(info.revision, flush=True)
"""


def start(program, folder):
    command = [sys.executable, "-c", program, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def read_all(folder):
    with open_catalog(None, folder) as catalog:
        return [catalog.keys.all(), catalog.palettes.all(), catalog.sessions.start(1, 60)]


@pytest.fixture
def roomy_disk(tmp_path):
    """A file system of 1 MB."""
    folder = tmp_path / "roomy"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_folder_and_files_are_their_owners_alone(tmp_path):
    data = tmp_path / "new" / "data"
    old = os.umask(0)
    try:
        with open_catalog(None, data) as catalog:
            catalog.keys.add("shop", ["read"])
            modes = {path.name: mode(path) for path in data.iterdir()}
    finally:
        os.umask(old)
    assert mode(data) == 0o700
    assert set(modes.values()) == {0o600}
    assert "catalog.sqlite-wal" in modes


def test_no_secret_is_kept(tmp_path):
    with open_catalog(None, tmp_path) as catalog:
        key, text = catalog.keys.add("shop", ["read"])
        secrets = [text[12:]]
        secrets += [catalog.sessions.start(key.id, 60), catalog.sessions.add_link(key.id, 60)]
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.prefix.encode() in kept
    assert not [secret for secret in secrets if secret.encode() in kept]


def test_sessions_that_ended_are_not_kept(tmp_path):
    path = tmp_path / "catalog.sqlite"
    clock = Clock()
    with open_catalog(None, tmp_path, clock=clock) as catalog:
        one, other = (catalog.keys.add(name, ["read"])[0] for name in ("one", "other"))
        catalog.sessions.start(one.id, 60)
        clock.forward(61)
        catalog.sessions.start(one.id, 60)
        catalog.sessions.add_link(other.id, 60)
        assert query(path, "SELECT key_id, kind FROM tokens ORDER BY 1") == [
            (one.id, "session"),
            (other.id, "link"),
        ]
        catalog.keys.revoke("other")
        assert query(path, "SELECT key_id FROM tokens") == [(one.id,)]


def test_a_session_without_its_key_can_not_be(tmp_path):
    engine = make_engine(tmp_path / "catalog.sqlite")
    open_catalog(None, tmp_path).close()
    row = {"digest": b"", "kind": "link", "key_id": 9, "created_at": START, "expires_at": START}
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(tokens).values(row))
    engine.dispose()


def test_what_is_kept_is_there_again(tmp_path):
    with open_catalog(None, tmp_path) as catalog:
        key, text = catalog.keys.add("shop", ["read", "admin"])
        token = catalog.sessions.start(key.id, 3600)
        info = catalog.palettes.put("brand", b"{}", 1)
    with open_catalog(f"sqlite:///{tmp_path}/catalog.sqlite", tmp_path / "other") as catalog:
        assert catalog.keys.find(text) == catalog.sessions.find(token) == key
        assert catalog.palettes.get("brand") == (b"{}", info)
    assert not (tmp_path / "other").exists()


def test_processes_that_start_at_once_share_one_new_catalog_and_one_first_key(tmp_path):
    running = [start(OPEN, tmp_path / "data") for _ in range(4)]
    assert [process.stdout.readline() for process in running] == ["ready\n"] * 4
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    (text,) = filter(None, told)
    with open_catalog(None, tmp_path / "data") as catalog:
        assert [key.name for key in catalog.keys.all()] == ["first"]
        assert catalog.keys.find(text).name == "first"


def test_after_a_kill_stands_what_was_told_or_what_came_next(tmp_path):
    process = start(PUT, tmp_path)
    told = [int(process.stdout.readline()) for _ in range(5)]
    process.send_signal(signal.SIGKILL)
    told += map(int, process.communicate()[0].split())
    with open_catalog(None, tmp_path) as catalog:
        document, info = catalog.palettes.get("brand")
        assert info.revision in {told[-1], told[-1] + 1}
        assert document == b"%08d" % info.entries * 50_000
        assert catalog.palettes.put("brand", b"{}", 1).revision == info.revision + 1
    assert query(tmp_path / "catalog.sqlite", "PRAGMA integrity_check") == [("ok",)]


def test_a_migration_that_was_cut_off_begins_anew(tmp_path):
    path = tmp_path / "catalog.sqlite"
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom alembic import op\n"
        "from pixmill.store import open_catalog\n"
        "op.bulk_insert = lambda *a: os._exit(9)\n"
        "open_catalog(None, Path(sys.argv[1]))\n"
    )
    process = start(program, tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == 9
    assert query(path, "SELECT count(*) FROM sqlite_schema") == [(0,)]
    with open_catalog(None, tmp_path) as catalog:
        assert catalog.keys.count() == 0


@pytest.mark.parametrize("room", [0, 20_000, 60_000, 80_000])
def test_a_full_disk_is_a_sentence_and_no_end(roomy_disk, room):
    (roomy_disk / "full").write_bytes(bytes((1 << 20) - 4096 - room))
    with pytest.raises(OutputError, match=f"the catalog {roomy_disk}/catalog.sqlite can not be"):
        read_all(roomy_disk)
    (roomy_disk / "full").unlink()
    with open_catalog(None, roomy_disk) as catalog:
        catalog.keys.add("shop", ["read"])
    assert len(read_all(roomy_disk)[0]) == 1


def test_a_disk_that_fills_up_is_a_sentence_and_loses_nothing(roomy_disk):
    with open_catalog(None, roomy_disk) as catalog:
        key, text = catalog.keys.add("shop", ["read"])
        info = catalog.palettes.put("brand", b"old", 1)
        with pytest.raises(OutputError, match="can not be used: database or disk is full"):
            catalog.palettes.put("brand", bytes(2 << 20), 1)
        assert catalog.palettes.get("brand") == (b"old", info)
        assert catalog.keys.find(text) == key
        catalog.palettes.put("brand", b"new", 1)


@pytest.fixture
def sealed(tmp_path):
    """A folder that not even its owner may write to."""
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


def test_a_folder_that_can_not_be_written_is_a_sentence(sealed, nobody):
    for place in ("/proc/pixmill", sealed / "data"):
        with pytest.raises(
            OutputError, match=f"the catalog {place}/catalog.sqlite can not be made"
        ):
            open_catalog(None, Path(place))


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path):
    (tmp_path / "data").write_text("mine")
    with pytest.raises(OutputError, match="can not be made: File exists"):
        open_catalog(None, tmp_path / "data")
    assert (tmp_path / "data").read_text() == "mine"


@pytest.mark.parametrize(
    "content", [b"no database at all" * 99, b"SQLite format 3\0" + b"\xff" * 999]
)
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content):
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(content)
    with pytest.raises(OutputError, match=f"the catalog {path} can not be used: .*not a database"):
        open_catalog(None, tmp_path)
    assert path.read_bytes() == content


def test_a_folder_in_place_of_the_file_is_a_sentence(tmp_path):
    (tmp_path / "catalog.sqlite").mkdir()
    with pytest.raises(OutputError, match="can not be used: unable to open database file"):
        open_catalog(None, tmp_path)


def test_a_file_cut_short_is_a_sentence(tmp_path):
    with open_catalog(None, tmp_path) as catalog:
        catalog.keys.add("shop", ["read"])
    path = tmp_path / "catalog.sqlite"
    os.truncate(path, 20_000)
    with pytest.raises(OutputError, match="can not be used: database disk image is malformed"):
        read_all(tmp_path)


def test_a_database_of_others_is_left_alone(tmp_path):
    path = tmp_path / "catalog.sqlite"
    query(path, "CREATE TABLE theirs (id INTEGER)")
    before = path.read_bytes()
    for act in (open_catalog, migrate_catalog):
        with pytest.raises(OutputError, match="was not made by pixmill"):
            act(None, tmp_path)
    assert path.read_bytes() == before


def test_a_database_that_is_locked_for_good_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("pixmill.store.sql.sqlite._BUSY_S", 0.1)
    with open_catalog(None, tmp_path) as catalog:
        with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OutputError, match="can not be used: database is locked"):
                catalog.keys.add("shop", ["read"])
            assert catalog.keys.all() == []  # reading goes on
            other.rollback()
        catalog.keys.add("shop", ["read"])


def test_there_is_no_room_for_ever_more_palettes(tmp_path):
    with open_catalog(None, tmp_path) as catalog:
        catalog.palettes.put("mine", b"1", 1)
        count = f"SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {MAX_PALETTES - 1}"
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        query(
            tmp_path / "catalog.sqlite",
            f"WITH RECURSIVE n(i) AS ({count}) "
            f"INSERT INTO palettes SELECT 'p' || i, 1, 1, '{at}', x'00' FROM n",
        )
        with pytest.raises(UsageError, match="there are 10,000 palettes already"):
            catalog.palettes.put("one-more", b"1", 1)
        assert catalog.palettes.put("mine", b"2", 1).entries == 1
        catalog.palettes.delete("p1")
        assert catalog.palettes.put("one-more", b"1", 1).name == "one-more"
