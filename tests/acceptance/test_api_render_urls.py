"""Pictures at once of images of the web: fetched under guard, asked for again as HTTP allows."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests import origin as o
from tests.command import run
from tests.drawn import encoded, picture
from tests.pictures import plain
from tests.serving import serving

PHOTO = encoded(picture(90, 120), "JPEG", quality=95)
_paths = (f"/{number}.jpg" for number in range(10**6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("render")


@pytest.fixture(scope="module")
def service(folder):
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def api(service):
    with service.client() as client:
        yield client


def render(api, url, *ops, **headers):
    return api.get("/render", params={"url": url, "op": ops}, headers=headers)


def size(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content)).size


def test_an_image_is_fetched_and_changed(api, origin):
    answer = render(api, origin.serve(next(_paths), PHOTO), "resize 40 40", "flip")
    assert size(answer) == (40, 30)
    assert answer.headers["cache-control"] == "private, no-cache"


def test_while_it_is_fresh_its_server_is_not_asked_again(api, origin):
    path = next(_paths)
    url = origin.serve(path, PHOTO, headers={"Cache-Control": "max-age=600"})
    first, again = (render(api, url, "resize 40 40") for _ in range(2))
    assert first.content == again.content
    assert origin.hits(path) == 1
    tagged = render(api, url, "resize 40 40", **{"If-None-Match": first.headers["etag"]})
    assert tagged.status_code == 304
    assert origin.hits(path) == 1
    assert size(render(api, url, "resize 20 20")) == (20, 15)


def test_what_has_not_changed_is_not_sent_again(api, origin):
    path = next(_paths)
    first = o.answer(PHOTO, headers={"ETag": '"a"'})
    origin.on(path, first, o.answer(status=304, headers={"ETag": '"a"'}))
    url = origin.url(path)
    pictures = [render(api, url, "resize 40 40").content for _ in range(3)]
    assert len(set(pictures)) == 1
    asked = [request for request in origin.requests if request.path == path]
    sent = [request.headers.get("if-none-match") for request in asked]
    assert sent == [None, '"a"', '"a"']


def test_what_has_changed_is_made_anew(api, origin):
    path = next(_paths)
    other = encoded(picture(90, 90), "JPEG")
    origin.on(path, o.answer(PHOTO, headers={"ETag": '"a"'}), o.answer(other))
    url = origin.url(path)
    first, second = (render(api, url, "resize 40 40") for _ in range(2))
    assert (size(first), size(second)) == ((40, 30), (40, 40))
    assert first.headers["etag"] != second.headers["etag"]


def test_the_same_bytes_at_another_url_are_not_made_again(api, origin):
    urls = [origin.serve(next(_paths), PHOTO) for _ in range(2)]
    tags = {render(api, url, "resize 41 41").headers["etag"] for url in urls}
    assert len(tags) == 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (o.answer(status=404), "http_error"),
        (o.answer(b"no image at all"), "unsupported_format"),
        (o.answer(PHOTO[: len(PHOTO) // 2]), "corrupt_image"),
        (o.answer(plain((1, 2, 3))[:30]), "corrupt_image"),
        (o.redirect("ftp://elsewhere/"), "invalid_url"),
    ],
)
def test_a_source_that_is_none_is_told(api, origin, reply, code):
    path = next(_paths)
    origin.on(path, reply)
    answer = render(api, origin.url(path), "resize 8")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_url_is_wanted(api):
    assert api.get("/render?op=flip").json()["errors"] == ["Please specify a 'url' query parameter"]
    assert api.get("/render?url=file:///etc/passwd").status_code == 400


def test_private_addresses_are_not_fetched_from(tmp_path, origin):
    with serving(tmp_path, loopback=False) as service, service.client() as client:
        answer = render(client, origin.serve("/a.jpg", PHOTO), "flip")
        assert (answer.status_code, answer.json()["code"]) == (400, "blocked_address")
    assert not origin.hits("/a.jpg")


def test_only_allowed_sources_are_fetched_from_and_redirects_lead_nowhere_else(tmp_path, origin):
    origin.serve("/public/a.jpg", PHOTO)
    origin.serve("/private/a.jpg", PHOTO)
    origin.on("/public/away.jpg", o.redirect("/private/a.jpg"))
    env = {"PIXMILL_ALLOWED_SOURCES": f"https://cdn.example.com/, {origin.url('/public/')}"}
    with serving(tmp_path, env=env) as service, service.client() as client:
        assert size(render(client, origin.url("/public/a.jpg"), "resize 40 40")) == (40, 30)
        for path in ("/private/a.jpg", "/public/away.jpg", "/public/../private/a.jpg"):
            answer = render(client, origin.url(path))
            assert (answer.status_code, answer.json()["code"]) == (400, "blocked_address")
            assert answer.json()["errors"] == [
                "Could not fetch the URL given, it is not one of the sources that are allowed"
            ]
        answer = client.get("/colors/top", params={"url": origin.url("/private/a.jpg")})
        assert answer.json()["code"] == "blocked_address"
    assert not origin.hits("/private/a.jpg")


def test_a_pattern_that_is_none_is_told_at_the_start(tmp_path):
    env = {"PIXMILL_DATA": str(tmp_path / "data"), "PIXMILL_ALLOWED_SOURCES": "example.com"}
    ended = run("serve", "--port", "0", cwd=tmp_path, env=env)
    assert ended.returncode == 2
    assert "allowed_sources: 'example.com' is no pattern of URLs" in ended.stderr


def test_by_a_signed_url_caches_keep_it_as_long_as_its_server_says(service, folder, origin):
    env = {"PIXMILL_DATA": str(folder / "data")}
    fresh = origin.serve(next(_paths), PHOTO, headers={"Cache-Control": "max-age=600"})
    unsaid = origin.serve(next(_paths), PHOTO)
    wanted = {fresh: "public, max-age=", unsaid: "public, no-cache"}
    with service.client(auth=None) as nobody:
        for url, keeping in wanted.items():
            path = f"/render?url={url}&op=resize+40+40"
            assert nobody.get(path).status_code == 401
            signed = run("sign", path, cwd=folder, env=env).stdout.strip()
            answer = nobody.get(signed)
            assert size(answer) == (40, 30)
            assert answer.headers["cache-control"].startswith(keeping)
            assert "immutable" not in answer.headers["cache-control"]
            assert nobody.get(signed.replace("40", "41")).status_code == 403


def test_the_pixels_are_those_of_the_source(api, origin):
    answer = render(api, origin.serve(next(_paths), PHOTO), "invert", "convert png")
    rgb = np.asarray(Image.open(io.BytesIO(PHOTO)).convert("RGB"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), 255 - rgb)
