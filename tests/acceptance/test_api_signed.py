"""Signed URLs as their users meet them: made by the command, opened without a key."""

from __future__ import annotations

import time

import pytest

from pixmill.signing import signed_url
from pixmill.store import open_catalog
from tests.command import run
from tests.pictures import plain
from tests.serving import serving

PICTURE = plain((10, 20, 40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("signed")


@pytest.fixture(scope="module")
def service(folder):
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def md5(service):
    with service.client() as client:
        return client.post("/images", content=PICTURE).raise_for_status().json()["md5"]


@pytest.fixture
def nobody(service):
    with service.client(auth=None) as client:
        yield client


@pytest.fixture
def sign(folder):
    """The command, which gives its URLs."""

    def signed(*arguments):
        env = {"PIXMILL_DATA": str(folder / "data")}
        ended = run("sign", *arguments, cwd=folder, env=env)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()

    return signed


def test_a_signed_url_shows_its_image_to_anybody_and_to_caches(md5, nobody, sign):
    paths = [f"/image/{md5}", f"/images/{md5}/original"]
    for path, url in zip(paths, sign(*paths), strict=True):
        assert nobody.get(path).status_code == 401
        answer = nobody.get(url)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert nobody.head(url).status_code == 200
        again = nobody.get(url, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    assert nobody.get(sign(paths[1])[0]).content == PICTURE


def test_caches_keep_it_no_longer_than_it_is_good(service, md5, nobody, sign):
    (url,) = sign(f"{service.url}/image/{md5}", "--expires", "1h")
    assert url.startswith(service.url)
    words = nobody.get(url).headers["cache-control"].split(", ")
    assert 3500 < int(words[1].removeprefix("max-age=")) <= 3600
    (short,) = sign(f"/image/{md5}", "--expires", "1s")
    time.sleep(1.1)
    answer = nobody.get(short)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_url_that_was_changed_is_refused(md5, nobody, sign):
    (url,) = sign(f"/image/{md5}", "--expires", "1h")
    other = "0" * 32
    for changed in (url.replace(md5, other), url[:-1], url + "&x=1", url.replace("expires", "x")):
        assert nobody.get(changed).status_code == 403
    assert nobody.get(url.replace(md5, md5.upper())).status_code == 403


def test_a_signature_opens_nothing_else(folder, md5, nobody, sign):
    with open_catalog(None, folder / "data") as catalog:
        secret = catalog.secrets.live()[0]
    for path in ("/images", f"/images/{md5}", "/metrics", "/monitoring", "/palettes", "/"):
        assert nobody.get(signed_url(path, secret)).status_code == 401
        ended = run("sign", path, cwd=folder, env={"PIXMILL_DATA": str(folder / "data")})
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"no signature opens {path}" in ended.stderr
    (url,) = sign(f"/image/{md5}")
    assert nobody.post(url).status_code == 401
    assert nobody.delete(url.replace("/image/", "/images/")).status_code == 401


def test_who_has_a_key_needs_no_signature_and_a_bad_one_does_no_harm(service, md5):
    with service.client() as client:
        answer = client.get(f"/image/{md5}?signature=nonsense")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "private, no-cache"


def test_a_new_secret_ends_old_signatures_when_it_is_told_to(md5, nobody, sign):
    (old,) = sign(f"/image/{md5}")
    (new,) = sign(f"/image/{md5}", "--rotate", "--keep-old", "1h")
    assert old != new
    assert sign(f"/image/{md5}") == [new]
    time.sleep(5.1)  # for so long a service believes what it knows of secrets
    assert [nobody.get(url).status_code for url in (old, new)] == [200, 200]
    assert sign("--rotate", "--keep-old", "0s") == []
    time.sleep(5.1)
    assert [nobody.get(url).status_code for url in (old, new)] == [403, 403]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name a URL to sign, or --rotate"),
        (["nonsense"], "a URL to sign has a path"),
        (["/image/\udcff"], "a URL to sign is UTF-8"),
        (["/image/x"], "there is no catalog in"),
        (["/image/x", "--expires", "soon"], "--expires is a number of s, m, h or d"),
        (["--rotate", "--keep-old", "-1d"], "--keep-old is a number of s, m, h or d"),
    ],
)
def test_an_order_that_makes_no_sense_is_a_sentence(tmp_path, arguments, sentence):
    env = {"PIXMILL_DATA": str(tmp_path / "data")}
    ended = run("sign", *arguments, cwd=tmp_path, env=env)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert not list(tmp_path.iterdir())
