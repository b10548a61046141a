"""Jobs over HTTP: a chain of operations on an image of the archive, followed to its result."""

from __future__ import annotations

import io
import json
import re
import time

import numpy as np
import pytest
from PIL import Image

from pixmill.store import open_catalog
from tests.archives import grey_of
from tests.pictures import plain
from tests.serving import serving

CHAIN = ["grayscale", "flip", "convert png"]


def picture(seed=0):
    rgb = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(rgb).save(written, "png")
    return rgb, written.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def service(folder):
    with serving(folder) as running:
        yield running


@pytest.fixture
def client(service):
    with service.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def other(service, folder):
    """A client of another key, of the scope `jobs`, and one without that scope."""
    with open_catalog(None, folder / "data") as catalog:
        made = [(name, catalog.keys.add(name, [name])[1]) for name in ("jobs", "read")]
    with service.client(auth=made[0]) as jobs, service.client(auth=made[1]) as read:
        yield jobs, read


def keep(client, data):
    answer = client.post("/images", content=data, params={"source": "cam-7"})
    return answer.raise_for_status().json()["md5"]


def submit(client, md5, chain=CHAIN, headers=None, **more):
    wish = {"operations": chain, **more}
    return client.post(f"/images/{md5}/operations", json=wish, headers=headers or {})


def ended(client, job_id):
    deadline = time.monotonic() + 60
    while True:
        job = client.get(f"/jobs/{job_id}").raise_for_status().json()
        if job["state"] not in {"queued", "running"}:
            return job
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_chain_is_carried_out_and_its_result_lies_where_people_find_it(client, folder):
    rgb, data = picture()
    md5 = keep(client, data)
    answer = submit(client, md5, source="cam-7", reference="frame-1")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}" == job["links"]["self"]
    assert (job["kind"], job["md5"], job["operations"]) == ("operations", md5, CHAIN)
    job = ended(client, job["id"])
    assert (job["state"], job["attempts"]) == ("succeeded", 1)
    assert job["progress"] == {"done": 1, "failed": 0, "total": 1}
    path = job["result"]["path"]
    day = job["created_at"][:10]
    assert path == f"results/{day}/cam-7/frame-1-{job['id']}.png"
    made = client.get(job["links"]["result"]).raise_for_status()
    assert made.headers["content-type"] == "image/png"
    assert (folder / "data" / "blobs" / path).read_bytes() == made.content
    assert len(made.content) == job["result"]["bytes"]
    pixels = np.asarray(Image.open(io.BytesIO(made.content)).convert("L"))
    np.testing.assert_array_equal(pixels, grey_of(rgb)[::-1])


def test_a_text_of_one_operation_a_line_is_the_same(client):
    md5 = keep(client, picture()[1])
    text = "# what the camera wants\ngrayscale\n\nflip\nconvert png\n"
    answer = client.post(f"/images/{md5}/operations?reference=x", content=text)
    assert answer.status_code == 202
    job = ended(client, answer.json()["id"])
    assert job["operations"] == CHAIN
    assert re.fullmatch(rf"results/[0-9-]{{10}}/unknown/x-{job['id']}\.png", job["result"]["path"])


@pytest.mark.parametrize(
    ("chain", "words"),
    [(["spin 3"], "spin"), (["resize 0"], "resize"), (["grayscale", "rotate left"], "rotate")],
)
def test_what_is_no_chain_is_told_by_line_and_word(client, chain, words):
    md5 = keep(client, picture()[1])
    text = client.post(f"/images/{md5}/operations", content="\n".join(chain))
    for place, answer in (("operation", submit(client, md5, chain)), ("line", text)):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        (sentence,) = answer.json()["errors"]
        assert f"{place} {len(chain)}" in sentence
        assert words in sentence


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"operations": []}',
        b'{"operations": "flip"}',
        b'{"operations": [1]}',
        b"\xff",
        b"[" * 9999,
    ],
)
def test_what_is_no_request_is_400(client, body):
    md5 = keep(client, picture()[1])
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/images/{md5}/operations", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_an_image_that_is_not_there_is_404(client):
    assert submit(client, "0" * 32).status_code == 404
    assert submit(client, "nonsense").status_code == 404


def test_an_image_that_went_meanwhile_fails_its_job(client, service, folder):
    md5 = keep(client, plain((1, 2, 3)))
    with open_catalog(None, folder / "data") as catalog:
        key_id = catalog.keys.all()[0].id
        from pixmill.store.jobs import NewJob  # noqa: PLC0415

        spec = {"md5": "0" * 32, "operations": "flip"}
        job, _ = catalog.jobs.add(NewJob(key_id=key_id, kind="operations", spec=spec))
    found = ended(client, job.id)
    assert (found["state"], found["code"]) == ("failed", "not_found")
    assert client.get(f"/jobs/{job.id}/result").status_code == 404
    again = client.post(f"/jobs/{job.id}/retry")
    assert (again.status_code, again.json()["state"]) == (200, "queued")
    assert ended(client, job.id)["state"] == "failed"
    assert md5


def test_the_same_request_again_is_the_same_job(client):
    md5 = keep(client, picture()[1])
    headers = {"Idempotency-Key": "frame-1"}
    first = submit(client, md5, headers=headers)
    second = submit(client, md5, headers=headers)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    other = submit(client, md5, ["flop"], headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert submit(client, md5, headers={"Idempotency-Key": "a b"}).status_code == 400


def test_events_tell_each_change_until_the_end(client):
    md5 = keep(client, picture()[1])
    job = submit(client, md5).json()
    with client.stream("GET", f"/jobs/{job['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    states = [
        json.loads(line.removeprefix("data: "))["state"]
        for line in text.splitlines()
        if line.startswith("data: ")
    ]
    assert states[-1] == "succeeded"
    assert set(states) <= {"queued", "running", "succeeded"}
    assert text.count("event: job\n") == len(states)


def test_a_job_of_another_key_is_not_there(client, other):
    md5 = keep(client, picture()[1])
    job = submit(client, md5).json()
    ended(client, job["id"])
    jobs, read = other
    paths = [f"/jobs/{job['id']}{rest}" for rest in ("", "/events", "/result")]
    for path in paths:
        assert jobs.get(path).status_code == 404
        assert read.get(path).status_code == 403
    assert jobs.delete(paths[0]).status_code == 404
    assert jobs.post(f"{paths[0]}/retry").status_code == 404
    assert jobs.get("/jobs").json() == {"jobs": [], "next": None}
    assert read.get("/jobs").status_code == 403
    assert submit(read, md5).status_code == 403
    assert client.get(paths[2]).status_code == 200


def test_jobs_are_listed_a_page_at_a_time(client):
    md5 = keep(client, picture()[1])
    made = [submit(client, md5).json()["id"] for _ in range(5)]
    seen, cursor = [], None
    while len(seen) < 5:
        page = client.get("/jobs", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += [job["id"] for job in page.json()["jobs"]]
        cursor = page.json()["next"]
    assert seen[:5] == made[::-1]
    for query in ("limit=0", "limit=x", "limit=201", "cursor=x"):
        assert client.get(f"/jobs?{query}").status_code == 400


def test_a_result_is_dropped_by_its_owner(client, folder):
    job = ended(client, submit(client, keep(client, picture()[1])).json()["id"])
    path = folder / "data" / "blobs" / job["result"]["path"]
    assert path.exists()
    assert client.post(f"/jobs/{job['id']}/retry").status_code == 409
    assert client.delete(f"/jobs/{job['id']}").json()["state"] == "expired"
    assert not path.exists()
    answer = client.get(f"/jobs/{job['id']}/result")
    assert (answer.status_code, answer.json()["errors"]) == (
        404,
        ["The job is expired and has no result"],
    )


def test_a_job_that_waits_is_canceled_and_never_done(tmp_path):
    with serving(tmp_path, env={"PIXMILL_JOBS": "0"}) as idle, idle.client() as client:
        job = submit(client, keep(client, picture()[1])).json()
        answer = client.get(f"/jobs/{job['id']}/result")
        assert (answer.status_code, answer.json()["errors"]) == (409, ["The job is queued"])
        canceled = client.delete(f"/jobs/{job['id']}").json()
        assert (canceled["state"], canceled["links"]["result"]) == ("canceled", None)
        assert client.delete(f"/jobs/{job['id']}").json()["state"] == "expired"


def test_jobs_outlive_the_service(tmp_path):
    with serving(tmp_path, env={"PIXMILL_JOBS": "0"}) as idle, idle.client() as client:
        credential = idle.credential
        md5 = keep(client, picture()[1])
        made = [submit(client, md5).json()["id"] for _ in range(3)]
    with serving(tmp_path) as service, service.client(auth=credential) as client:
        assert {ended(client, job_id)["state"] for job_id in made} == {"succeeded"}
