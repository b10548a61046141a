"""Images that come with operations: kept, and worked on by a job that the answer tells of."""

from __future__ import annotations

import pytest

from pixmill.store import open_catalog
from tests.acceptance.api_lists import followed
from tests.pictures import plain
from tests.serving import serving

CHAIN = ["grayscale", "resize 2 2", "convert png"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def service(folder):
    with serving(folder, "--workers", "1") as running:
        yield running


@pytest.fixture
def client(service):
    with service.client() as opened:
        yield opened


def by_form(client, _):
    files = [("image", ("a.png", plain((1, 2, 3))))]
    fields = {"operations": CHAIN, "source": "cam-7", "reference": "f-1"}
    return client.post("/images", files=files, data=fields)


def by_text(client, _):
    files = [("image", ("a.png", plain((1, 2, 3))))]
    fields = {"operations": "\n".join(CHAIN)}
    return client.post("/images?source=cam-7&reference=f-1", files=files, data=fields)


def by_query(client, _):
    query = {"operations": CHAIN, "source": "cam-7", "reference": "f-1"}
    return client.post("/images", params=query, content=plain((1, 2, 3)))


def by_document(client, origin):
    url = origin.serve("/plain.png", plain((1, 2, 3)))
    wish = {"url": url, "operations": CHAIN, "source": "cam-7", "reference": "f-1"}
    return client.post("/images", json=wish)


@pytest.mark.parametrize("way", [by_form, by_text, by_query, by_document])
def test_operations_that_come_with_an_image_are_carried_out(client, origin, way):
    told = way(client, origin).raise_for_status().json()
    job = told["job"]
    assert (job["md5"], job["operations"]) == (told["md5"], CHAIN)
    job = followed(client, job)
    assert job["state"] == "succeeded"
    assert job["result"]["path"].endswith(f"/cam-7/f-1-{job['id']}.png")


def test_without_operations_there_is_no_job(client):
    answer = client.post("/images", content=plain((1, 2, 3)))
    assert "job" not in answer.raise_for_status().json()


@pytest.mark.parametrize(
    "request_",
    [
        {"params": {"operations": "spin 3"}, "content": plain((7, 7, 7))},
        {"files": [("image", plain((7, 7, 7)))], "data": {"operations": ["flip", "spin 3"]}},
        {"json": {"url": "http://192.0.2.1/", "operations": ["spin 3"]}},
        {"json": {"url": "http://192.0.2.1/", "operations": "flip"}},
        {"json": {"url": "http://192.0.2.1/", "operations": [1]}},
    ],
)
def test_what_is_no_operation_is_refused_before_the_image_is_kept(client, request_):
    before = len(client.get("/images").json()["images"])
    answer = client.post("/images", **request_)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert len(client.get("/images").json()["images"]) == before


def test_it_takes_the_scope_of_jobs_too(client, service, folder):
    with open_catalog(None, folder / "data") as catalog:
        key = ("writer", catalog.keys.add("writer", ["write"])[1])
    with service.client(auth=key) as writer:
        query = {"operations": "flip"}
        assert writer.post("/images", content=plain((1, 1, 1))).status_code == 201
        assert writer.post("/images", params=query, content=plain((1, 1, 1))).status_code == 403


def test_the_same_request_again_is_the_same_job(client):
    headers = {"Idempotency-Key": "frame-1"}
    query = {"operations": "flip"}
    answers = [
        client.post("/images", params=query, content=plain((5, 5, 5)), headers=headers)
        for _ in range(2)
    ]
    assert len({answer.json()["job"]["id"] for answer in answers}) == 1
