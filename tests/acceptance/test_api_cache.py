"""Answers again: what is fetched and computed once, what anew, and what may not be kept."""

from __future__ import annotations

import random
import re
import threading
from typing import TYPE_CHECKING

import pytest

from tests import origin as o
from tests.pictures import plain, png
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.origin import Origin

_numbers = iter(range(10**6))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("api")) as service, service.client() as client:
        yield client


@pytest.fixture
def picture() -> bytes:
    """A picture that no other test has asked for."""
    number = next(_numbers)
    return plain((number & 255, 128, number >> 8))


def match(api: httpx.Client, url: str, **query: str) -> str:
    """Match a URL and give the color's hex."""
    wide = {"max_distance": "9", **query}
    answer = api.get("/colours/match", params={"url": url, **wide})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["match"]["color"]["hex"])


def counts(api: httpx.Client) -> dict[str, int]:
    """Lookups that hit and missed, and how many images were computed."""
    text = api.get("/metrics").text
    patterns = {
        "hit": r'pixmill_answers_total\{result="hit"\} (\S+)',
        "miss": r'pixmill_answers_total\{result="miss"\} (\S+)',
        "computed": r'pixmill_stage_seconds_count\{stage="computing"\} (\S+)',
    }
    found = {name: re.search(pattern, text) for name, pattern in patterns.items()}
    return {name: int(float(hit[1])) for name, hit in found.items() if hit}


class Counting:
    """What the metrics gained since it was made."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self._before = counts(api)

    def gained(self) -> dict[str, int]:
        now = counts(self._api)
        return {name: now[name] - self._before[name] for name in now}


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "max-age=600"},
        {"Cache-Control": "private, max-age=600"},
        {"Expires": "Fri, 31 Dec 2100 23:59:59 GMT"},
    ],
)
def test_a_fresh_url_is_fetched_once(
    headers: dict[str, str], api: httpx.Client, origin: Origin, picture: bytes
) -> None:
    url = origin.serve("/a", picture, headers=headers)
    counting = Counting(api)
    assert match(api, url) == match(api, url)
    assert origin.hits("/a") == 1
    assert counting.gained() == {"hit": 1, "miss": 1, "computed": 1}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cache-Control": "no-store, max-age=600"},
        {"Cache-Control": "max-age=0"},
        {"Cache-Control": "no-cache"},
        {"Cache-Control": "max-age=600", "Vary": "*"},
        {"Cache-Control": "max-age=600", "Age": "601"},
        {"Cache-Control": "max-age=nonsense"},
        {"Expires": "0"},
    ],
)
def test_what_is_not_fresh_is_fetched_again(
    headers: dict[str, str], api: httpx.Client, origin: Origin, picture: bytes
) -> None:
    """And computed once nevertheless, as long as its bytes stay the same."""
    url = origin.serve("/a", picture, headers=headers)
    counting = Counting(api)
    assert match(api, url) == match(api, url)
    assert origin.hits("/a") == 2
    assert counting.gained() == {"hit": 1, "miss": 1, "computed": 1}


@pytest.mark.parametrize(
    ("validator", "header"),
    [
        ({"ETag": '"one"'}, ("if-none-match", '"one"')),
        ({"ETag": 'W/"weak"'}, ("if-none-match", 'W/"weak"')),
        (
            {"Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT"},
            ("if-modified-since", "Sat, 21 Nov 2026 10:00:00 GMT"),
        ),
    ],
)
def test_a_validator_is_sent_back_and_304_is_honored(
    validator: dict[str, str],
    header: tuple[str, str],
    api: httpx.Client,
    origin: Origin,
    picture: bytes,
) -> None:
    """Also the third time; and a 304 may make the answer fresh."""
    fresh = {"Cache-Control": "max-age=600"}
    url = origin.on(
        "/a",
        o.answer(picture, headers=validator),
        o.answer(status=304),
        o.answer(status=304, headers=fresh),
        o.answer(b"nobody asks", 500),
    )
    counting = Counting(api)
    assert len({match(api, url) for _ in range(5)}) == 1
    sent = [request.headers.get(header[0]) for request in origin.requests]
    assert sent == [None, header[1], header[1]]
    assert counting.gained()["computed"] == 1


def test_a_picture_that_changed_is_computed_anew(api: httpx.Client, origin: Origin) -> None:
    etag = {"ETag": '"one"'}
    red, blue = plain((255, 0, 0)), plain((0, 0, 255))
    url = origin.on("/a", o.answer(red, headers=etag), o.answer(blue, headers={"ETag": '"two"'}))
    assert [match(api, url) for _ in range(3)] == ["#FF0000", "#0000FF", "#0000FF"]
    sent = [request.headers.get("if-none-match") for request in origin.requests]
    assert sent == [None, '"one"', '"two"']


def test_a_validator_can_send_no_header_of_its_own(
    api: httpx.Client, origin: Origin, picture: bytes
) -> None:
    url = origin.serve("/a", picture, headers={"ETag": '"\xff\xfe\t"'})
    assert match(api, url) == match(api, url)
    assert origin.hits("/a") == 2
    assert "if-none-match" not in origin.requests[1].headers


def test_a_304_that_nobody_asked_for_is_no_picture(api: httpx.Client, origin: Origin) -> None:
    answer = api.get("/colours/match", params={"url": origin.on("/a", o.answer(status=304))})
    assert answer.json()["errors"] == ["Could not fetch the URL given, status code was 304"]


def test_redirects_are_not_remembered(api: httpx.Client, origin: Origin) -> None:
    """Where they lead may change, however long the picture behind them is fresh."""
    fresh = {"Cache-Control": "max-age=600", "ETag": '"one"'}
    origin.serve("/red", plain((255, 0, 0)), headers=fresh)
    origin.serve("/blue", plain((0, 0, 255)), headers=fresh)
    url = origin.on("/a", o.redirect("/red"), o.redirect("/blue"))
    assert [match(api, url), match(api, url)] == ["#FF0000", "#0000FF"]
    assert all("if-none-match" not in request.headers for request in origin.requests)


def test_a_kept_url_that_begins_to_redirect_is_not_confirmed_by_another(
    api: httpx.Client, origin: Origin
) -> None:
    """A 304 of where it leads to says nothing of what was kept."""
    blue = plain((0, 0, 255))
    origin.on("/b", o.answer(status=304), o.answer(blue))
    first = o.answer(plain((255, 0, 0)), headers={"ETag": '"one"'})
    url = origin.on("/a", first, o.redirect("/b"))
    assert [match(api, url), match(api, url)] == ["#FF0000", "#0000FF"]


def test_a_failure_is_not_remembered(api: httpx.Client, origin: Origin, picture: bytes) -> None:
    fresh = {"Cache-Control": "max-age=600"}
    url = origin.on(
        "/a",
        o.answer(b"gone", 404, headers=fresh),
        o.answer(b"no image", headers=fresh),
        o.answer(picture, headers=fresh),
    )
    codes = [api.get("/colours/match", params={"url": url}).json()["code"] for _ in range(2)]
    assert codes == ["http_error", "unsupported_format"]
    match(api, url)


def test_other_parameters_are_computed_anew(api: httpx.Client, picture: bytes) -> None:
    """But for those of the palette, which a kept answer serves as well."""
    counting = Counting(api)
    asked: list[tuple[str, dict[str, str]]] = [
        ("/colours/match", {}),
        ("/colours/match", {"colour_space": "lab", "max_distance": "1"}),
        ("/colors/match", {"summariser": "mean"}),
        ("/colors/top", {}),
        ("/colors/top", {"n": "4"}),
        ("/colors/top", {"n": "4", "alpha": "ignore"}),
        ("/colors/dominant", {"n": "2"}),
    ]
    for path, query in asked * 2:
        assert api.post(path, content=picture, params=query).status_code in {200, 404}
    assert counting.gained() == {"computed": 6, "miss": 6, "hit": 8}


def test_the_same_bytes_are_computed_once_by_whatever_door(
    api: httpx.Client, origin: Origin, picture: bytes
) -> None:
    counting = Counting(api)
    api.post("/colours/match", content=picture)
    api.post("/colours/match", files={"image": ("another name", picture)})
    match(api, origin.serve("/a", picture))
    match(api, origin.serve("/b", picture))
    assert counting.gained() == {"computed": 1, "miss": 1, "hit": 3}


def test_the_same_upload_by_many_at_once_is_computed_once(api: httpx.Client) -> None:
    """It takes long enough for all to come while the first is at work."""
    large = png(random.Random(5), 700, 700, colors=200)
    counting = Counting(api)
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(api.post("/colors/top", content=large)))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert counting.gained()["computed"] == 1


def test_what_is_kept_is_bounded_in_bytes(tmp_path: Path, origin: Origin) -> None:
    """With room for a few answers the first of many is gone, and the last still there."""
    fresh = {"Cache-Control": "max-age=600"}
    urls = [origin.serve(f"/many/{n}", plain((n, 0, 200)), headers=fresh) for n in range(40)]
    env = {"PIXMILL_ANSWERS_BYTES": "8K"}
    with serving(tmp_path, env=env) as service, service.client() as client:
        for url in urls:
            match(client, url)
        match(client, urls[-1])
        assert origin.hits("/many/39") == 1
        match(client, urls[0])
        assert origin.hits("/many/0") == 2


def test_nothing_is_kept_where_there_is_no_room_at_all(tmp_path: Path, origin: Origin) -> None:
    url = origin.serve("/a", plain((1, 2, 3)), headers={"Cache-Control": "max-age=600"})
    env = {"PIXMILL_ANSWERS_BYTES": "0"}
    with serving(tmp_path, env=env) as service, service.client() as client:
        assert match(client, url) == match(client, url)
        assert origin.hits("/a") == 2
