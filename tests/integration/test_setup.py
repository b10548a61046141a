"""Setting up finds the right Python, or says in a sentence what to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path):
    """A machine whose PATH holds what the test puts there; `.find()` asks it for a Python."""

    def put(name, script):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    def find():
        sh = shutil.which("sh")
        script = PROJECT / "scripts" / "find-python"
        path = {"PATH": str(tmp_path)}
        return subprocess.run([sh, script], env=path, capture_output=True, text=True, check=False)

    put.find, put.folder = find, tmp_path
    return put


REAL = f'exec "{sys.executable}" "$@"'


def test_the_newest_python_that_runs_is_taken(machine):
    machine("python3.14", "exit 127")  # a shim without an interpreter behind it
    machine("python3.13", REAL)
    machine("python3.12", REAL)
    assert machine.find().stdout == f"{machine.folder}/python3.13\n"


def test_a_plain_python3_will_do(machine):
    machine("python3", REAL)
    assert machine.find().stdout == f"{machine.folder}/python3\n"


def test_without_a_python_the_sentence_says_what_to_install(machine):
    machine("python3", "exit 1")  # as a version that is too old answers
    found = machine.find()
    assert (found.returncode, found.stdout) == (1, "")
    assert "pixmill needs Python 3.11 to 3.14" in found.stderr
    assert "apt-get install python3 python3-venv" in found.stderr


def test_without_venv_the_sentence_names_its_package(machine):
    machine("python3.12", f'case "$*" in *ensurepip*) exit 1 ;; esac\n{REAL}')
    found = machine.find()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert found.returncode == 1
    assert "python3.12 lacks its venv module: install it" in found.stderr
    assert f"apt-get install {version}-venv" in found.stderr


def test_the_lock_names_no_host_and_no_path():
    lock = (PROJECT / "requirements" / "dev.lock").read_text(encoding="utf-8")
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert "--index" not in lock
    assert " @ " not in lock


def test_the_lock_pins_what_is_asked_for_with_extras_under_that_very_name():
    """Older pips (23.2 for one) take `name==1` as no pin of `name[extra]` and refuse the newest."""
    pinned = _pinned()
    asked = {
        (canonicalize_name(needed.name), extra)
        for name in pinned
        for needed in _needs(name)
        if canonicalize_name(needed.name) in pinned
        for extra in needed.extras
    }
    assert asked, "nothing asks for an extra: this test has lost its object"
    assert [ask for ask in asked if ask[1] not in pinned[ask[0]]] == []


def _pinned():
    """Name to the extras that the lock pins it with."""
    lines = (PROJECT / "requirements" / "dev.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if line[:1].isalnum()]
    return {canonicalize_name(pin.name): pin.extras for pin in pins}


def _needs(name):
    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:  # pinned for another platform or another Python
        return []
    needs = [Requirement(text) for text in requires]
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
