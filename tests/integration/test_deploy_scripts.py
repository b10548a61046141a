"""`deploy/up.sh` makes what the stack needs, `deploy/clean.sh` brings it back to what git has.

The engine is a program of the test's own on the PATH: what is told to it is written down, and the
stack runs or not as the test wants.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import deploying

ENGINE = """#!/bin/sh
echo "$0 $*" >>"$FAKE_LOG"
case "$1" in
    ps) printf '%s' "$FAKE_PS"; [ -z "$FAKE_PS_ERROR" ] || { echo "$FAKE_PS_ERROR" >&2; exit 1; } ;;
    compose) [ -n "$FAKE_COMPOSE" ] ;;
esac
"""
TOOLS = (
    "awk", "cat", "chmod", "chown", "dirname", "env", "find", "git", "grep", "id", "mkdir", "mv",
    "od", "rm", "sed", "sh", "tail", "touch", "tr",
)  # fmt: skip
NO_ENGINE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?"


class Stack:
    """A clone with `deploy/`, and a PATH on which docker is the test's own."""

    def __init__(self, folder: Path) -> None:
        self.deploy = deploying.clone(folder / "a clone")
        self.log = folder / "log"
        self.log.touch()
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool))
        self.install("docker")

    def install(self, name: str) -> None:
        program = self.path / name
        program.write_text(ENGINE, encoding="utf-8")
        program.chmod(0o755)

    def run(self, script: str, *words: str, **fake: str) -> subprocess.CompletedProcess[str]:
        names = {"FAKE_PS": "", "FAKE_PS_ERROR": "", "FAKE_COMPOSE": "yes", **fake}
        return subprocess.run(
            ["sh", str(self.deploy / script), *words],
            env={"PATH": str(self.path), "FAKE_LOG": str(self.log), **names},
            cwd="/", capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def up(self, *words: str, **fake: str) -> str:
        done = self.run("up.sh", *words, **fake)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def clean(self, **fake: str) -> None:
        done = self.run("clean.sh", **fake)
        assert (done.returncode, done.stderr) == (0, "")
        self.is_as_in_git()

    def refused(self, script: str, *words: str, **fake: str) -> str:
        done = self.run(script, *words, **fake)
        assert done.returncode == 1
        assert done.stderr.startswith(f"{script}: ")
        return done.stderr

    def is_as_in_git(self) -> None:
        for folder in deploying.FOLDERS:
            assert not (self.deploy / folder).is_symlink()
            assert os.listdir(self.deploy / folder) == [".gitignore"]  # noqa: PTH208  bytes' names too
        told = deploying.git(self.deploy, "status", "--porcelain", "--", *deploying.FOLDERS)
        assert told == ""

    @property
    def said_to_engine(self) -> str:
        return self.log.read_text()

    def env(self) -> dict[str, str]:
        lines = (self.deploy / ".env").read_text().splitlines()
        assert len({line.partition("=")[0] for line in lines}) == len(lines)
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def stack(tmp_path):
    return Stack(tmp_path)


# Up


def test_up_starts_the_stack_and_says_where(stack):
    said = stack.up()
    assert "http://127.0.0.1:5000" in said
    assert "deploy/nas/first-key" in said
    last = stack.said_to_engine.splitlines()[-1]
    assert last.endswith("up --detach --build --wait")


def test_up_makes_missing_folders_that_the_containers_may_write_to(stack):
    for folder in ("bus", "db", "nas"):
        shutil.rmtree(stack.deploy / folder)
    stack.up()
    user = int(stack.env()["PIXMILL_UID"])
    assert user == (os.geteuid() or 10001)
    for folder in deploying.FOLDERS:
        found = (stack.deploy / folder).stat()
        assert found.st_uid == user
        assert found.st_mode & 0o700 == 0o700


def test_up_makes_secrets_once_which_only_their_user_reads(stack):
    stack.up()
    secrets = stack.deploy / "secrets"
    first = {path.name: path.read_text() for path in secrets.iterdir()}
    named = deploying.compose()["secrets"].values()
    assert set(first) == {Path(each["file"]).name for each in named} | {".gitignore"}
    for path in secrets.iterdir():
        if path.name != ".gitignore":
            found = path.stat()
            assert (found.st_uid, found.st_mode & 0o777) == (os.geteuid() or 10001, 0o400)
    stack.up("mongo", "s3")
    assert {path.name: path.read_text() for path in secrets.iterdir()} == first
    assert deploying.git(stack.deploy, "status", "--porcelain") == ""


def test_secrets_fit_each_other_and_are_long(stack):
    stack.up()
    secrets = {path.name: path.read_text().removesuffix("\n") for path in secret_files(stack)}
    assert len(secrets["db_password"]) == 64
    assert len(set(secrets.values())) == len(secrets)
    assert secrets["catalog"] == f"postgresql://pixmill:{secrets['db_password']}@db:5432/pixmill"
    password = secrets["bus_user.conf"].partition("default_pass = ")[2]
    assert secrets["broker"] == f"amqp://pixmill:{password}@bus:5672/pixmill"
    assert secrets["mongo_password"] in secrets["archive"]
    assert len(password) == 64


def secret_files(stack):
    return [path for path in (stack.deploy / "secrets").iterdir() if path.name != ".gitignore"]


def test_a_secret_that_was_lost_is_made_to_fit_the_others(stack):
    stack.up()
    (stack.deploy / "secrets" / "bus_user.conf").unlink()
    stack.up()
    password = (stack.deploy / "secrets" / "bus_user.conf").read_text().split()[-1]
    assert f":{password}@" in (stack.deploy / "secrets" / "broker").read_text()


def test_a_database_whose_password_was_lost_is_left_alone(stack):
    stack.up()
    (stack.deploy / "db" / "data" / "pgdata").mkdir()
    (stack.deploy / "secrets" / "db_password").unlink()
    assert "its password is not in deploy/secrets" in stack.refused("up.sh")
    assert not (stack.deploy / "secrets" / "db_password").exists()


def test_profiles_are_chosen_once_and_kept(stack):
    stack.up("mongo", "s3")
    chosen = stack.env()
    assert chosen["COMPOSE_PROFILES"] == "mongo,s3"
    assert chosen["PIXMILL_BLOBS"] == "s3://pixmill/blobs"
    assert chosen["PIXMILL_ARCHIVE_FILE"] == "/run/secrets/archive"
    assert (stack.deploy / "db" / "data" / "mongo").is_dir()
    assert (stack.deploy / "nas" / "s3").is_dir()
    stack.up()
    assert stack.env() == chosen
    stack.up("plain")
    assert stack.env()["COMPOSE_PROFILES"] == stack.env()["PIXMILL_BLOBS"] == ""
    assert set(chosen) <= {name for name in stack.env() if known(name)}


def known(name):
    return name in deploying.settings() | {"PIXMILL_UID", "PIXMILL_GID", "COMPOSE_PROFILES"}


def test_lines_of_the_operator_stay(stack):
    (stack.deploy / ".env").write_text("PIXMILL_PUBLISH=127.0.0.1:8080\nA=b c\n")
    assert "http://127.0.0.1:8080" in stack.up("s3")
    assert stack.env()["A"] == "b c"


def test_up_refuses_a_profile_that_there_is_not(stack):
    assert "redis is no profile" in stack.refused("up.sh", "redis")


@pytest.mark.parametrize("engine", [True, False])
def test_without_an_engine_up_says_what_to_install(stack, engine):
    if not engine:
        (stack.path / "docker").unlink()
    assert "docker with its compose plugin" in stack.refused("up.sh", FAKE_COMPOSE="")
    assert not (stack.deploy / ".env").exists()


# Clean


def test_clean_deletes_what_the_stack_kept_and_nothing_else(stack):
    stack.up("mongo", "s3")
    for folder in deploying.FOLDERS:
        (stack.deploy / folder / "deep" / "er").mkdir(parents=True)
        (stack.deploy / folder / "deep" / "er" / "file").write_text("x")
    before = {path: path.read_text() for path in [*secret_files(stack), stack.deploy / ".env"]}
    (stack.deploy / "db" / "notes").write_text("the operator's")
    stack.clean()
    assert {path: path.read_text() for path in before} == before
    assert (stack.deploy / "db" / "notes").exists()


def test_clean_of_what_is_clean_changes_nothing(stack):
    stack.clean()


@pytest.mark.parametrize(
    "name",
    [
        b"a b", b"-rf", b"--", b"new\nline", b"*", b"$(touch x)", b"'\"", b"\xff\xfe", b".hidden",
        b"...", b"\\", b"\t", b":(top)", "ü".encode(), b"x" * 255,
    ],
)  # fmt: skip
def test_clean_survives_odd_names(stack, name):
    for folder in deploying.FOLDERS:
        odd = os.path.join(os.fsencode(stack.deploy / folder), name)  # noqa: PTH118  bytes
        os.mkdir(odd)  # noqa: PTH102
        with open(os.path.join(odd, name), "wb"):  # noqa: PTH118, PTH123
            pass
    stack.clean()


def test_clean_follows_no_link(stack, tmp_path):
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_text("kept")
    (outside / "folder").chmod(0o500)
    for folder in deploying.FOLDERS:
        (stack.deploy / folder / "link").symlink_to(outside)
        (stack.deploy / folder / "file").symlink_to(outside / "file")
        (stack.deploy / folder / "lost").symlink_to("nowhere")
        (stack.deploy / folder / "up").symlink_to("../..")
    stack.clean()
    assert (outside / "file").read_text() == "kept"
    assert (outside / "folder").stat().st_mode & 0o777 == 0o500


def test_a_folder_that_became_a_link_is_a_folder_again(stack, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (outside / ".gitignore").write_text("kept")
    for folder in deploying.FOLDERS:
        shutil.rmtree(stack.deploy / folder)
        (stack.deploy / folder).symlink_to(outside)
    stack.clean()
    assert sorted(os.listdir(outside)) == [".gitignore", "file"]  # noqa: PTH208


def test_a_link_on_the_way_is_refused(stack, tmp_path):
    outside = tmp_path / "outside"
    shutil.move(stack.deploy / "db", outside)
    (outside / "data" / "file").write_text("kept")
    (stack.deploy / "db").symlink_to(outside)
    assert "deploy/db is a link" in stack.refused("clean.sh")
    assert (outside / "data" / "file").exists()


def test_what_became_a_file_or_is_missing_is_a_folder_again(stack):
    shutil.rmtree(stack.deploy / "nas")
    (stack.deploy / "nas").write_text("a file")
    shutil.rmtree(stack.deploy / "db")
    stack.clean()


def test_clean_brings_back_gitignore_and_what_was_staged(stack):
    (stack.deploy / "bus" / ".gitignore").write_text("other\n")
    (stack.deploy / "nas" / "staged").write_text("x")
    deploying.git(stack.deploy, "add", "--force", "bus/.gitignore", "nas/staged")
    (stack.deploy / "db" / "data" / ".gitignore").unlink()
    stack.clean()
    assert deploying.git(stack.deploy, "status", "--porcelain") == ""


def test_clean_deletes_folders_that_may_not_be_entered_and_clones(stack):
    shut = stack.deploy / "nas" / "shut"
    (shut / "in").mkdir(parents=True)
    (shut / "in" / "file").touch()
    (shut / "in").chmod(0o000)
    shut.chmod(0o000)
    deploying.git(stack.deploy / "bus", "init", "--quiet", "nested")
    stack.clean()


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_clean_refuses_while_the_stack_runs(stack, engine):
    (stack.path / "docker").unlink()
    stack.install(engine)
    (stack.deploy / "nas" / "file").touch()
    assert "the stack runs" in stack.refused("clean.sh", FAKE_PS="0123456789ab\n")
    assert (stack.deploy / "nas" / "file").exists()
    assert "label=com.docker.compose.project=pixmill" in stack.said_to_engine


def test_the_stack_is_found_by_its_folder_and_by_another_name(stack):
    (stack.deploy / ".env").write_text("COMPOSE_PROJECT_NAME=other\n")
    stack.clean()
    assert "label=com.docker.compose.project=other" in stack.said_to_engine
    working_dir = f"label=com.docker.compose.project.working_dir={stack.deploy.resolve()}"
    assert working_dir in stack.said_to_engine


def test_clean_refuses_where_the_engine_does_not_tell(stack):
    (stack.deploy / "nas" / "file").touch()
    sentence = stack.refused("clean.sh", FAKE_PS_ERROR="permission denied")
    assert "can not be told whether the stack runs" in sentence
    assert (stack.deploy / "nas" / "file").exists()


def test_without_an_engine_nothing_can_run(stack):
    stack.clean(FAKE_PS_ERROR=NO_ENGINE)
    (stack.path / "docker").unlink()
    (stack.deploy / "nas" / "file").touch()
    stack.clean()


def test_clean_refuses_what_is_no_clone(stack):
    shutil.rmtree(stack.deploy.parent / ".git")
    (stack.deploy / "nas" / "file").touch()
    assert "this is no clone" in stack.refused("clean.sh")
    assert (stack.deploy / "nas" / "file").exists()


def test_variables_of_git_change_nothing(stack, tmp_path):
    (stack.deploy / "nas" / "file").touch()
    stack.clean(GIT_DIR=str(tmp_path / "none"), GIT_WORK_TREE=str(tmp_path))


def test_clean_refuses_where_something_is_mounted(stack):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    inner = stack.deploy / "nas" / "a mount"
    inner.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(inner)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (inner / "file").touch()
        assert "something is mounted in deploy/nas" in stack.refused("clean.sh")
        assert (inner / "file").exists()
    finally:
        subprocess.run(["umount", str(inner)], check=True)
    stack.clean()
