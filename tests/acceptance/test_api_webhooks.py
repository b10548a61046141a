"""Webhooks as users meet them: asked for with a job, told of its end, verified by a receiver."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pixmill.store import open_catalog
from pixmill.web.webhooks import LEASE_S, MAX_URL_CHARS
from tests import origin as o
from tests.command import run
from tests.integration.webhook_sending import sending
from tests.integration.webhook_sending import until as heard
from tests.pictures import plain
from tests.receivers import is_signed, told
from tests.serving import serving

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"
PICTURE = plain((10, 20, 40))
METRIC = 'pixmill_webhooks_total{result="delivered"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("webhooks")


@pytest.fixture(scope="module")
def service(folder):
    with serving(folder) as running:
        yield running


@pytest.fixture
def client(service):
    with service.client() as opened:
        yield opened


@pytest.fixture
def receiver():
    with o.Origin() as running:
        yield running


def secret(folder, *flags):
    env = {"PIXMILL_DATA": str(folder / "data")}
    done = run("keys", "webhook-secret", *flags, cwd=folder, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", done.stdout)
    return done.stdout.strip()


def later():
    """A clock that is ahead of every lease and first wait."""
    return datetime.now(UTC) + timedelta(seconds=LEASE_S + 1)


def submit(client, webhook, chain=("flip",), **query):
    md5 = client.post("/images", content=PICTURE).raise_for_status().json()["md5"]
    wish = {"operations": list(chain), "webhook": webhook}
    return client.post(f"/images/{md5}/operations", json=wish, params=query)


def until(condition):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def settled(client, job_id):
    """The job once its end has been told, or was given up."""

    def look():
        job = client.get(f"/jobs/{job_id}").raise_for_status().json()
        return job["webhook"]["state"] in {"delivered", "given_up"} and job

    return until(look)


def test_the_end_of_a_job_is_told_signed_and_counted(client, folder, receiver, service):
    url = receiver.serve("/told?token=hidden", b"")
    answer = submit(client, url, source="cam-7", reference="frame-1")
    assert answer.status_code == 202
    assert answer.json()["webhook"] == {"url": url, "state": "waiting", "attempts": 0}
    job = settled(client, answer.json()["id"])
    assert job["webhook"] == {"url": url, "state": "delivered", "attempts": 1}
    (request,) = receiver.requests
    assert is_signed(request, secret(folder))
    due = {"url": url, "state": "due", "attempts": 0}
    assert told(request) == {**job, "webhook": due}
    assert (told(request)["state"], told(request)["source"]) == ("succeeded", "cam-7")
    assert (folder / "data" / "blobs" / told(request)["result"]["path"]).exists()
    assert f"{METRIC} 1.0" in client.get("/metrics").text
    assert any("webhook delivered" in line and job["id"] in line for line in service.log)
    assert not any("hidden" in line for line in service.log)


def test_with_a_text_it_is_a_parameter_and_a_job_without_one_has_none(client, receiver):
    md5 = client.post("/images", content=PICTURE).json()["md5"]
    url = receiver.serve("/told", b"")
    path = f"/images/{md5}/operations"
    quiet = client.post(path, content="flip", params={"webhook": ""})
    assert (quiet.status_code, quiet.json()["webhook"]) == (202, None)
    job = client.post(path, content="flip", params={"webhook": url}).json()
    assert settled(client, job["id"])["webhook"]["state"] == "delivered"
    assert [told(request)["id"] for request in receiver.requests] == [job["id"]]


@pytest.mark.parametrize(
    "send",
    [
        lambda url: {"params": {"operations": "flip", "webhook": url}, "content": PICTURE},
        lambda url: {"files": [("image", PICTURE)], "data": {"operations": "flip", "webhook": url}},
    ],
    ids=["query", "form"],
)
def test_an_image_that_comes_with_operations_names_it_too(client, receiver, send):
    url = receiver.serve("/told", b"")
    job = client.post("/images", **send(url)).raise_for_status().json()["job"]
    told_to = {"url": url, "state": "delivered", "attempts": 1}
    assert settled(client, job["id"])["webhook"] == told_to
    before = len(client.get("/jobs").json()["jobs"])
    assert client.post("/images", **send("ftp://example.org/")).status_code == 400
    assert len(client.get("/jobs").json()["jobs"]) == before


@pytest.mark.parametrize(
    "more",
    [
        {"webhook": "http://127.0.0.1/told"},
        {"webhook": {}, "operations": ["flip"]},
        {"webhook": [], "operations": ["flip"]},
        {"webhook": False},
    ],
)
def test_an_image_by_url_refuses_webhooks_of_no_use(client, receiver, more):
    wish = {"url": receiver.serve("/a.png", PICTURE), **more}
    assert client.post("/images", json=wish).status_code == 400


def test_a_result_is_the_same_file_before_and_after_its_end_was_told(client, folder, receiver):
    job = submit(client, receiver.on("/told", o.answer(status=500), o.answer())).json()
    until(lambda: client.get(f"/jobs/{job['id']}").json()["webhook"]["attempts"])
    path = f"/jobs/{job['id']}/result"
    tag = client.head(path).headers["etag"]
    with open_catalog(None, folder / "data", clock=later) as catalog:
        catalog.webhooks.told(catalog.webhooks.claim(LEASE_S), delivered=True)
    assert settled(client, job["id"])["webhook"]["attempts"] == 2
    assert client.head(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("form", ["document", "text"])
def test_a_list_tells_its_end_too(client, receiver, form):
    picture, url = receiver.serve("/a.png", PICTURE), receiver.serve("/told", b"")
    if form == "document":
        wish = {"urls": [picture], "kind": "colors", "webhook": url}
        answer = client.post("/jobs", json=wish)
    else:
        answer = client.post("/jobs", content=picture, params={"kind": "colors", "webhook": url})
    assert answer.status_code == 202
    job = settled(client, answer.json()["id"])
    assert (job["state"], job["webhook"]["state"]) == ("succeeded", "delivered")
    (request,) = (each for each in receiver.requests if each.path == "/told")
    assert told(request)["progress"] == {"done": 1, "failed": 0, "total": 1}
    for bad in ("ftp://example.org/", "http://10.0.0.1/"):
        query = {"kind": "colors", "webhook": bad}
        assert client.post("/jobs", content=picture, params=query).status_code == 400


def test_a_job_that_is_canceled_tells_it(tmp_path, receiver):
    with serving(tmp_path, env={"PIXMILL_JOBS": "0"}) as idle, idle.client() as client:
        job = submit(client, receiver.serve("/told", b"")).json()
        client.delete(f"/jobs/{job['id']}")
        assert settled(client, job["id"])["state"] == "canceled"
        assert told(receiver.requests[0])["state"] == "canceled"


@pytest.mark.parametrize(
    ("webhook", "sentence"),
    [
        ("ftp://example.org/", "Invalid webhook: not an http or https URL"),
        ("example.org", "Invalid webhook: not an http or https URL"),
        (
            "https://me:hidden@example.org/",
            "Invalid webhook: credentials in a URL are not accepted",
        ),
        ("https://example.org/\n", "Invalid webhook: the URL holds a control character"),
        ("https://256.1.1.1/", "Invalid webhook: the host is not a valid IPv4 address"),
        ("https://a.example/" + "x" * MAX_URL_CHARS, "Invalid webhook: it is longer than 2048"),
        ("https://a.example/#" + "x" * MAX_URL_CHARS, "Invalid webhook: it is longer than 2048"),
        (7, "Operations, source, reference and webhook are texts"),
        (["https://example.org/"], "Operations, source, reference and webhook are texts"),
    ],
)
def test_what_is_no_webhook_is_400_and_makes_no_job(client, webhook, sentence):
    before = client.get("/jobs").json()["jobs"]
    answer = submit(client, webhook)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0].startswith(sentence)
    assert "hidden" not in answer.text
    assert client.get("/jobs").json()["jobs"] == before


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "0x0a000001", "[::ffff:a00:1]"])
def test_an_address_that_is_shut_is_refused_at_once(client, host):
    answer = submit(client, f"http://{host}/told")
    assert (answer.status_code, answer.json()["code"]) == (400, "blocked_address")
    assert answer.json()["errors"][0] == "This webhook can not be told"
    assert "PIXMILL_ALLOW_NETWORKS" in answer.json()["errors"][1]


def test_a_name_that_leads_to_a_shut_address_is_given_up(tmp_path):
    with (
        o.Canary() as canary,
        serving(tmp_path, loopback=False) as service,
        service.client() as client,
    ):
        assert submit(client, f"http://127.0.0.1:{canary.port}/").status_code == 400
        job = submit(client, f"http://localhost:{canary.port}/").json()
        assert settled(client, job["id"])["webhook"]["state"] == "given_up"
        assert canary.hits == 0


async def test_an_end_that_was_being_told_when_the_service_was_killed_is_told_again(
    tmp_path, receiver
):
    url = receiver.on("/told", o.hang(), o.answer())
    with serving(tmp_path) as service, service.client() as client:
        job = submit(client, url).json()
        until(lambda: receiver.requests)
        service.stop(signal.SIGKILL)

    with open_catalog(None, tmp_path / "data", clock=later) as catalog:
        async with sending(catalog) as sent:
            await heard(lambda: sent.counted("delivered"))
        assert catalog.jobs.find(job["id"]).webhook.state == "delivered"
    first, second = receiver.requests
    assert told(first)["id"] == told(second)["id"] == job["id"]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_a_hanging_receiver_does_not_hold_up_the_end_of_the_service(tmp_path, receiver):
    with serving(tmp_path) as service, service.client() as client:
        submit(client, receiver.on("/told", o.hang())).raise_for_status()
        until(lambda: receiver.requests)
        assert service.stop() == 0


def test_the_secret_is_replaced_while_the_service_runs(client, folder, receiver):
    url = receiver.serve("/told", b"")

    def request():
        settled(client, submit(client, url).json()["id"])
        return receiver.requests[-1]

    old, new = secret(folder), secret(folder, "--rotate", "--keep-old", "1h")
    assert new == secret(folder) != old
    both = request()
    assert is_signed(both, old)
    assert is_signed(both, new)
    last = secret(folder, "--rotate", "--keep-old", "0s")
    assert [is_signed(request(), each) for each in (old, new, last)] == [False, False, True]


def test_a_span_that_is_none_is_a_mistake(tmp_path):
    done = run("keys", "webhook-secret", "--rotate", "--keep-old", "soon", cwd=tmp_path)
    assert done.returncode == 2
    assert "--keep-old is a number of s, m, h or d" in done.stderr


@contextmanager
def receiver_of_the_page(text):
    """The receiver that the page shows, on a free port; gives its port and what it prints."""
    program = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    port = o.closed_port()
    command = [sys.executable, "-W", "error", "-c", program.replace("8000", str(port))]
    process = subprocess.Popen(
        command, env={"WEBHOOK_SECRET": text}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip

    def listens():
        with socket.socket() as sock:
            return not sock.connect_ex(("127.0.0.1", port))

    try:
        until(listens)
        yield port, process.stdout
    finally:
        process.kill()
        process.communicate()


def test_the_receiver_of_the_page_takes_what_is_ours_and_nothing_else(client, folder):
    with receiver_of_the_page(secret(folder)) as (port, printed):
        url = f"http://127.0.0.1:{port}/"
        job = submit(client, url).json()
        assert printed.readline() == f"{job['id']} succeeded\n"
        assert settled(client, job["id"])["webhook"]["state"] == "delivered"
        forged = {
            "webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA v1,é"
        }  # fmt: skip
        for headers in ({}, {name: value.encode() for name, value in forged.items()}):
            assert httpx.post(url, content=b"{}", headers=headers).status_code == 401
    with receiver_of_the_page(f"whsec_{'A' * 43}=") as (port, _):
        job = submit(client, f"http://127.0.0.1:{port}/").json()
        tried = until(
            lambda: (
                (found := client.get(f"/jobs/{job['id']}").json())["webhook"]["attempts"] and found
            )
        )
        assert tried["webhook"]["state"] == "due"
