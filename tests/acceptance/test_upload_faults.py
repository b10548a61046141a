"""`pixmill upload` against servers that are busy, lie, redirect, or are none of ours."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.acceptance.lists import body
from tests.command import run
from tests.origin import (
    Canary,
    answer,
    chunked,
    close,
    closed_port,
    hang,
    lying,
    raw,
    redirect,
    reset,
    retry_after,
)

MD5 = hashlib.md5(body(1), usedforsecurity=False).hexdigest()
JOB = "a" * 32
KEY = "pm_prefix_secret"
KEPT = answer(json.dumps({"md5": MD5, "arrival": "success"}).encode(), 201)
ORDER = f"/images/{MD5}/operations"
EVENTS, RESULT = f"/jobs/{JOB}/events", f"/jobs/{JOB}/result"


def job(state="succeeded", **more):
    result = {"path": "results/x.png", "bytes": 5, "type": "image/png"}
    return {"id": JOB, "state": state, "result": result, **more}


def event(document):
    return f": hello\n\nid: 1\nevent: job\ndata: {json.dumps(document)}\n\n".encode()


@pytest.fixture
def upload(tmp_path, origin):
    """Upload one image to the origin; gives the JSON row and what was said."""
    (tmp_path / "a.png").write_bytes(body(1))

    def call(*words, server=None, status=0):
        order = ("upload", "a.png", "--server", server or origin.url(""), "--json", *words)
        done = run(*order, cwd=tmp_path, env={"PIXMILL_KEY": KEY})
        assert done.returncode == status, done.stdout + done.stderr
        assert KEY not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout), done.stderr

    return call


def steps(origin, *, kept=(KEPT,), ordered=None, events=None, result=None):
    """Let the origin behave as a service, but for the steps that are given."""
    origin.on("/images", *kept)
    origin.on(ORDER, *(ordered or [answer(json.dumps(job("queued")).encode(), 202)]))
    origin.on(EVENTS, *(events or [answer(event(job("running")) + event(job()))]))
    origin.on(RESULT, *(result or [answer(b"12345")]))


@pytest.mark.parametrize(
    "fault",
    [
        retry_after(0, 429),
        retry_after(0, 503),
        answer(b"<html>", 502),
        answer(b"", 504),
        close(),
        reset(),
        raw(b"HTTP/1.1 201 OK\r\nContent-Length: 99\r\n\r\n{"),
    ],
    ids=["429", "503", "502", "504", "close", "reset", "truncated"],
)
@pytest.mark.parametrize("step", ["kept", "ordered", "events", "result"])
def test_what_may_pass_is_tried_again(origin, tmp_path, upload, fault, step):
    good = {
        "kept": KEPT,
        "ordered": answer(json.dumps(job("queued")).encode(), 202),
        "events": answer(event(job())),
        "result": answer(b"12345"),
    }
    steps(origin, **{step: [fault, good[step]]})
    row, _ = upload("--op", "flip", "-o", "out")
    assert (row["state"], row["result"], row["code"]) == ("succeeded", "out/a.png", None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
    assert (tmp_path / "out" / "a.png").read_bytes() == b"12345"
    sent = [request for request in origin.requests if request.path == "/images"]
    assert all(request.body == body(1) for request in sent)
    words = {r.headers["idempotency-key"] for r in origin.requests if r.path == ORDER}
    assert len(words) == 1


def test_retry_after_is_obeyed_and_the_deadline_holds(origin, upload):
    steps(origin, kept=[retry_after(3600, 503)])
    row, _ = upload("--timeout", "30", status=1)
    assert (row["code"], origin.hits("/images")) == ("timeout", 1)
    steps(origin, kept=[hang()])
    row, _ = upload("--timeout", "0.5", status=1)
    assert (row["code"], row["message"]) == ("timeout", "not done within 0.5 s")


def test_nobody_there_is_told_at_the_deadline(upload):
    server = f"http://127.0.0.1:{closed_port()}"
    row, _ = upload("--timeout", "1", server=server, status=1)
    assert row["code"] == "timeout"
    assert "given up: " in row["message"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(origin, upload, status):
    with Canary() as canary:
        steps(origin, kept=[redirect(f"http://127.0.0.1:{canary.port}/images", status)])
        row, _ = upload("--op", "flip", status=1)
        assert canary.hits == 0
    assert row["code"] == "redirected"
    assert "redirects to" in row["message"]


@pytest.mark.parametrize(
    "kept",
    [
        answer(b"", 201),
        answer(b"[]", 200),
        answer(b"{}", 200),
        answer(b"[" * 9999, 200),
        answer(b'{"md5": 7}', 200),
        answer(b'{"md5": "' + b"0" * 32 + b'"}', 200),
        answer(b" " * (2**20 + 1), 200),
        answer(b"{}", 404),
        answer(b"\xff", 500),
        answer(b'{"code": 1, "errors": "x"}', 400),
        raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    ],
)
def test_a_server_that_is_no_service_is_told_of(origin, upload, kept):
    steps(origin, kept=[kept])
    row, _ = upload("--op", "flip", "--timeout", "20", status=1)
    assert row["code"] in {"http_error", "conflict"}
    assert origin.hits(ORDER) == 0


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "../x", "state": "queued"},
        {"id": JOB, "state": "odd"},
        {"id": 1, "state": "queued"},
        [],
    ],
)
def test_what_is_no_job_is_refused(origin, upload, document):
    steps(origin, ordered=[answer(json.dumps(document).encode(), 202)])
    assert upload("--op", "flip", "--wait", status=1)[0]["code"] == "http_error"
    steps(origin, events=[answer(b"data: " + json.dumps(document).encode() + b"\n\n")])
    assert upload("--op", "flip", "--wait", status=1)[0]["code"] == "http_error"


@pytest.mark.parametrize(
    "events", [b"data: {\n\n", b"data: " + b"[" * 9999 + b"\n\n", b"x" * 2**20]
)
def test_events_that_are_none_are_refused(origin, upload, events):
    steps(origin, events=[answer(events)])
    assert upload("--op", "flip", "--wait", status=1)[0]["code"] == "http_error"


def test_events_that_end_early_are_asked_for_anew(origin, upload):
    early = chunked(event(job("running")), cut=True)
    steps(origin, events=[early, answer(event(job("queued"))), answer(event(job()))])
    assert upload("--op", "flip", "--wait")[0]["state"] == "succeeded"
    assert origin.hits(EVENTS) == 3


@pytest.mark.parametrize("state", ["failed", "canceled", "expired"])
def test_a_job_without_a_result_is_a_failure(origin, upload, state):
    steps(origin, events=[answer(event(job(state, code=None, message=None)))])
    row, _ = upload("--op", "flip", "-o", "out", status=1)
    assert (row["state"], row["code"], row["message"]) == (state, state, f"the job is {state}")


@pytest.mark.parametrize("data", [b"", b"1234", b"123456", b"x" * 2**20])
def test_a_result_of_another_size_is_not_saved(origin, tmp_path, upload, data):
    steps(origin, result=[answer(data)])
    row, _ = upload("--op", "flip", "-o", "out", status=1)
    assert row["code"] == "truncated_body"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "result", [None, {}, {"type": "text/html", "bytes": 5}, {"type": "image/png"}]
)
def test_a_result_that_is_no_picture_is_not_saved(origin, tmp_path, upload, result):
    steps(origin, events=[answer(event(job(result=result)))])
    row, _ = upload("--op", "flip", "-o", "out", status=1)
    assert row["code"] == "http_error"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_lying_length_is_tried_until_the_deadline(origin, tmp_path, upload):
    steps(origin, result=[lying(b"12345", 9)])
    row, _ = upload("--op", "flip", "-o", "out", "--timeout", "2", status=1)
    assert row["code"] == "timeout"
    assert list((tmp_path / "out").iterdir()) == []


def test_hostile_words_do_not_drive_the_terminal(origin, tmp_path):
    (tmp_path / "a\x1b[31m.png").write_bytes(body(1))
    complaint = json.dumps({"code": "\x1b[2J", "errors": ["\x1b]0;x\x07" + "y" * 9999]})
    origin.on("/images", answer(complaint.encode(), 400))
    words = ("upload", "a\x1b[31m.png", "--server", origin.url(""))
    done = run(*words, cwd=tmp_path, env={"PIXMILL_KEY": KEY})
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert len(done.stderr) < 1500


def test_a_key_over_plain_http_is_warned_of_unless_it_stays_here(upload):
    _, said = upload("--timeout", "0.2", server="http://pixmill.invalid/mill/", status=1)
    assert "unencrypted" in said
    for server in ("http://localhost:1", "http://[::1]:1", "https://pixmill.invalid"):
        assert "unencrypted" not in upload("--timeout", "0.2", server=server, status=1)[1]
