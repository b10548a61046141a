"""List jobs that are cut off: by SIGKILL, by the end of the service, by those who sent them."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.api_lists import followed, submit, table_of, urls_of
from tests.archives import look
from tests.command import kill_group
from tests.origin import answer, hang
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

LEASE = {"PIXMILL_JOB_LEASE": "1", "PIXMILL_QUEUE": "16"}
LINES = 60


@pytest.fixture
def gated(origin):
    """URLs of which one in the middle is not answered the first time it is asked for."""
    urls = urls_of(origin, LINES)
    urls[40] = origin.on("/gate.png", hang(), answer(plain((9, 8, 7))))
    return urls


def begun(client, job):
    """Wait until some of the rows are written down."""
    with client.stream("GET", job["links"]["events"]) as events:
        for line in events.iter_lines():
            if line.startswith("data: ") and '"done": 0' not in line:
                return


def working(folder: Path, job) -> list[Path]:
    blobs = folder / "data" / "blobs"
    return [path for path in blobs.rglob("*") if job["id"] in path.name]


def cut_off(folder: Path, urls, wish, number):
    """Begin a job and end its service by a signal; gives the job and the key's name and text."""
    with serving(folder, "--workers", "1", env=LEASE) as service, service.client() as client:
        job = submit(client, urls, **wish)
        begun(client, job)
        if number == signal.SIGKILL:
            kill_group(service.process)
        else:
            assert service.stop(number) == 0
        return job, service.credential


@pytest.mark.parametrize(
    ("number", "wish"),
    [
        (signal.SIGKILL, {"kind": "colors", "counts": True}),
        (signal.SIGTERM, {"kind": "match", "format": "jsonl"}),
    ],
)
def test_a_job_that_was_cut_off_ends_as_if_it_had_not_been(origin, gated, tmp_path, number, wish):
    job, credential = cut_off(tmp_path, gated, wish, number)
    again = serving(tmp_path, "--workers", "1", env=LEASE)
    with again as service, service.client(auth=credential) as client:
        job = followed(client, client.get(job["links"]["self"]).json())
        assert job["state"] == "succeeded", job
        assert job["attempts"] > 1, job  # more than twice where the machine sleeps for a lease
        assert job["progress"] == {"done": LINES, "failed": 6, "total": LINES}
        assert origin.hits("/0.png?0") == 1
        assert 2 <= origin.hits("/gate.png") <= job["attempts"]
        whole = followed(client, submit(client, gated, **wish))
        assert table_of(client, job) == table_of(client, whole)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_ingest_that_was_cut_off_counts_each_line_once(origin, gated, tmp_path, number):
    job, credential = cut_off(tmp_path, gated, {"kind": "ingest", "source": "crawl"}, number)
    again = serving(tmp_path, "--workers", "1", env=LEASE)
    with again as service, service.client(auth=credential) as client:
        job = followed(client, client.get(job["links"]["self"]).json())
        assert (job["state"], job["progress"]["failed"]) == ("succeeded", 6), job
        table, errors = table_of(client, job)
    assert (table.count(b"\n"), errors.count(b"\n")) == (LINES - 6, 7)
    found = look(tmp_path / "data")
    success, duplicate, fail, _ = found.counts
    assert (success, success + duplicate, fail) == (len(found.images), LINES - 6, 6)


def test_who_follows_a_job_keeps_no_service_from_its_end(gated, tmp_path):
    with serving(tmp_path, "--workers", "1", env=LEASE) as service, service.client() as client:
        job = submit(client, gated, kind="colors")
        begun(client, job)
        with client.stream("GET", job["links"]["events"]) as events:
            lines = events.iter_lines()
            assert next(lines).startswith("id: ")
            service.process.send_signal(signal.SIGTERM)
            told = [line for line in lines if line.startswith("data: ")]  # to a whole end
        assert '"state": "running"' in told[-1]
        assert service.process.wait(40) == 0
    assert not [line for line in service.log if "graceful shutdown exceeded" in line]


def test_a_job_that_is_canceled_stops_and_leaves_nothing(origin, gated, tmp_path):
    with serving(tmp_path, "--workers", "1", env=LEASE) as service, service.client() as client:
        job = submit(client, gated, kind="colors")
        begun(client, job)
        assert working(tmp_path, job)
        assert client.delete(job["links"]["self"]).json()["state"] == "canceled"
        after = followed(client, submit(client, gated[:3], kind="colors"))
        assert after["state"] == "succeeded"
        deadline = time.monotonic() + 60  # it is noticed when the lease is renewed
        while working(tmp_path, job) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not working(tmp_path, job)
    assert len(list((tmp_path / "data" / "blobs" / "lists").iterdir())) == 1
    assert origin.hits("/gate.png") == 1


def test_a_job_that_waits_is_canceled_with_its_list(gated, tmp_path):
    with serving(tmp_path, env={"PIXMILL_JOBS": "0"}) as service, service.client() as client:
        job = submit(client, gated, kind="colors")
        assert client.delete(job["links"]["self"]).json()["state"] == "canceled"
        lists = tmp_path / "data" / "blobs" / "lists"
        assert not lists.exists() or not list(lists.iterdir())


def test_a_palette_counts_as_it_stood_when_the_job_began(origin, gated, tmp_path):
    wish = {"kind": "match", "palette": "mine"}
    red, blue = (
        {"colors": [{"name": n, "hex": h}]} for n, h in (("r", "#FF0000"), ("b", "#0000FF"))
    )
    with serving(tmp_path, "--workers", "1", env=LEASE) as service, service.client() as client:
        credential = service.credential
        client.put("/palettes/mine", json=red).raise_for_status()
        job = submit(client, gated, max_distance=1e9, **wish)
        begun(client, job)
        client.put("/palettes/mine", json=blue).raise_for_status()
        client.delete("/palettes/mine").raise_for_status()
        kill_group(service.process)
    again = serving(tmp_path, "--workers", "1", env=LEASE)
    with again as service, service.client(auth=credential) as client:
        job = followed(client, client.get(job["links"]["self"]).json())
        rows = table_of(client, job)[0].decode().splitlines()
        assert {row.split(",")[1] for row in rows} == {"r"}


def test_a_list_that_is_lost_fails_its_job_with_a_sentence(gated, tmp_path):
    with serving(tmp_path, env={"PIXMILL_JOBS": "0"}) as idle, idle.client() as client:
        credential = idle.credential
        job = submit(client, gated, kind="colors")
    for path in (tmp_path / "data" / "blobs" / "lists").iterdir():
        path.unlink()
    with serving(tmp_path) as service, service.client(auth=credential) as client:
        job = followed(client, job)
        assert (job["state"], job["code"]) == ("failed", "not_found")
        assert job["message"] == "the list of the job is not there any more; submit it again"
        assert client.get(f"/jobs/{job['id']}/errors").status_code == 404


def test_a_list_keeps_neither_requests_nor_chains_waiting(origin, gated, tmp_path):
    """While a list waits for a host that does not answer, all else is done."""
    with serving(tmp_path, "--workers", "1", env=LEASE) as service, service.client() as client:
        jobs = [submit(client, gated, kind="colors")]
        begun(client, jobs[0])
        jobs.append(submit(client, [origin.url("/gate.png?2")], kind="colors"))
        found = client.get("/colors/top", params={"url": gated[0]})
        assert found.status_code == 200
        md5 = client.post("/images", content=plain((1, 2, 3))).raise_for_status().json()["md5"]
        chain = client.post(f"/images/{md5}/operations", json={"operations": ["flip"]})
        assert followed(client, chain.json())["state"] == "succeeded"
        assert client.get(jobs[0]["links"]["self"]).json()["state"] == "running"
