"""What the contracts run over, and disks and rights that are smaller than usual."""

from __future__ import annotations

import os
import subprocess

import pytest

from pixmill.batch.sink.table import OUTPUT_ENDINGS


@pytest.fixture(params=[ending.removeprefix(".") for ending in OUTPUT_ENDINGS])
def ending(request):
    """The ending of each format that a table can have."""
    return request.param


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
