"""The example of six cameras: through once, again, and with the service killed in between."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from tests import command
from tests.serving import serving

CAMERAS = Path(__file__).parents[2] / "examples" / "cameras"
SHORT = os.environ.get("PIXMILL_SOAK") == "short"
EXPECTED = {
    "1-bottle": ("JPEG", (480, 360)),
    "2-board": ("JPEG", (420, 300)),
    "3-gear": ("PNG", (960, 720)),
    "4-label": ("WEBP", (360, 500)),
    "5-weld": ("PNG", (960, 160)),
    "6-fabric": ("JPEG", (480, 360)),
}


@pytest.fixture(autouse=True)
def _curl():
    if not shutil.which("curl"):
        pytest.skip("curl is needed: apt-get install curl")


def begin(url, key, into, run):
    into.mkdir(exist_ok=True)
    return subprocess.Popen(
        [CAMERAS / "run.sh", url, key, into],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "RUN": run},
    )  # fmt: skip


def finish(process):
    said, errors = process.communicate(timeout=200)
    assert process.returncode == 0, said + errors
    return said


def results(into):
    """What was saved, by camera; each is a whole picture of the size that was asked for."""
    found = {}
    for path in sorted(into.iterdir()):
        camera = path.name.partition("-result")[0]
        with Image.open(path) as image:
            image.load()
            found[camera] = (image.format, image.size)
    return found


def kept(data):
    """The results on the disk, by camera."""
    files = [path for path in (data / "blobs" / "results").rglob("*") if path.is_file()]
    return sorted((path.parent.name, hashlib.sha256(path.read_bytes()).digest()) for path in files)


def test_six_cameras_have_their_results(tmp_path):
    with serving(tmp_path) as service:
        said = finish(begin(service.url, service.credential[1], tmp_path / "out", "one"))
        assert said.count(": results/") == 6
        assert results(tmp_path / "out") == EXPECTED
        assert [camera for camera, _ in kept(tmp_path / "data")] == sorted(EXPECTED)
        finish(begin(service.url, service.credential[1], tmp_path / "again", "one"))
        assert len(kept(tmp_path / "data")) == 6  # the same requests are the same jobs


@pytest.mark.parametrize(
    "kills",
    [1, pytest.param(4 if SHORT else 20, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
def test_a_service_that_is_killed_meanwhile_loses_nothing(tmp_path, kills):
    rng = random.Random(kills)
    env = {"PIXMILL_JOB_LEASE": "1"}
    with serving(tmp_path, env=env) as service:
        key, port = service.credential[1], service.url.rpartition(":")[2]
        finish(begin(service.url, key, tmp_path / "whole", "whole"))
    whole = kept(tmp_path / "data")
    for number in range(kills):
        into = tmp_path / f"out{number}"
        with serving(tmp_path, "--port", port, env=env) as service:
            cameras = begin(service.url, key, into, f"run-{number}")
            time.sleep(rng.uniform(0.05, 1.2))
            command.kill_group(service.process)
        with serving(tmp_path, "--port", port, env=env):
            finish(cameras)
        assert results(into) == EXPECTED
        assert kept(tmp_path / "data") == sorted(whole * (number + 2))
