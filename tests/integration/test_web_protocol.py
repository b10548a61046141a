"""Connections whose clients are slow, endless, garbled or greedy: each has a defined end."""

import re
import socket
import time

import pytest

from pixmill.web.patience import ConnectionLimits, Rate
from tests.integration.web_serving import (
    MIB,
    QUICK,
    read_answer,
    read_to_end,
    serving,
)

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def quick():
    with serving(connection=QUICK) as service:
        yield service


@pytest.fixture
def patient():
    with serving() as service:
        yield service


def drip(sock, piece, pause_s=0.02):
    """Send the piece over and over, slowly, until the other side has had enough."""
    try:
        while True:
            sock.sendall(piece)
            time.sleep(pause_s)
    except ConnectionError:
        return
    raise AssertionError


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"", b"\r\n"),
        (b"G", b""),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n"),
        (b"GET / HTTP/1.1\r\na: ", b"b"),
        (GET[:-2], b""),
    ],
)
def test_a_head_that_is_not_complete_in_time_is_answered_408(quick, begun, piece):
    with quick.connect() as sock:
        sock.sendall(begun + piece)
        for _ in range(5):
            sock.sendall(piece)
            time.sleep(0.02)
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"x-content-type-options: nosniff" in answer
    assert answer.endswith(
        b'{"errors": ["The request\'s headers came too slowly"], "code": "timeout"}'
    )


def test_who_never_sends_a_byte_is_cut_without_a_word(quick):
    assert quick.talk() == b""


def test_the_next_head_on_a_connection_has_its_own_time(quick):
    with quick.connect() as sock:
        for _ in range(3):
            sock.sendall(GET)
            assert read_answer(sock).endswith(b"hello")
            time.sleep(0.2)
        sock.sendall(GET[:7])
        assert read_to_end(sock).startswith(b"HTTP/1.1 408")


def test_a_slow_answer_of_ours_is_not_the_clients_fault(quick):
    with quick.connect() as sock:
        sock.sendall(b"GET /slow?s=1 HTTP/1.1\r\nHost: x\r\n\r\n" + GET[:5])
        assert read_answer(sock).endswith(b"finished")


@pytest.mark.parametrize("path", [b"swallow", b"upload"])
def test_a_body_that_stops_coming_is_answered_408(quick, path):
    head = b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" % path
    answer = quick.talk(head + b"begun")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"The request's body came too slowly" in answer
    (line,) = quick.lines("request")
    assert (line["status"], line["route"]) == (408, f"/{path.decode()}")
    assert quick.app.state.budgets.left == 0


def test_what_a_route_answers_after_its_body_was_cut_off_is_dropped(quick):
    """The client has its 408; a second answer would be taken for that of another request."""
    head = b"POST /slow?s=0.6 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with quick.connect() as sock:
        sock.sendall(head + b"begun")
        assert re.findall(rb"HTTP/1.1 (\d+)", read_to_end(sock)) == [b"408"]
        assert [line["status"] for line in quick.lines("request")] == [408]
    assert quick.lines("defect", 0) == quick.lines("library", 0) == []


@pytest.mark.parametrize(
    "piece", [b"1\r\nx\r\n", b"1;" + b"e" * 1000 + b"\r\nx\r\n"], ids=["drops", "extensions"]
)
def test_a_body_below_the_least_rate_is_answered_408(quick, piece):
    """Bytes around the body do not count as body."""
    with quick.connect() as sock:
        sock.sendall(CHUNKED % b"swallow")
        drip(sock, piece)
    assert [line["status"] for line in quick.lines("refused")] == [408]


def test_a_body_that_we_do_not_take_in_is_not_the_clients_fault(quick):
    """While a request waits for its turn, what the client would send stays with the client."""
    status, _, body = quick.request("POST", "/lazy", bytes(3 * MIB))
    assert (status, body) == (200, b'{"size":%d}' % (3 * MIB))


def test_a_body_at_its_pace_goes_through_windows(quick):
    with quick.connect() as sock:
        sock.sendall(b"POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n")
        for _ in range(40):
            sock.sendall(bytes(1000))
            time.sleep(0.03)
        assert read_answer(sock).endswith(b'{"size":40000}')


@pytest.mark.parametrize(
    ("elapsed", "moved", "slow"),
    [
        ([5, 4.9], [0, 0], [False, False]),
        ([5, 5], [0, 0], [False, True]),
        ([5, 5], [10 * 1024, 0], [False, False]),
        ([5, 5, 5, 5], [2**30, 0, 0, 0], [False, False, False, True]),  # no credit is kept
    ],
)
def test_each_window_needs_its_own_bytes(elapsed, moved, slow):
    rate = Rate(10, 1024)
    got = []
    for seconds, size in zip(elapsed, moved, strict=True):
        rate.moved(size)
        got.append(rate.wait(seconds))
    assert got == slow


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\na: " + b"b" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\na:" + b"b" * 700 + b"\r\n" + (b"a: " + b"b" * 7000 + b"\r\n") * 10,
        b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 102,
        b"\r\n" * 40_000,
    ],
    ids=["target", "value", "name", "many", "number", "blank"],
)
@pytest.mark.parametrize("ended", [True, False])
def test_a_head_that_is_too_large_is_answered_431(patient, head, ended):
    answer = patient.talk(
        head + (b" HTTP/1.1\r\n\r\n" if b"HTTP" not in head else b"\r\n\r\n") * ended
    )
    status = answer.split(b"\r\n")[0]
    # llhttp has a bound of its own on names
    assert status in {b"HTTP/1.1 431 Request Header Fields Too Large", b"HTTP/1.1 400 Bad Request"}
    if b"name" not in head and head != b"\r\n":
        assert b"connection: close" in answer


def test_a_head_just_within_the_bounds_is_served(patient):
    fields = b"".join(b"a%d: %s\r\n" % (n, b"b" * 640) for n in range(98))
    answer = patient.talk(
        b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields[:64_000] + b"\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_large_body_before_it_takes_nothing_from_the_next_head(patient):
    body = bytes(200_000)
    post = b"POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = patient.talk(post + body + last)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n no: name\r\n\r\n",
        b"GET / HTTP/1.1\r\na\x00b: c\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_400_and_ends_the_connection(patient, garbage):
    answer = patient.talk(garbage)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(
        b'{"errors": ["The request is no valid HTTP"], "code": "invalid_request"}'
    )
    assert "Traceback" not in patient.written.getvalue()


def test_garbage_behind_a_request_waits_for_its_answer(patient):
    answer = patient.talk(b"GET /slow?s=0.3 HTTP/1.1\r\nHost: x\r\n\r\n" + b"\x00garbage" * 1000)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200"]
    assert b"connection: close" in answer
    assert answer.endswith(b"finished")


def test_a_broken_body_is_answered_400_and_its_route_let_go(patient):
    answer = patient.talk(CHUNKED % b"upload" + b"5\r\nbegun\r\nno number\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
    assert [line["status"] for line in patient.lines("request")] == [400]
    assert patient.app.state.budgets.left == 0


def test_a_few_requests_ahead_are_answered_in_order(patient):
    pieces = [b"GET /named/%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(7)]
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert patient.talk(b"".join([*pieces, last])).count(b"HTTP/1.1 200") == 8


def test_a_flood_of_requests_ahead_ends_the_connection(patient):
    answer = patient.talk(b"GET /slow?s=0.3 HTTP/1.1\r\nHost: x\r\n\r\n" + GET * 10_000)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"finished")
    assert len(patient.lines("request")) == 1


@pytest.mark.parametrize("chunk", [b"a: b\r\n", b"a: " + b"b" * 100_000])
def test_trailers_without_end_are_refused(patient, chunk):
    with patient.connect() as sock:
        sock.sendall(CHUNKED % b"swallow" + b"1\r\nx\r\n0\r\n")
        drip(sock, chunk * 100, pause_s=0)
    assert [line["status"] for line in patient.lines("refused")] == [400]


def test_trailers_are_no_headers(patient):
    """A route that has begun would otherwise see headers that nothing has looked at."""
    answer = patient.talk(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"swallow"
        + b"1\r\nx\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    )
    assert answer.endswith(b'{"size":1}')


UPGRADE = b"POST /swallow HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"])
def test_an_upgrade_is_answered_as_if_none_were_asked_for_and_ends_the_connection(patient, length):
    answer = patient.talk(UPGRADE + length + b"\r\n" + GET)
    assert answer.endswith(b'{"size":0}')
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    "body", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
)
def test_an_upgrade_with_a_body_is_refused(patient, body):
    """It could be taken for another protocol's bytes by one side and for a body by the other."""
    assert patient.talk(UPGRADE + body).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("length", [MIB + 1, 10**30])
def test_a_declared_body_that_is_too_large_is_not_asked_for(patient, length):
    """A client that waits for `100 Continue` is told 413 in its place."""
    head = (
        b"POST /swallow HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    answer = patient.talk(head % length)
    assert answer.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))
    assert b"100 Continue" not in answer


def test_who_waits_to_be_asked_for_the_body_is_asked(patient):
    with patient.connect() as sock:
        head = b"POST /swallow HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d"
        sock.sendall(head % 5 + b"\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert read_answer(sock).endswith(b'{"size":5}')


def test_a_refusal_reaches_a_client_that_sends_before_it_reads(patient):
    """The rest of the body is taken in, so that no reset takes the answer away."""
    head = b"POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (12 * MIB)
    answer = patient.talk(head, bytes(12 * MIB))
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"www-authenticate: Basic" in answer


def test_a_connection_lives_on_after_a_small_body_that_nobody_read(patient):
    with patient.connect() as sock:
        for _ in range(3):
            sock.sendall(b"POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            assert read_answer(sock).startswith(b"HTTP/1.1 401")


def test_who_does_not_read_the_answer_is_cut(quick):
    with quick.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [line["status"] for line in quick.lines("refused")] == [0]
        got = len(read_to_end(sock))
        assert got < 64 * MIB


def test_who_reads_slowly_gets_everything(quick):
    with quick.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = 0
        while piece := sock.recv(2 * MIB):
            got += len(piece)
            time.sleep(0.01)
    assert got > 64 * MIB


def test_an_idle_connection_is_closed():
    with (
        serving(connection=ConnectionLimits(idle_s=1)) as service,
        service.connect() as sock,
    ):
        sock.sendall(GET)
        assert read_answer(sock).endswith(b"hello")
        assert read_to_end(sock) == b""
