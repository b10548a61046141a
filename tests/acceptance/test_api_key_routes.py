"""`/keys`: made, listed and revoked over HTTP, by keys with the scope `admin` alone."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from pixmill.store import SCOPES, open_catalog
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.serving import Service


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with serving(folder) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened


def listed(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """The live keys by name."""
    answer = client.get("/keys")
    assert answer.status_code == 200
    return {key["name"]: key for key in answer.json()["keys"] if not key["revoked_at"]}


def test_a_key_is_made_listed_used_and_revoked(client: httpx.Client) -> None:
    made = client.post("/keys", json={"name": "shop", "scopes": ["jobs", "match"]})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    told = made.json()
    text = told.pop("key")
    assert text.startswith(f"{told['prefix']}_")
    assert (told["name"], told["scopes"], told["revoked_at"]) == ("shop", ["match", "jobs"], None)
    assert listed(client)["shop"] == told
    assert text not in client.get("/keys").text
    assert client.get("/jobs", auth=("shop", text)).status_code == 200
    assert client.get("/images", auth=("shop", text)).status_code == 403
    gone = client.delete("/keys/shop")
    assert gone.status_code == 200
    assert gone.json() == {**told, "revoked_at": gone.json()["revoked_at"]}
    assert gone.json()["revoked_at"]
    assert client.get("/jobs", auth=("shop", text)).status_code == 401  # at once where it serves
    assert "shop" not in listed(client)
    assert client.delete("/keys/shop").status_code == 404


def test_without_scopes_a_key_has_those_of_the_command(client: httpx.Client) -> None:
    made = client.post("/keys", json={"name": "usual"}).json()
    assert made["scopes"] == ["read", "match", "write", "jobs"]


def test_a_key_is_revoked_by_what_the_list_calls_it_too(client: httpx.Client) -> None:
    made = client.post("/keys", json={"name": "..", "scopes": ["read"]}).json()
    assert client.delete(f"/keys/{made['prefix']}").json()["name"] == ".."
    for unknown in ("pm_00000000", "x" * 2000, "%00", "%F0%9F%8E%A8", "'; drop table keys"):
        answer = client.delete(f"/keys/{unknown}")
        assert answer.status_code == 404, unknown
        assert answer.json()["errors"] == ["There is no live key of that name or prefix"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is a JSON object"),
        (b"\xff", "The body is a JSON object"),
        (b"[" * 50_000, "The body is a JSON object"),
        (b"[]", "The body is a JSON object"),
        (b"{}", "Name is a text, and scopes are a list of texts"),
        (b'{"name": 7}', "Name is a text, and scopes are a list of texts"),
        (b'{"name": "a", "scopes": "read"}', "Name is a text, and scopes are a list of texts"),
        (b'{"name": "a", "scopes": null}', "Name is a text, and scopes are a list of texts"),
        (b'{"name": "a", "scopes": [1]}', "Name is a text, and scopes are a list of texts"),
        (b'{"name": "a", "scopes": []}', "A key's scopes are of read, match"),
        (b'{"name": "a", "scopes": ["root"]}', "A key's scopes are of read, match"),
        (b'{"name": "", "scopes": ["read"]}', "A key's name is 1 to 100 letters"),
        (b'{"name": "a b\\u0000", "scopes": ["read"]}', "A key's name is 1 to 100 letters"),
        (b'{"name": "\\ud800"}', "A key's name is 1 to 100 letters"),
    ],
)
def test_what_is_no_key_to_be_is_told(client: httpx.Client, body: bytes, sentence: str) -> None:
    answer = client.post("/keys", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0].startswith(sentence)


def test_a_body_that_a_foreign_page_could_send_is_not_read(client: httpx.Client) -> None:
    document = json.dumps({"name": "sly", "scopes": ["admin"]})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post("/keys", content=document, headers={"content-type": kind})
        assert answer.status_code == 415, kind
    huge = client.post("/keys", json={"name": "x" * 100_000})
    assert (huge.status_code, huge.json()["code"]) == (413, "too_many_bytes")
    assert "sly" not in listed(client)


def test_the_name_of_a_live_key_is_a_conflict(client: httpx.Client) -> None:
    assert client.post("/keys", json={"name": "twin"}).status_code == 201
    again = client.post("/keys", json={"name": "twin"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    (sentence,) = again.json()["errors"]
    assert sentence.startswith("There is a key twin already")


def test_the_last_key_with_the_scope_admin_stays(client: httpx.Client, service: Service) -> None:
    name, _ = service.credential
    kept = client.delete(f"/keys/{name}")
    assert (kept.status_code, kept.json()["code"]) == (409, "conflict")
    assert kept.json()["errors"] == [
        f"The key {name} is the last one with the scope admin; make another one first"
    ]
    assert client.get("/keys").status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_only_admins_may(client: httpx.Client, folder: Path, method: str) -> None:
    others = [scope for scope in SCOPES if scope != "admin"]
    with open_catalog(None, folder / "data") as catalog:
        _, text = catalog.keys.add(f"all-but-{method}", others)
    path = "/keys/usual" if method == "DELETE" else "/keys"
    answer = client.request(method, path, auth=(f"all-but-{method}", text))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_browser_is_shown_pages_for_the_list_and_for_its_refusal(
    client: httpx.Client, folder: Path
) -> None:
    page = {"accept": "text/html,*/*;q=0.8"}
    shown = client.get("/keys", headers=page)
    assert shown.headers["content-type"].startswith("text/html")
    assert "<h1>Keys</h1>" in shown.text
    with open_catalog(None, folder / "data") as catalog:
        _, text = catalog.keys.add("reader", ["read"])
    basic = base64.b64encode(f"reader:{text}".encode()).decode()
    refused = client.get("/keys", headers={**page, "authorization": f"Basic {basic}"}, auth=None)
    assert refused.status_code == 403
    assert refused.headers["content-type"].startswith("text/html")
    assert "This key has not the scope admin" in refused.text
    assert "ratelimit-limit" in refused.headers
    lost = client.get(f"/gallery/{'0' * 32}", headers=page)
    assert (lost.status_code, "There is no such image" in lost.text) == (404, True)
    assert lost.headers["content-type"].startswith("text/html")


def test_a_stranger_is_led_to_the_door_or_told(service: Service) -> None:
    with service.client(auth=None) as stranger:
        led = stranger.get("/keys", headers={"accept": "text/html"})
        assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=/keys")
        assert stranger.get("/keys").status_code == 401
        assert stranger.post("/keys", json={"name": "a"}).status_code == 401
        assert stranger.delete("/keys/usual").status_code == 401
