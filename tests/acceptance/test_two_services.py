"""Two services over one PostgreSQL and one folder: each job is run once, also if one is killed."""

from __future__ import annotations

import contextlib
import io
import signal
import time

import numpy as np
import pytest
from PIL import Image

from tests.pictures import plain
from tests.serving import serving

JOBS = 40
COLORS = [(number, 255 - number, 7) for number in range(JOBS)]


@pytest.fixture
def services(postgres, tmp_path):
    """Two services, of which either is asked with the first's key."""
    env = {
        "PIXMILL_CATALOG": postgres,
        "PIXMILL_BLOBS": str(tmp_path / "blobs"),
        "PIXMILL_JOB_LEASE": "3",
    }
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(serving(tmp_path / "a", "--workers", "1", env=env))
        second = stack.enter_context(serving(tmp_path / "b", "--workers", "1", env=env))
        clients = [
            stack.enter_context(each.client(auth=first.credential)) for each in (first, second)
        ]
        yield (first, second), clients


def submit(clients):
    """Ask either service in turn; gives the jobs by the color that their result has."""
    jobs = {}
    for number, color in enumerate(COLORS):
        client = clients[number % 2]
        md5 = (
            client.post("/images", content=plain(color, 300, 300)).raise_for_status().json()["md5"]
        )
        asked = {"operations": ["invert", "resize 200 200", "convert png"]}
        answer = client.post(f"/images/{md5}/operations", json=asked)
        jobs[color] = answer.raise_for_status().json()["id"]
    return jobs


def followed(client, job):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        told = client.get(f"/jobs/{job}").raise_for_status().json()
        if told["state"] not in {"queued", "running"}:
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def check(client, jobs, blobs):
    ended = {color: followed(client, job) for color, job in jobs.items()}
    assert {told["state"] for told in ended.values()} == {"succeeded"}
    for color, told in ended.items():
        with Image.open(io.BytesIO(client.get(told["links"]["result"]).content)) as image:
            assert np.array_equal(np.asarray(image)[100, 100], [255 - value for value in color])
    files = [path for path in (blobs / "results").rglob("*") if path.is_file()]
    assert len(files) == JOBS
    return ended


def test_each_job_is_run_once_whoever_was_asked(services, tmp_path):
    (first, second), clients = services
    ended = check(clients[0], submit(clients), tmp_path / "blobs")
    assert {told["attempts"] for told in ended.values()} == {1}
    made = [
        sum(float(line.split()[-1]) for line in client.get("/metrics").text.splitlines()
            if line.startswith('pixmill_stage_seconds_count{stage="computing"}'))
        for client in clients
    ]  # fmt: skip
    assert sum(made) == 2 * JOBS  # each picture was analyzed as it came, and changed once
    assert min(made) > JOBS / 2, "both have done some"
    assert first.process.poll() is second.process.poll() is None


def test_the_jobs_of_one_that_is_killed_are_done_by_the_other(services, tmp_path):
    (_, second), clients = services
    jobs = submit(clients)
    second.process.send_signal(signal.SIGKILL)
    second.process.wait(30)
    ended = check(clients[0], jobs, tmp_path / "blobs")
    assert {told["attempts"] for told in ended.values()} <= {1, 2}
