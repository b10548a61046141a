"""Images come in raw or in a form, within their budgets; nothing stays held of what breaks off."""

import json
import time

import pytest

from pixmill.fetch.body import MemoryBudget
from pixmill.fetch.options import FetchOptions
from pixmill.fetch.spill import SpillBudget
from pixmill.web.bodies import BodyLimits
from tests.integration.web_serving import MIB, Budgets, serving

FORM = {"Content-Type": "multipart/form-data; boundary=b0undary"}
LIMIT = 8 * MIB


@pytest.fixture(scope="module")
def running():
    with serving(limits_of_bodies=None) as service:
        yield service


@pytest.fixture
def service(running):
    yield running
    deadline = time.monotonic() + 20
    while running.app.state.budgets.left and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running.app.state.budgets.left == 0


def part(headers, body):
    return b"--b0undary\r\n" + headers + b"\r\n\r\n" + body + b"\r\n"


def named(name, body, more=b""):
    return part(b'Content-Disposition: form-data; name="%s"' % name + more, body)


def image(body, name=b"image"):
    return named(name, body, b'; filename="a.png"\r\nContent-Type: image/png')


END = b"--b0undary--\r\n"


def send(service, body, headers=FORM):
    status, _, answer = service.request("POST", "/upload", body, headers)
    return status, json.loads(answer)


def refused(service, body, status, code, sentence, *, headers=FORM):
    got, answer = send(service, body, headers)
    assert (got, answer["code"]) == (status, code)
    assert sentence in answer["errors"][0]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "image/png"}, {"Content-Type": "application/octet-stream; a=b"}],
)
@pytest.mark.parametrize("size", [1, 5 * MIB, LIMIT])
def test_a_raw_body_is_the_image_whatever_its_type(service, headers, size):
    assert send(service, b"\x89PNG" + bytes(size)[4:] if size > 4 else b"\x89", headers) == (
        200,
        {"size": size, "start": (b"\x89PNG" + bytes(4)).hex() if size > 4 else "89", "fields": {}},
    )


def test_a_raw_body_in_chunks_is_the_image(service):
    pieces = [b"\x89PNG", b"", bytes(100_000), b"end"]
    status, answer = send(service, iter([piece for piece in pieces if piece]), {})
    assert (status, answer["size"]) == (200, 100_007)


@pytest.mark.parametrize("size", [0, 1, 70_000, 5 * MIB, LIMIT])
def test_the_file_of_a_form_is_the_image_and_its_fields_come_too(service, size):
    """One larger than stays in memory too; its bytes may look like the beginning of a boundary."""
    data = (b"\r\n--b0undar" * (size // 11 + 1))[:size]
    body = named("größe".encode(), "8 ÷ 8".encode()) + image(data) + named(b"n", b"") + END
    status, answer = send(service, body)
    assert status == 200
    assert answer == {
        "size": size,
        "start": data[:8].hex(),
        "fields": {"größe": "8 ÷ 8", "n": ""},
    }


@pytest.mark.parametrize(
    "form",
    [
        named(b"image", b"\x89PNG"),
        image(b"\x89PNG", b"whatever"),
        part(b"CONTENT-DISPOSITION: form-data; filename*=utf-8''%2e; name=a", b"\x89PNG"),
        image(b"\x89PNG").replace(b"a.png", b"../../etc/cron.d/x\\\\C:\\\\y"),
        image(b"\x89PNG").replace(b"image/png", b"text/html\r\nContent-Transfer-Encoding: binary"),
    ],
    ids=["by field", "by file name", "by the other spelling", "a path", "binary"],
)
def test_what_a_file_is_and_that_its_name_means_nothing(service, form, tmp_path):
    assert send(service, form + END) == (200, {"size": 4, "start": "89504e47", "fields": {}})


@pytest.mark.parametrize("step", [1, 7, 64])
def test_a_form_may_come_in_any_pieces(service, step):
    body = named(b"n", b"5") + image(b"\r\n--b0undarX" * 20) + END
    with service.connect() as sock:
        sock.sendall(
            b"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: multipart/form-data; boundary=b0undary\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        for start in range(0, len(body), step):
            sock.sendall(body[start : start + step])
            time.sleep(0.0005)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert b'"size":240' in answer
    assert b'"fields":{"n":"5"}' in answer


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The form ends before its last boundary"),
        (b"garbage", "The form can not be read"),
        (image(b"x"), "The form ends before its last boundary"),
        (image(b"x")[:-9], "The form ends before its last boundary"),
        (END, "Please send the image as the form's file 'image'"),
        (named(b"n", b"5") + END, "Please send the image as the form's file 'image'"),
        (image(b"x") + image(b"y") + END, "more than one file"),
        (image(b"x") + named(b"image", b"y") + END, "more than one file"),
        (named(b"n", b"1") + named(b"n", b"2") + END, "A field of the form is given twice"),
        (named(b"n", b"\xff") + END, "A field of the form is no UTF-8"),
        (part(b"Content-Type: image/png", b"x") + END, "A part of the form has no name"),
        (part(b"Content-Disposition: form-data", b"x") + END, "A part of the form has no name"),
        (part(b"Content-Disposition: attachment; name=image", b"x") + END, "has no name"),
        (part(b"Content Disposition: form-data", b"x") + END, "The form can not be read"),
        (
            image(b"x").replace(b"image/png", b"image/png\r\nContent-Transfer-Encoding: base64"),
            "has a Content-Transfer-Encoding",
        ),
        (named(b"n%d", b"") * 10_000 + END, "A field of the form is given twice"),
        (b"".join(named(b"%d" % n, b"") for n in range(10_000)), "more than 16 parts"),
        (image(b"x").replace(b"a.png", b"a" * 5000), "The form can not be read"),
        (part(b"a: " + b"b" * 3_000_000, b""), "The form can not be read"),
        (b"--b0undary\r\n" + b"a" * 3_000_000, "The form can not be read"),
        (part(b"\r\n".join([b"a: b"] * 9), b"") + END, "The form can not be read"),
        (b"--b0undary\r\n" * 10_000, "The form can not be read"),
    ],
)
def test_a_form_that_is_broken_or_a_bomb_is_400(service, body, sentence):
    refused(service, body, 400, "invalid_request", sentence)


def test_a_field_that_is_too_large_is_413(service):
    assert send(service, named(b"n", b"5" * 8192) + image(b"x") + END)[0] == 200
    sentence = "A field of the form is larger than 8192 bytes"
    refused(service, named(b"n", b"5" * 8193) + END, 413, "too_many_bytes", sentence)


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=" + "b" * 300])
def test_a_form_needs_a_boundary_of_some_size(service, boundary):
    headers = {"Content-Type": "multipart/form-data" + boundary}
    refused(service, image(b"x") + END, 400, "invalid_request", "boundary", headers=headers)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, "application/octet-stream"),
        ({"Content-Type": "Application/X-WWW-Form-Urlencoded; a=b"}, "application/octet-stream"),
        ({"Content-Type": "multipart/mixed; boundary=b"}, "multipart/form-data"),
        ({"Content-Encoding": "gzip"}, "Content-Encoding"),
    ],
)
def test_other_forms_and_encodings_are_415(service, headers, sentence):
    refused(service, b"x", 415, "invalid_request", sentence, headers=headers)


def test_no_body_at_all_says_what_to_send(service):
    refused(service, b"", 400, "invalid_request", "Please send the image as", headers={})


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("form", [True, False])
def test_an_image_over_the_limit_is_413(service, declared, form):
    body, headers = (image(bytes(LIMIT + 1)) + END, FORM) if form else (bytes(LIMIT + 1), {})
    sentence = f"The body is larger than {LIMIT} bytes"
    sent = body if declared else iter([body])
    refused(service, sent, 413, "too_many_bytes", sentence, headers=headers)


def test_a_declared_image_over_the_limit_is_not_asked_for(service):
    """Its path allows that many bytes, but the image is all of them."""
    head = b"POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d"
    assert service.talk(head % (LIMIT + 1) + b"\r\n\r\n").startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize("sent", [10, 6 * MIB])
def test_who_goes_away_in_mid_upload_leaves_nothing_held(service, form, sent):
    """Neither memory nor a temporary file: the fixture looks at the budgets afterwards."""
    kind = b"multipart/form-data; boundary=b0undary" if form else b"image/png"
    before = number_of_gone(service)
    with service.connect() as sock:
        sock.sendall(
            b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
            % (kind, 7 * MIB)
        )
        sock.sendall((image(bytes(6 * MIB)) if form else bytes(7 * MIB))[:sent])
    deadline = time.monotonic() + 30
    while number_of_gone(service) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def number_of_gone(service):
    """How many requests ended since their client went away, as far as the log tells yet."""
    return sum(line["status"] == 499 for line in service.lines("request", 0))


def test_where_no_temporary_file_can_be_made_it_is_503_and_logged(tmp_path):
    options = FetchOptions(temp_dir=str(tmp_path / "gone"), spill_bytes=0)
    with serving(budgets=Budgets(options=options)) as service:
        status, headers, body = service.request("POST", "/upload", b"x", {})
        assert (status, headers["Retry-After"]) == (503, "10")
        assert json.loads(body) == {
            "errors": ["There is no room for the image just now"],
            "code": "overloaded",
        }
        assert "No such file or directory" in service.lines("failed")[0]["reason"]
        assert service.app.state.budgets.left == 0


def test_who_waits_too_long_for_room_is_503():
    """Two uploads that others' files leave no room for: one may go on, the other is refused."""
    options = FetchOptions(spill_bytes=0)
    budgets = Budgets(options=options, memory=MemoryBudget(0), room_timeout_s=0.3)
    with serving(budgets=budgets, limits=None) as service:
        budgets.spill = SpillBudget(0)
        with service.connect() as first:
            first.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nbegun")
            while not budgets.spill.used:
                time.sleep(0.02)
            assert send(service, b"x", {})[0] == 503
            first.sendall(bytes(15))
            assert first.recv(4096).startswith(b"HTTP/1.1 200")
        assert budgets.left == 0


def test_a_whole_request_is_bounded_beside_the_file():
    """What a form holds around its file can not be larger than its path allows."""
    limits = BodyLimits(by_path={"/upload": MIB})
    with serving(limits_of_bodies=limits) as service:
        body = image(b"x") + END + bytes(2 * MIB)
        refused(service, body, 413, "too_many_bytes", "The request is larger than")
        refused(service, iter([body]), 413, "too_many_bytes", "The request is larger than")
