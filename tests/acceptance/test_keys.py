"""`pixmill keys` and `pixmill migrate` as a user types them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pixmill.store import open_catalog
from tests import command

KEY = r"pm_[a-z0-9]{8}_[A-Za-z0-9_-]{43}"


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return command.run(*arguments, cwd=folder, env={"PIXMILL_DATA": str(folder / "data"), **env})


def listed(folder: Path) -> list[dict[str, object]]:
    done = run(folder, "keys", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_key_is_told_once_with_a_line_to_paste(tmp_path: Path) -> None:
    done = run(tmp_path, "keys", "create", "shop", PIXMILL_PORT="8080")
    assert (done.returncode, done.stderr) == (0, "")
    (text, again) = re.findall(KEY, done.stdout)
    assert text == again
    url = "http://127.0.0.1:8080/colours/match?url=https://example.org/picture.jpg"
    assert f"  curl -u shop:{text} '{url}'\n" in done.stdout
    with open_catalog(None, tmp_path / "data") as catalog:
        key = catalog.keys.find(text)
    assert key is not None
    assert (key.name, key.scopes) == ("shop", {"read", "match", "write", "jobs"})
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    table = run(tmp_path, "keys", "list").stdout
    assert re.search(
        rf"^shop  pm_{key.prefix}  read match write jobs  \d{{4}}-", table, re.MULTILINE
    )
    assert text[12:] not in table


def test_quiet_prints_the_key_alone_and_scopes_can_be_chosen(tmp_path: Path) -> None:
    flags = ["--scope", "metrics", "--scope", "read", "--quiet"]
    done = run(tmp_path, "keys", "create", "probe", *flags)
    assert re.fullmatch(KEY + "\n", done.stdout)
    (key,) = listed(tmp_path)
    assert key["scopes"] == ["read", "metrics"]
    assert key["prefix"] == done.stdout[3:11]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(key["created_at"]))
    assert key["revoked_at"] is None


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("admin", "/colours/match?"), ("read", "/images\n"), ("write", "/images\n"),
        ("jobs", "/jobs\n"), ("metrics", "/metrics\n"),
    ],
)  # fmt: skip
def test_what_a_new_key_is_tried_with_is_within_its_scopes(tmp_path, scope, path):
    told = run(tmp_path, "keys", "create", "one", "--scope", scope).stdout
    assert told.startswith(f"The key one ({scope}); it is shown only now:\n")
    assert f"http://127.0.0.1:5000{path}" in told
    assert ("-F image=@" in told) == (scope == "write")


def test_a_key_is_revoked_by_name_or_prefix(tmp_path: Path) -> None:
    with open_catalog(None, tmp_path / "data") as catalog:
        texts = [catalog.keys.add(name, ["read"])[1] for name in ("one", "two")]
    assert run(tmp_path, "keys", "revoke", "one").stdout == f"revoked one ({texts[0][:11]})\n"
    assert run(tmp_path, "keys", "revoke", texts[1][:11]).returncode == 0
    assert all(key["revoked_at"] for key in listed(tmp_path))
    for name in ("one", texts[1][3:11], "", "\x1b[2J"):
        done = run(tmp_path, "keys", "revoke", name)
        assert (done.returncode, done.stdout) == (1, "")
        sentence = "there is no live key of that name or prefix; `pixmill keys list` has them"
        assert done.stderr == f"pixmill: {sentence}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a b"], "a key's name is 1 to 100 letters, digits, dots, dashes and _, not 'a b'"),
        (["\x1b[2J"], r"a key's name is .* not '\\x1b\[2J'"),
        (["shop", "--scope", "root"], "of read, match, write, jobs, metrics, admin, not 'root'"),
        (["taken"], "there is a key taken already; revoke it first, or choose a name"),
    ],
)
def test_a_key_that_can_not_be_made_is_a_sentence(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    with open_catalog(None, tmp_path / "data") as catalog:
        catalog.keys.add("taken", ["read"])
    done = run(tmp_path, "keys", "create", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(told, done.stderr)
    assert "\x1b" not in done.stderr
    with open_catalog(None, tmp_path / "data") as catalog:
        assert [key.name for key in catalog.keys.all()] == ["taken"]


def test_a_key_that_nobody_could_see_is_revoked(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pixmill", "keys", "create", "shop"],
            env=command.environment({"PIXMILL_DATA": str(tmp_path / "data")}),
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    sentence = "standard output can not be written: No space left on device"
    assert done.stderr == f"pixmill: {sentence}\n"
    assert [bool(key["revoked_at"]) for key in listed(tmp_path)] == [True]


def test_a_key_for_a_reader_that_is_gone_is_revoked(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "pixmill", "keys", "create", "shop"],
        env=command.environment({"PIXMILL_DATA": str(tmp_path / "data")}),
        cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(writer)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 1
    assert [bool(key["revoked_at"]) for key in listed(tmp_path)] == [True]


def test_listing_makes_nothing(tmp_path: Path) -> None:
    assert listed(tmp_path) == []
    assert run(tmp_path, "keys", "list").stdout == "name  prefix  scopes  made  revoked\n"
    assert run(tmp_path, "keys", "revoke", "shop").returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_was_forged_in_the_file_can_not_drive_the_terminal(tmp_path: Path) -> None:
    run(tmp_path, "keys", "create", "shop")
    with closing(sqlite3.connect(tmp_path / "data" / "catalog.sqlite")) as database, database:
        database.execute("UPDATE keys SET name = '\x1b[2J', prefix = '\x07'")
    done = run(tmp_path, "keys", "list")
    assert "\\x1b[2J  pm_\\x07" in done.stdout
    assert "\x1b" not in run(tmp_path, "keys", "list", "--json").stdout


def test_migrate_makes_a_catalog_and_tells_its_revision(tmp_path: Path) -> None:
    assert run(tmp_path, "migrate").stdout == "the catalog is new, at revision 0006\n"
    assert run(tmp_path, "migrate").stdout == "the catalog is at revision 0006 already\n"
    done = run(tmp_path, "migrate", PIXMILL_CATALOG="postgresql://me:hidden@127.0.0.1:1/db")
    assert done.returncode == 1
    assert "the catalog postgresql://127.0.0.1:1/db can not be used" in done.stderr
    assert "hidden" not in done.stderr


def test_a_catalog_that_can_not_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "catalog.sqlite").write_text("no database" * 100)
    for arguments in (["keys", "list"], ["keys", "create", "shop"], ["migrate"]):
        done = run(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("catalog.sqlite can not be used: file is not a database\n")
        assert done.stderr.count("\n") == 1
