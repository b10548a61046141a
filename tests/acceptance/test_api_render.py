"""Pictures at once of images of the archive: right pixels, formats, conditions, and refusals."""

from __future__ import annotations

import io
import random
import socket
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.command import run
from tests.drawn import encoded, picture
from tests.pictures import plain
from tests.serving import serving

PHOTO = encoded(picture(300, 400), "JPEG", quality=95)
DRAWING = plain((10, 20, 40), 60, 40)
GLASS = encoded(np.full((8, 8, 4), (10, 200, 30, 128), np.uint8), "PNG")
NOISE = encoded(np.random.default_rng(3).integers(0, 256, (900, 900, 3), np.uint8), "PNG")


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


@pytest.fixture(scope="module")
def keep(api):
    """Keeps a file; gives where its pictures are made."""

    def kept(data):
        md5 = api.post("/images", content=data).raise_for_status().json()["md5"]
        return f"/images/{md5}/render"

    return kept


def opened(answer):
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == f"image/{image.format.lower()}"
    assert int(answer.headers["content-length"]) == len(answer.content)
    return image


def test_operations_are_carried_out_in_their_order(api, keep):
    path = keep(PHOTO)
    small = opened(api.get(path, params={"op": ["resize 100 100", "rotate 90"]}))
    assert (small.format, small.size) == ("JPEG", (75, 100))
    grey = opened(api.get(path, params={"op": ["grayscale", "convert png"]}))
    rgb = np.asarray(Image.open(io.BytesIO(PHOTO)).convert("RGB"), np.uint16)
    assert np.array_equal(np.asarray(grey), rgb.sum(axis=2) // 3)


def test_without_operations_the_picture_is_encoded_anew(api, keep):
    assert opened(api.get(keep(DRAWING))).size == (60, 40)


def test_the_job_makes_the_very_same_bytes(api, keep):
    path = keep(PHOTO)
    at_once = api.get(path, params={"op": ["resize 64 64", "convert webp 50"]})
    asked = {"operations": ["resize 64 64", "convert webp 50"]}
    job = api.post(path.replace("/render", "/operations"), json=asked).raise_for_status().json()
    with api.stream("GET", job["links"]["events"]) as events:
        events.read()
    assert api.get(f"/jobs/{job['id']}/result").content == at_once.content


@pytest.mark.parametrize(
    ("data", "accept", "format_"),
    [
        (PHOTO, "image/avif,image/webp,image/*,*/*;q=0.8", "AVIF"),
        (PHOTO, "image/webp,*/*", "WEBP"),
        (PHOTO, "image/AVIF; q=0, Image/WebP;q=0.5", "WEBP"),
        (PHOTO, "*/*", "JPEG"),
        (PHOTO, "", "JPEG"),
        (DRAWING, "image/*", "PNG"),
        (GLASS, "image/avif;q=0.0", "PNG"),
        (PHOTO, "image/avif;q=0.5,image/webp;q=0.9,*/*", "WEBP"),
        (PHOTO, "image/avif;q=0.001,image/webp;q=0", "AVIF"),
        (PHOTO, "image/webp;q=2", "WEBP"),
        (PHOTO, "image/jpeg,image/avif;q=0.1", "JPEG"),
        (DRAWING, "image/png,image/webp;q=0.01", "PNG"),
        (PHOTO, "image/png,image/webp;q=0.9", "WEBP"),
    ],
)
def test_auto_chooses_what_the_client_takes(api, keep, data, accept, format_):
    query = {"op": "resize 32 32", "format": "auto"}
    answer = api.get(keep(data), params=query, headers={"Accept": accept})
    assert opened(answer).format == format_
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("chain", "format_"),
    [
        (["rotate 45"], "PNG"),
        (["pad 300 300"], "PNG"),
        (["rotate 90"], "JPEG"),
        (["pad 300 300 #102030"], "JPEG"),
        (["rotate 45", "flatten #FFFFFF"], "JPEG"),
    ],
)
def test_auto_keeps_what_became_transparent(api, keep, chain, format_):
    asked = {"op": chain, "format": "auto"}
    assert opened(api.get(keep(PHOTO), params=asked)).format == format_


def test_auto_heeds_every_accept_header(api, keep):
    headers = [("Accept", "text/html"), ("Accept", "image/webp")]
    answer = api.get(keep(PHOTO), params={"format": "auto"}, headers=headers)
    assert opened(answer).format == "WEBP"


def test_who_leaves_before_the_picture_comes_costs_no_open_file(tmp_path):
    """At whatever moment: while the original is opened, worked on, or a large picture is sent."""
    rng = random.Random(5)
    with serving(tmp_path, env={"PIXMILL_ANSWERS_BYTES": "0"}) as service:
        with service.client() as api:
            md5 = api.post("/images", content=NOISE).raise_for_status().json()["md5"]
            wish = {"op": ["resize 800 800", "convert png"]}
            whole = api.get(f"/images/{md5}/render", params=wish).raise_for_status().content
            assert len(whole) > 10**6
        before = len(open_files(service.process.pid))
        for _ in range(40):
            leave(service, f"/images/{md5}/render?op=resize+800+800&op=convert+png", rng)
        deadline = time.monotonic() + 30
        while len(files := open_files(service.process.pid)) > before:
            assert time.monotonic() < deadline, files
            time.sleep(0.1)


def open_files(pid):
    """What a process holds open, but for the catalog, whose pool grows with the threads."""
    names = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            names.append(str(file.readlink()))
    return sorted(name for name in names if "/catalog.sqlite" not in name)


def leave(service, path, rng):
    """Ask, and hang up within the time that an answer takes."""
    url = urlsplit(service.url)
    code = b64encode(":".join(service.credential).encode()).decode()
    with socket.create_connection((url.hostname, url.port)) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Basic {code}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(rng.uniform(0, 0.15))


def test_format_and_quality_win_over_the_operations(api, keep):
    path = keep(PHOTO)
    asked = {"op": "convert png", "format": "webp"}
    good, poor = (api.get(path, params={**asked, "quality": number}) for number in ("90", "10"))
    assert opened(good).format == opened(poor).format == "WEBP"
    assert len(poor.content) < len(good.content) / 2
    assert "vary" not in good.headers


def test_a_quality_alone_is_of_the_format_that_comes(api, keep):
    path = keep(PHOTO)
    same, poor = (api.get(path, params=asked) for asked in ({}, {"quality": "10"}))
    assert opened(same).format == opened(poor).format == "JPEG"
    assert len(poor.content) < len(same.content) / 2
    webp = api.get(path, params={"op": "convert webp 90", "quality": "10"})
    assert opened(webp).format == "WEBP"
    assert webp.content == api.get(path, params={"op": "convert webp 10"}).content
    assert opened(api.get(keep(DRAWING), params={"quality": "10"})).format == "PNG"


def test_a_client_that_has_the_picture_is_not_sent_it_again(api, keep):
    path = keep(PHOTO)
    first = api.get(path, params={"op": "resize 50 50"})
    tag = first.headers["etag"]
    same = api.get(path, params={"op": "resize 50 50 fit"}, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    other = api.get(path, params={"op": "resize 51 51"}, headers={"If-None-Match": tag})
    assert other.status_code == 200
    assert other.headers["etag"] != tag
    assert first.headers["cache-control"] == "private, no-cache"
    head = api.head(path, params={"op": "resize 50 50"})
    assert (head.headers["content-length"], head.content) == (str(len(first.content)), b"")


def test_many_who_ask_for_the_same_at_once_get_it_from_one(api, keep):
    path = keep(PHOTO)

    def ask(_):
        return api.get(path, params={"op": ["blur 5", "resize 200"]}).raise_for_status().content

    with ThreadPoolExecutor(16) as pool:
        pictures = set(pool.map(ask, range(32)))
    assert len(pictures) == 1


def test_a_picture_too_large_for_memory_is_streamed(api, keep, folder):
    path = keep(NOISE)
    query = {"op": "invert"}
    whole = api.get(path, params=query)
    negative = 255 - np.asarray(Image.open(io.BytesIO(NOISE)))
    assert np.array_equal(np.asarray(opened(whole)), negative)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: api.get(path, params=query).content, range(4)))
    assert set(again) == {whole.content}
    assert not list((folder / "data" / "blobs").rglob("*.made"))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("op=resize", "operation 1: resize: "),
        ("op=resize+9&op=fly", 'operation 2: "fly" is no operation'),
        ("format=bmp", "Invalid format, it is auto or one of jpeg, png, webp, avif, tiff"),
        ("format=jpeg&quality=0", "Invalid quality, it is 1 to 100"),
        ("format=jpeg&quality=1e1", "Invalid quality, it is 1 to 100"),
        ("&".join(["op=flip"] * 33), "a chain has at most 32 operations"),
        ("op=resize+60000+60000+force", "Could not parse image"),
    ],
)
def test_what_can_not_be_made_is_told(api, keep, query, sentence):
    answer = api.get(f"{keep(DRAWING)}?{query}")
    assert answer.status_code == 400
    assert any(each.startswith(sentence) for each in answer.json()["errors"]), answer.text


def test_all_mistakes_are_told_at_once(api, keep):
    answer = api.get(keep(DRAWING), params={"op": "fly", "format": "x", "quality": "y"})
    assert len(answer.json()["errors"]) == 3


@pytest.mark.parametrize("md5", ["0" * 32, "xyz", "0" * 31])
def test_an_unknown_image_is_not_found(api, md5):
    answer = api.get(f"/images/{md5}/render")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_deleted_image_is_gone_at_once(api, keep):
    path = keep(plain((200, 1, 2)))
    query = {"op": "resize 16"}
    assert api.get(path, params=query).status_code == 200
    assert api.delete(path.removesuffix("/render")).status_code == 204
    assert api.get(path, params=query).status_code == 404


def test_a_key_that_may_not_read_is_refused(service, folder, api, keep):
    path = keep(PHOTO)
    env = {"PIXMILL_DATA": str(folder / "data")}
    made = run("keys", "create", "matcher", "--scope", "match", "--quiet", cwd=folder, env=env)
    with service.client(auth=("matcher", made.stdout.strip())) as client:
        assert client.get(path).status_code == 403
    with service.client(auth=None) as nobody:
        assert nobody.get(path).status_code == 401


def test_by_a_signed_url_anybody_may_and_caches_keep_it(service, folder, keep):
    path = f"{keep(PHOTO)}?op=resize+40+40&op=grayscale&format=auto"
    env = {"PIXMILL_DATA": str(folder / "data")}
    signed = run("sign", path, "--expires", "1h", cwd=folder, env=env).stdout.strip()
    with service.client(auth=None) as nobody:
        answer = nobody.get(signed)
        assert opened(answer).size == (40, 30)
        assert answer.headers["cache-control"].startswith("public, max-age=")
        assert answer.headers["cache-control"].endswith("immutable")
        for changed in (signed.replace("=resize%2040", "=resize%2041"), signed + "&op=flip", path):
            assert nobody.get(changed).status_code in {401, 403}
