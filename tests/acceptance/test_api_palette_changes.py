"""Palettes that change while they are used: conditions, rivals, bounds, and matches meanwhile."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pixmill.color.palette import Entry, Palette
from pixmill.color.palette_files import write_palette
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

OURS = Palette(
    "ours",
    (
        Entry("brick", (178, 34, 34), id="4711", synonyms=("house red",)),
        Entry("Möwe, grau", (190, 195, 200), id="0815"),
        Entry("sea", (0, 105, 148)),
    ),
)
CONFLICT = {
    "errors": ["The palette that stands there is not the one expected"],
    "code": "conflict",
}
_numbers = iter(range(10**6))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("api")) as service, service.client() as client:
        yield client


@pytest.fixture
def place() -> str:
    """The path of a palette that no other test has."""
    return f"/palettes/palette{next(_numbers)}"


def document(*colors: tuple[str, str]) -> bytes:
    return json.dumps([{"name": name, "hex": value} for name, value in colors]).encode()


def matched(api: httpx.Client, place: str, rgb: tuple[int, int, int], **query: str) -> Any:
    """What a palette calls a color."""
    query = {"palette": place.rpartition("/")[2], "max_distance": "9", **query}
    answer = api.post("/colours/match", content=plain(rgb), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["match"]["nearest"]


def test_conditions_are_held_to(api: httpx.Client, place: str) -> None:
    """If-None-Match: * makes, If-Match changes what was seen; all else is 412 and changes nothing.

    RFC 9110, sections 13.1.1 and 13.1.2.
    """

    def put(color: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return api.put(place, content=document(("it", color)), headers=named)

    missing = [put("#000000", if_match=text) for text in ("*", '"1"', '"0"', "0")]
    assert [(answer.status_code, answer.json()) for answer in missing] == [(412, CONFLICT)] * 4
    assert api.get(place).status_code == 404
    first = put("#111111", if_none_match="*")
    assert first.status_code == 200
    etag = first.headers["etag"]
    for answer in (
        put("#000000", if_none_match="*"), put("#000000", if_match='"0"'),
        put("#000000", if_match='"999999"'), put("#000000", if_match='"x"'),
        put("#000000", if_match="9" * 500), put("#000000", if_match=f"W/{etag}"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()) == (412, CONFLICT)
    assert put("#000000", if_none_match=etag).status_code == 400
    assert matched(api, place, (0, 0, 0))["hex"] == "#111111"
    second = put("#222222", if_match=etag)
    assert second.status_code == 200
    assert second.headers["etag"] != etag
    assert put("#000000", if_match=etag).status_code == 412
    assert put("#333333", if_match="*").status_code == 200
    assert put("#444444").status_code == 200
    assert matched(api, place, (0, 0, 0))["hex"] == "#444444"


def test_of_many_who_change_what_they_saw_one_does(api: httpx.Client, place: str) -> None:
    etag = api.put(place, content=document(("it", "#000000"))).headers["etag"]
    answers: list[int] = []

    def change(number: int) -> None:
        data = document(("it", f"#{number:06X}"))
        answer = api.put(place, content=data, headers={"if-match": etag})
        answers.append(answer.status_code)

    threads = [threading.Thread(target=change, args=[n]) for n in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(200) == 1
    assert set(answers) <= {200, 412, 503}  # the last where too many came at once


def test_few_documents_come_in_at_once(api: httpx.Client, place: str) -> None:
    """While four are under way, each as slow as it may be, a fifth is refused at once."""
    made = api.build_request("PUT", place, headers={"content-length": "1000"})
    assert api.auth is not None
    signed = next(api.auth.sync_auth_flow(made))
    lines = [f"{name}: {value}" for name, value in signed.headers.items()]
    head = "\r\n".join([f"PUT {place} HTTP/1.1", *lines, "", ""])
    where = (api.base_url.host, api.base_url.port)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(where)) for _ in range(5)]
        for sock in slow:
            sock.sendall(head.encode())
        (refused,) = select.select(slow, [], [], 30)[0]
        assert refused.recv(100).startswith(b"HTTP/1.1 503 ")
        answer = api.put(place, content=document(("a", "#123456")))
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        assert api.get("/palettes").status_code == 200
    answers = (api.put(place, content=document(("a", "#123456"))) for _ in range(100))
    assert next(answer for answer in answers if answer.status_code == 200)


def test_a_changed_palette_answers_anew_at_once(api: httpx.Client, place: str) -> None:
    """By every metric; the picture itself is not computed again."""
    for name, color in (("one", "#FF0000"), ("two", "#FE0000"), ("three", "#00FF00")) * 2:
        assert api.put(place, content=document((name, color))).status_code == 200
        for space in ("srgb", "ciede2000"):
            found = matched(api, place, (255, 0, 0), colour_space=space, max_distance="999")
            assert (found["name"], found["hex"]) == (name, color)
    api.delete(place)
    api.put(place, content=document(("four", "#0000FF")))
    assert matched(api, place, (255, 0, 0))["name"] == "four"


def test_palettes_outlive_the_service(tmp_path: Path) -> None:
    """Also one that was killed."""
    with serving(tmp_path) as service, service.client() as client:
        client.put("/palettes/ours", content=write_palette(OURS, "json"))
        credential = service.credential
    with serving(tmp_path) as service, service.client(auth=credential) as client:
        assert matched(client, "/palettes/ours", (178, 34, 34))["id"] == "4711"


def test_what_was_read_is_what_is_replaced_or_dropped(api, place):
    api.put(place, content=document(("one", "#111111"))).raise_for_status()
    tag = api.get(place).headers["ETag"]
    assert api.delete(place, headers={"If-Match": '"999999"'}).status_code == 412
    api.put(place, content=document(("two", "#222222")), headers={"If-Match": tag})
    assert api.delete(place, headers={"If-Match": tag}).json() == CONFLICT
    tag = api.get(place).headers["ETag"]
    assert api.delete(place, headers={"If-Match": tag}).status_code == 204
    assert "ETag" not in api.get("/palettes/css").headers


def test_of_a_drop_and_a_change_of_the_same_revision_one_is_refused(api, place):
    for _ in range(20):
        api.put(place, content=document(("one", "#111111"))).raise_for_status()
        seen = {"If-Match": api.get(place).headers["ETag"]}
        with ThreadPoolExecutor(2) as both:
            dropped = both.submit(api.delete, place, headers=seen)
            changed = both.submit(
                api.put, place, content=document(("two", "#222222")), headers=seen
            )
        told = {dropped.result().status_code, changed.result().status_code}
        assert told in ({204, 412}, {412, 200}), told
