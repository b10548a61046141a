"""Images over HTTP: kept once, told of, read back byte for byte, grey by the formula, dropped."""

from __future__ import annotations

import hashlib
import io
import random
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from pixmill.store import open_catalog
from tests.archives import grey_of, pixels_of
from tests.origin import Origin, closed_port
from tests.pictures import png
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Service


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(folder) -> Iterator[Service]:
    with serving(folder, "--workers", "1") as running:
        yield running


@pytest.fixture(scope="module")
def client(service) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture
def picture(request) -> bytes:
    """A picture that no other test has."""
    return png(random.Random(request.node.nodeid))


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def send(client, data, **query):
    return client.post("/images", content=data, params=query)


def test_an_upload_is_kept_once_and_told_of(client, picture):
    first = send(client, picture, source="cam-7", reference="frame.1")
    assert first.status_code == 201, first.text
    assert first.headers["location"] == f"/images/{md5(picture)}"
    told = first.json()
    assert (told["md5"], told["arrival"]) == (md5(picture), "success")
    assert told["sha256"] == hashlib.sha256(picture).hexdigest()
    rgb = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    assert (told["height"], told["width"], told["format"]) == (*rgb.shape[:2], "png")
    assert sum(color["count"] for color in told["colors"]) > 0
    again = client.post("/images", files={"image": picture}, data={"source": "form"})
    assert (again.status_code, again.json()["arrival"]) == (200, "duplicate")
    looked = client.get(f"/images/{md5(picture).upper()}").json()
    captures = [(each["source"], each["reference"], each["result"]) for each in looked["arrivals"]]
    assert captures == [("form", "", "duplicate"), ("cam-7", "frame.1", "success")]
    assert {**looked, "arrivals": None} == {
        **{name: value for name, value in told.items() if name != "arrival"},
        "arrivals": None,
        "arrived_at": looked["arrived_at"],
    }


def test_an_image_is_fetched_and_kept_and_is_from_its_url(client, origin, picture):
    url = origin.serve("/kept.png", picture)
    first = client.post("/images", json={"url": url})
    assert (first.status_code, first.json()["md5"]) == (201, md5(picture))
    second = client.post("/images", json={"url": url, "source": "shop", "reference": "9"})
    assert second.status_code == 200
    captures = client.get(f"/images/{md5(picture)}").json()["arrivals"]
    assert [(each["source"], each["reference"]) for each in captures] == [("shop", "9"), (url, "")]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_the_grey_version_is_exact(client, mode):
    noise = np.random.default_rng(len(mode)).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, "PNG")
    data = buffer.getvalue()
    assert send(client, data).status_code in {200, 201}
    answer = client.get(f"/image/{md5(data)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(pixels_of(answer.content), grey_of(rgb))
    assert client.get(f"/image/{md5(data).upper()}").content == answer.content


def test_files_are_read_back_and_only_when_they_changed(client, picture):
    send(client, picture)
    for path in (f"/images/{md5(picture)}/original", f"/image/{md5(picture)}"):
        whole = client.get(path)
        assert whole.status_code == 200
        tag = whole.headers["etag"]
        assert whole.headers["x-content-type-options"] == "nosniff"
        same = client.get(path, headers={"If-None-Match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
    answer = client.get(f"/images/{md5(picture)}/original")
    assert answer.content == picture
    assert answer.headers["content-disposition"] == f'inline; filename="{md5(picture)}.png"'
    since = answer.headers["last-modified"]
    again = client.get(f"/images/{md5(picture)}/original", headers={"If-Modified-Since": since})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=9-", 9, None), ("bytes=-7", -7, None), ("bytes=5-9999", 5, None)],
)  # fmt: skip
def test_a_part_of_a_file_is_read(client, picture, asked, first, last):
    send(client, picture)
    path = f"/images/{md5(picture)}/original"
    part = client.get(path, headers={"Range": asked})
    expected = picture[first : None if last is None else last + 1]
    assert (part.status_code, part.content) == (206, expected)
    begin = first % len(picture)
    assert part.headers["content-range"] == (
        f"bytes {begin}-{begin + len(expected) - 1}/{len(picture)}"
    )
    stale = client.get(path, headers={"Range": asked, "If-Range": '"other"'})
    assert (stale.status_code, stale.content) == (200, picture)


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused(client, picture, asked):
    send(client, picture)
    answer = client.get(f"/images/{md5(picture)}/original", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(picture)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "lines=1-2", "bytes=9-2", "bytes=-", "x"])
def test_what_is_no_single_range_gets_the_whole(client, picture, asked):
    send(client, picture)
    answer = client.get(f"/images/{md5(picture)}/original", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, picture)


def test_the_list_is_walked_by_its_cursor_newest_first(client, origin):
    sent = [png(random.Random(f"walk {number}")) for number in range(5)]
    for data in sent:
        send(client, data)
    found, cursor = [], None
    for _ in range(100):
        page = client.get("/images", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        assert page.status_code == 200
        found += [each["md5"] for each in page.json()["images"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert len(found) == len(set(found))
    assert [each for each in found if each in set(map(md5, sent))] == [
        md5(data) for data in reversed(sent)
    ]


def test_a_dropped_image_is_gone_and_may_come_again(client, picture):
    send(client, picture)
    name = md5(picture)
    assert client.get(f"/image/{name}").status_code == 200
    assert client.delete(f"/images/{name}").status_code == 204
    for path in (f"/images/{name}", f"/images/{name}/original", f"/image/{name}"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/images/{name}").status_code == 404
    assert send(client, picture).status_code == 201
    results = [each["result"] for each in client.get(f"/images/{name}").json()["arrivals"]]
    assert results == ["success", "success"]


@pytest.mark.parametrize("path", ["/image/{}", "/images/{}", "/images/{}/original"])
@pytest.mark.parametrize("name", ["0" * 32, "x", "0" * 33, "..%2f..%2fetc%2fpasswd", "%00"])
def test_what_is_not_there_is_404(client, path, name):
    answer = client.get(path.format(name))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("word", [".hidden", "a b", "a/b", "../x", "ä", "x" * 101, "a\nb"])
@pytest.mark.parametrize("name", ["source", "reference"])
def test_words_that_could_name_a_path_are_refused(client, picture, word, name):
    for answer in (
        send(client, picture, **{name: word}),
        client.post("/images", files={"image": picture}, data={name: word}),
        client.post("/images", json={"url": "http://127.0.0.1/", name: word}),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0].startswith(f"Invalid {name}:")
    assert client.get(f"/images/{md5(picture)}").status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"url": 7}', b'{"url": "http://a/", "source": null}']
)
def test_a_wish_that_is_no_object_of_texts_is_refused(client, body):
    answer = client.post("/images", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_wish_may_not_be_as_large_as_an_image(client):
    body = b'{"url": "http://127.0.0.1/", "source": "' + b"x" * 70_000 + b'"}'
    answer = client.post("/images", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_bytes")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": "0"}, "Invalid limit"),
        ({"limit": "201"}, "Invalid limit"),
        ({"limit": "x"}, "Invalid limit"),
        ({"cursor": "x"}, "Invalid cursor"),
        ({"cursor": "9" * 15 + "-" + "0" * 32}, "Invalid cursor"),
    ],
)
def test_a_page_that_can_not_be_is_refused(client, query, sentence):
    answer = client.get("/images", params=query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0].startswith(sentence)


def test_failures_are_captures_with_their_codes(client, origin):
    before = client.get("/monitoring").json()
    gone = origin.url("/gone.png")
    broken = png(random.Random(1))[:80]
    answers = [
        client.post("/images", json={"url": gone}),
        client.post("/images", json={"url": f"http://127.0.0.1:{closed_port()}/"}),
        send(client, broken),
        send(client, b"no image"),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (400, "http_error"),
        (400, "connect_failed"),
        (400, "corrupt_image"),
        (400, "unsupported_format"),
    ]
    after = client.get("/monitoring").json()
    for code in ("http_error", "connect_failed", "corrupt_image", "unsupported_format"):
        assert fails(after, code) == fails(before, code) + 1


def fails(minutes, code):
    return sum(minute["codes"].get(code, 0) for minute in minutes)


def test_every_route_wants_its_scope(service, client, picture, folder):
    send(client, picture)
    name = md5(picture)
    wanted = {
        ("POST", "/images"): {"write"},
        ("GET", "/images"): {"read"},
        ("GET", f"/images/{name}"): {"read"},
        ("GET", f"/images/{name}/original"): {"read"},
        ("GET", f"/image/{name}"): {"read"},
        ("GET", "/monitoring"): {"read"},
        ("GET", "/gallery"): {"read"},
        ("GET", f"/gallery/{name}"): {"read"},
        ("DELETE", f"/images/{name}"): set(),
    }
    for scope in ("read", "match", "write", "jobs", "metrics"):
        with open_catalog(None, folder / "data") as catalog:
            auth = (f"only-{scope}", catalog.keys.add(f"only-{scope}", [scope])[1])
        for (method, path), scopes in wanted.items():
            content = picture if method == "POST" else None
            answer = httpx.request(
                method, service.url + path, auth=auth, content=content, trust_env=False
            )
            assert (answer.status_code == 403) == (scope not in scopes), (scope, method, path)
    assert httpx.get(f"{service.url}/image/{name}", trust_env=False).status_code == 401
    assert httpx.get(f"{service.url}/monitoring", trust_env=False).status_code == 401
