"""Every request has its id, headers, limits and line in the log, whatever becomes of it."""

import contextlib
import io
import json
import re
import time
from pathlib import Path

import pytest

from pixmill.errors import OutputError
from pixmill.web.access import Log
from pixmill.web.headers import CONTENT_SECURITY_POLICY
from tests.integration.web_serving import MIB, SECRET, read_answer, read_to_end, serving

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@pytest.fixture
def service():
    with serving() as running:
        yield running


def test_a_refusal_that_is_put_off_is_answered_as_late(service):
    begun = time.monotonic()
    status, _, body = service.request("GET", "/put-off")
    assert (status, json.loads(body)["errors"]) == (429, ["Later."])
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/hello", 200),
        ("HEAD", "/hello", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/hello", 405),
        ("GET", "/deny", 401),
        ("GET", "/boom", 500),
        ("GET", "/hello\x7f", 400),
    ],
)
def test_every_answer_carries_the_security_headers(service, method, path, status):
    with service.connect() as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = read_to_end(sock).decode()
    head = answer.partition("\r\n\r\n")[0]
    headers = dict(re.findall(r"(?m)^([\w-]+): (.*?)\r?$", head))
    assert head.startswith(f"HTTP/1.1 {status} ")
    for name, value in SECURITY.items():
        assert headers[name.lower()] == value
    assert "permissions-policy" in headers
    assert "server" not in headers
    assert "strict-transport-security" not in headers
    assert SECURITY["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_a_route_may_set_how_long_its_answer_keeps_and_nothing_else(service):
    _, headers, _ = service.request("GET", "/named/x")
    assert headers.get_all("Cache-Control") == ["max-age=60"]
    assert "Server" not in headers


def test_behind_tls_browsers_are_told_to_stay_there():
    with serving(networks=["127.0.0.0/8"]) as service:
        _, headers, _ = service.request("GET", "/hello", headers={"X-Forwarded-Proto": "https"})
        assert headers["Strict-Transport-Security"] == "max-age=15552000"


def test_ids_are_ours_and_stand_in_answer_and_log(service):
    ids = []
    for _ in range(2):
        _, headers, _ = service.request("GET", "/hello", headers={"X-Request-ID": "theirs"})
        ids.append(headers["X-Request-ID"])
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", text) for text in ids)
    assert [line["request_id"] for line in service.lines("request", 2)] == ids


def test_a_defect_is_logged_and_not_shown(service):
    status, headers, body = service.request("GET", "/boom")
    assert status == 500
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "errors": ["Something went wrong here; it has been noted"],
        "code": "internal",
    }
    (line,) = service.lines("defect")
    assert SECRET in line["traceback"]
    assert line["request_id"] == headers["X-Request-ID"]


def test_a_defect_in_mid_answer_cuts_it_off(service):
    """The client must not take half an answer for a whole one."""
    answer = service.talk(b"GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"begun" in answer
    assert SECRET.encode() not in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert SECRET in service.lines("defect")[0]["traceback"]


def test_an_error_of_the_api_is_json_with_its_own_headers(service):
    status, headers, body = service.request("GET", "/deny")
    assert (status, headers["WWW-Authenticate"]) == (401, "Basic")
    assert json.loads(body) == {"errors": ["No."], "code": "unauthorized"}


@pytest.mark.parametrize(("path", "limit"), [("/swallow", MIB), ("/hello", 64 * 1024)])
def test_a_body_over_its_routes_limit_is_413(service, path, limit):
    status, _, body = service.request("POST", path, bytes(limit + 1))
    assert status == 413
    assert json.loads(body) == {
        "errors": [f"The request is larger than {limit} bytes"],
        "code": "too_many_bytes",
    }


def test_a_body_at_its_routes_limit_is_read(service):
    assert service.request("POST", "/swallow", bytes(MIB))[0] == 200


def test_a_body_in_chunks_is_counted(service):
    """Nothing declares how large it is; what is over the limit is not read."""
    with service.connect() as sock:
        sock.sendall(b"POST /swallow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sock.sendall((b"10000\r\n" + bytes(65536) + b"\r\n") * 64 + b"0\r\n\r\n")
        assert read_answer(sock).startswith(b"HTTP/1.1 413")
    (line,) = service.lines("request")
    assert MIB < line["bytes_in"] < 2 * MIB


def test_a_route_that_makes_its_own_answer_of_a_body_too_large_is_overruled(service):
    status, _, body = service.request("POST", "/gulp", iter([bytes(65537)]))
    assert (status, json.loads(body)["code"]) == (413, "too_many_bytes")


def test_the_line_of_a_request_has_templates_and_no_secrets(service):
    """Neither query nor credentials nor what stood in the path's place of a secret."""
    service.request(
        "GET", "/named/s3cret?token=s3cret", headers={"Authorization": "s3cret", "X-Name": "press"}
    )
    (line,) = service.lines("request")
    assert "s3cret" not in service.written.getvalue()
    del line["ms"], line["timestamp"], line["request_id"]
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "route": "/named/{secret}",
        "status": 200,
        "bytes_in": 0,
        "bytes_out": 5,
        "client": "127.0.0.1",
        "key": "press",
    }


EVIL = 'a\x1b[2J\x85\u2028 status=200 \x9b31m\u202e"\\'


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_a_client_sends_forges_a_line(log_format):
    with serving(log_format=log_format) as service:
        path = "/%0arequest%20status=200%0d%1b%5b2J/" + "x" * 1000
        service.request("GET", path, headers={"X-Name": "none"})
        # what HTTP lets pass in a header and a terminal does not want
        service.request("GET", "/named/x", headers={"X-Name": 'a\x85\x9b31m b=c "d\\'})
        service.request("GET", "/hello")
    text = service.written.getvalue()
    assert text.count("\n") == len(text.splitlines()) == 3
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert "x" * 100 not in text
    if log_format == "text":
        assert r'key="a\\x85\\x9b31m b=c \"d\\"' in text
        assert "route=unmatched status=404" in text
        assert re.search(r"(?m)^\S+Z info request request_id=\w{16} method=GET route=/hello ", text)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_stays_within_its_event(log_format):
    stream = io.StringIO()
    Log(log_format, stream).error("defect", ValueError(EVIL + "\nforged"), request_id="1")
    lines = stream.getvalue().split("\n")
    if log_format == "json":
        assert len(lines) == 2
        assert EVIL in json.loads(lines[0])["traceback"]
    else:
        assert lines[0].endswith("error defect request_id=1")
        assert all(line.startswith("    ") for line in lines[1:-1])
    assert all(line.isprintable() for line in lines)


def test_what_is_a_sentence_already_is_written_without_a_traceback():
    stream = io.StringIO()
    log = Log("json", stream)
    Log("json", stream).error("away", OutputError("the catalog is away"), request_id="1")
    log.library("celery", "Connection refused", ConnectionRefusedError(111, "refused"))
    log.library("asyncio", "a task ended", ValueError("of ours"))
    log.library("asyncio", "a task ended", FileNotFoundError("of ours too"))
    ours, library, defect, other = map(json.loads, stream.getvalue().splitlines())
    assert "of ours too" in other["traceback"]
    assert (ours["cause"], "traceback" in ours) == ("the catalog is away", False)
    assert (library["message"], "traceback" in library) == ("Connection refused", False)
    assert "of ours" in defect["traceback"]


@pytest.mark.parametrize("broken", ["full", "closed"])
def test_a_log_that_can_not_be_written_costs_no_request(broken):
    stream = Path("/dev/full").open("w")  # noqa: SIM115  it can not be closed without an error
    try:
        if broken == "closed":
            stream.close()
        with serving(stream=stream) as service:
            assert service.request("GET", "/hello")[0] == 200
            assert service.request("GET", "/boom")[0] == 500
            assert service.talk(b"garbage\r\n\r\n").startswith(b"HTTP/1.1 400")
    finally:
        with contextlib.suppress(OSError):
            stream.close()


def test_a_client_that_goes_away_is_499(service):
    with service.connect() as sock:
        sock.sendall(b"POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun")
    (line,) = service.lines("request")
    assert (line["status"], line["bytes_in"]) == (499, 5)
