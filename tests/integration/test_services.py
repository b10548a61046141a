"""The servers that other tests lean on do what those tests take for granted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest


def test_nginx_serves_the_files_of_a_folder(nginx, tmp_path):
    (tmp_path / "a.png").write_bytes(b"bytes of a")
    with urllib.request.urlopen(nginx(tmp_path) + "/a.png", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.read() == b"bytes of a"


@pytest.mark.soak
def test_a_missing_service_skips_and_says_how_to_get_it(tmp_path):
    run = _run_nested(tmp_path, {})
    assert run.returncode == 0
    assert "1 skipped" in run.stdout
    assert "1 tests want nginx: apt-get install nginx-light" in run.stdout


@pytest.mark.soak
def test_a_missing_service_fails_where_services_are_required(tmp_path):
    run = _run_nested(tmp_path, {"PIXMILL_REQUIRE_SERVICES": "1"})
    assert run.returncode == 1
    assert "1 tests want nginx: apt-get install nginx-light" in run.stdout


@pytest.mark.soak
def test_a_process_left_behind_fails_the_run(tmp_path):
    run = _run_nested(tmp_path, {}, "subprocess.Popen(['sleep', '8'])")
    assert run.returncode == 1
    assert "tests left processes behind: ['sleep 8']" in run.stdout


def _run_nested(tmp_path, environment, left_behind="None"):
    """A run of its own under this project's conftest, on a machine where no server can be found."""
    (tmp_path / "test_nested.py").write_text(
        textwrap.dedent(f"""
            import subprocess
            from tests import services

            services.Service.find = lambda service: None
            stray = []

            def test_needs_nginx(nginx):
                pass

            def test_leaves_a_process():
                stray.append({left_behind})
        """)
    )
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PIXMILL_", "PYTEST_", "COV"))
    }
    return subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        env=clean | environment | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
