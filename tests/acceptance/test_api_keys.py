"""Who may ask: keys by Basic and Bearer, their scopes and their end, and what is open to all."""

from __future__ import annotations

import http.client
import importlib
import pkgutil
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from fastapi.routing import APIRoute

from pixmill.errors import UsageError
from pixmill.store import SCOPES, open_catalog
from pixmill.web import routes as route_modules
from pixmill.web.auth import BELIEVED_S
from tests import command
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.serving import Service

OPEN = {"/healthz", "/readyz", "/sign-in", "/sign-in/link"}
NO_CREDENTIALS = {
    "errors": ["Authentication credentials were not provided."],
    "code": "unauthorized",
}
MD5 = "0" * 32
PICTURE = plain((255, 0, 0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    # Wrong credentials are tried by the dozen here.
    with serving(folder, env={"PIXMILL_SIGN_IN_RATE": "100000"}) as running:
        yield running


@pytest.fixture
def nobody_asks(service: Service) -> Iterator[httpx.Client]:
    with service.client(auth=None) as client:
        yield client


def make_key(folder: Path, name: str, *scopes: str) -> str:
    """Make a key as `pixmill keys create` does, in the catalog of the running service."""
    with open_catalog(None, folder / "data") as catalog:
        return catalog.keys.add(name, scopes)[1]


def is_refused(answer: httpx.Response) -> bool:
    """Whether an answer asks for credentials, in the words that clients know."""
    asked = answer.headers.get("www-authenticate", "")
    return answer.status_code == 401 and asked.startswith("Basic ") and (
        answer.json() == NO_CREDENTIALS
    )  # fmt: skip


def test_basic_and_bearer_carry_a_key(service: Service, nobody_asks: httpx.Client) -> None:
    name, key = service.credential
    bearer = {"authorization": f"Bearer {key}"}
    loose = {"authorization": f"bearer   {key}"}
    assert nobody_asks.get("/palettes", auth=(name, key)).status_code == 200
    for headers in (bearer, loose):
        assert nobody_asks.get("/palettes", headers=headers).status_code == 200


def test_what_is_no_key_is_401(service: Service, nobody_asks: httpx.Client) -> None:
    """Another name, a key cut short or altered, other schemes, no base64, huge and odd texts."""
    name, key = service.credential
    altered = key[:-1] + ("A" if key[-1] != "A" else "B")
    pairs = [
        ("other", key), ("", key), (name.upper(), key), (name, ""), (name, key[:-1]),
        (name, altered), (name, key + "x"), (key, name), (name, "pm_"), (name, "é" * 100),
    ]  # fmt: skip
    assert all(is_refused(nobody_asks.get("/palettes", auth=pair)) for pair in pairs)
    headers: list[bytes] = [
        b"", b"Basic", b"Bearer", b"Basic !!!", b"Basic Zm9v", b"Basic /////w==", b"Token x",
        f"Digest {key}".encode(), key.encode(), f"Bearer {altered}".encode(), b"Bearer \xff\xfe",
        b"Bearer " + b"x" * 5000, b"Basic " + b"QUFB" * 2000, f"Bearer {key}, x".encode(),
    ]  # fmt: skip
    for header in headers:
        answer = nobody_asks.get("/palettes", headers=[(b"authorization", header)])
        assert is_refused(answer), header
    for cookie in (b"pixmill_session=x", b"pixmill_session=" + b"A" * 43, b"pixmill_session=\xff"):
        assert is_refused(nobody_asks.get("/palettes", headers=[(b"cookie", cookie)])), cookie


def test_a_wrong_key_is_not_helped_by_anything_else(
    service: Service, nobody_asks: httpx.Client
) -> None:
    """Forwarded names, keys in the query or in a body count for nothing."""
    name, key = service.credential
    claims = {"x-forwarded-user": name, "x-key": key, "x-forwarded-for": "127.0.0.1"}
    assert is_refused(nobody_asks.get("/palettes", headers=claims))
    assert is_refused(nobody_asks.get("/palettes", params={"key": key, "access_token": key}))
    assert is_refused(nobody_asks.post("/colours/match", files={"image": PICTURE, "key": key}))


def routes() -> list[tuple[str, str]]:
    """Every method and path that the app has, by the modules of its routes."""
    found = pkgutil.iter_modules(route_modules.__path__, f"{route_modules.__name__}.")
    return sorted(
        (method, route.path.replace("{name}", "css"))
        for module in found
        for route in importlib.import_module(module.name).router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    )


def test_without_credentials_only_the_doors_are_open(
    service: Service, nobody_asks: httpx.Client
) -> None:
    """All routes of the app's routers and of its document, and paths that are none, are 401."""
    name, key = service.credential
    document = nobody_asks.get("/openapi.json", auth=(name, key)).json()
    documented = {
        (method.upper(), path.replace("{name}", "css"))
        for path, operations in document["paths"].items()
        for method in operations
    }
    known = routes()
    assert documented <= set(known)
    others = [("GET", "/openapi.json"), ("GET", "/nothing"), ("GET", "/static"), ("GET", "//")]
    closed = [(m, p) for m, p in [*known, *others] if p not in OPEN]
    assert len(closed) >= 17
    for method, path in closed:
        answer = nobody_asks.request(method, path, content=b"x")
        refused = answer.status_code == 401 if method == "HEAD" else is_refused(answer)
        assert refused, (method, path)
    for path in sorted(OPEN):
        assert nobody_asks.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "path",
    [
        "//healthz", "/healthz/../palettes", "/static/../palettes", "/static/..%2f..%2fgate.py",
        "/static/%2e%2e/gate.py", "/healthz%2f..%2fpalettes", "/healthz;/palettes", "/HEALTHZ",
        "/static//etc/passwd", "/static/..%5cgate.py", "/sign-in/../palettes", "/healthz%00",
        "/static/%00", "/static/" + "a" * 3000,
    ],
)  # fmt: skip
def test_no_spelling_of_an_open_path_opens_another(path: str, service: Service) -> None:
    """Sent as they are, which no client library does."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in {401, 404}, path
    assert b"palettes" not in body
    assert b"import" not in body


def test_what_the_sign_in_page_is_drawn_with_is_open(nobody_asks: httpx.Client) -> None:
    page = nobody_asks.get("/sign-in").text
    assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert assets
    for asset in assets:
        assert nobody_asks.get(asset).status_code == 200


def test_a_browser_is_led_to_the_sign_in_page(nobody_asks: httpx.Client) -> None:
    page = {"accept": "text/html,application/xhtml+xml;q=0.9"}
    for path, target in (("/", "/"), ("/docs", "/docs"), ("/a%22b?x=1", "/a%22b%3Fx%3D1")):
        answer = nobody_asks.get(path, headers=page)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={target}")
    far = nobody_asks.get(f"/gallery?cursor={'x' * 2000}", headers=page)
    assert far.headers["location"] == "/sign-in?next=/gallery"
    assert is_refused(nobody_asks.post("/colours/match", headers=page, content=PICTURE))


def test_where_programs_ask_nobody_is_led_elsewhere(nobody_asks: httpx.Client) -> None:
    page = {"accept": "text/html"}
    for path in ("/colours/match?url=x", "/colors/top", "/palettes", "/images", "/openapi.json"):
        assert is_refused(nobody_asks.get(path, headers=page)), path


def test_head_is_answered_wherever_get_is(nobody_asks: httpx.Client) -> None:
    answer = nobody_asks.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == nobody_asks.get("/healthz").headers["content-length"]
    assert nobody_asks.head("/sign-in").status_code == 200
    assert nobody_asks.head("/palettes").status_code == 401


def test_a_long_content_type_is_refused_before_it_is_parsed(nobody_asks: httpx.Client) -> None:
    """Its parser takes time with the square of the length, for everybody."""
    kind = {"content-type": 'multipart/form-data; boundary=x; a="' + ";" * 60_000}
    answer = nobody_asks.post("/sign-in", headers=kind, content=b"")
    assert (answer.status_code, answer.json()["code"]) == (415, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/colours/match", {"match"}),
        ("POST", "/colors/match", {"match"}),
        ("GET", "/colors/top", {"match"}),
        ("POST", "/colors/dominant", {"match"}),
        ("GET", "/console/look", {"match"}),
        ("GET", "/palettes", {"read", "match"}),
        ("GET", "/palettes/css", {"read", "match"}),
        ("PUT", "/palettes/mine", {"write"}),
        ("DELETE", "/palettes/nobodys", {"write"}),
        ("GET", "/metrics", {"metrics"}),
        ("GET", f"/image/{MD5}", {"read"}),
        ("GET", "/images", {"read"}),
        ("POST", "/images", {"write"}),
        ("GET", f"/images/{MD5}", {"read"}),
        ("DELETE", f"/images/{MD5}", {"admin"}),
        ("GET", f"/images/{MD5}/original", {"read"}),
        ("GET", f"/images/{MD5}/render", {"read"}),
        ("POST", f"/images/{MD5}/operations", set()),  # takes two, see below
        ("GET", "/render", {"match"}),
        ("GET", "/jobs", {"jobs"}),
        ("POST", "/jobs", {"jobs"}),
        ("GET", f"/jobs/{MD5}", {"jobs"}),
        ("DELETE", f"/jobs/{MD5}", {"jobs"}),
        ("POST", f"/jobs/{MD5}/retry", {"jobs"}),
        ("GET", f"/jobs/{MD5}/events", {"jobs"}),
        ("GET", f"/jobs/{MD5}/result", {"jobs"}),
        ("GET", f"/jobs/{MD5}/errors", {"jobs"}),
        ("GET", "/monitoring", {"read"}),
        ("GET", "/keys", {"admin"}),
        ("POST", "/keys", {"admin"}),
        ("DELETE", "/keys/nobodys", {"admin"}),
    ],
)
def test_a_key_without_the_scope_is_403(
    method: str, path: str, scopes: set[str], folder: Path, nobody_asks: httpx.Client
) -> None:
    """Each scope alone: those that are needed pass, as does admin, the others are told why not."""
    for scope in SCOPES:
        name = f"{scope}{time.monotonic_ns()}"
        key = make_key(folder, name, scope)
        answer = nobody_asks.request(method, path, auth=(name, key), content=b"[]")
        if scope in scopes or scope == "admin":
            assert answer.status_code not in {401, 403}, scope
            continue
        assert answer.status_code == 403, scope
        (sentence,) = answer.json()["errors"]
        assert answer.json()["code"] == "forbidden"
        assert sentence.startswith("This key has not the scope ")
        assert all(name in sentence for name in scopes)


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        (["jobs"], 403),
        (["read", "write", "match", "metrics"], 403),
        (["jobs", "read"], 404),
        (["jobs", "write"], 404),
    ],
)
def test_operations_are_for_who_may_see_or_send_images(
    scopes: list[str], status: int, folder: Path, nobody_asks: httpx.Client
) -> None:
    """With jobs alone whoever knows an MD5 would have the image as a result."""
    name = f"operator{time.monotonic_ns()}"
    key = make_key(folder, name, *scopes)
    path = f"/images/{MD5}/operations"
    answer = nobody_asks.post(path, auth=(name, key), json={"operations": ["flip"]})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.org"}, 403),
        ({"Origin": "https://other.example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://other.example.org", "X-CSRF-Token": "any"}, 404),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "none"}, 404),
        ({}, 404),
    ],
)
def test_a_page_of_another_site_can_not_use_the_key_that_a_browser_remembers(
    headers: dict[str, str], status: int, folder: Path, nobody_asks: httpx.Client
) -> None:
    name = f"remembered{time.monotonic_ns()}"
    auth = name, make_key(folder, name, "write")
    answer = nobody_asks.delete("/palettes/nobodys", auth=auth, headers=headers)
    assert answer.status_code == status
    own = {"Origin": str(nobody_asks.base_url).rstrip("/")}
    assert nobody_asks.delete("/palettes/nobodys", auth=auth, headers=own).status_code == 404
    assert nobody_asks.get("/healthz", auth=auth, headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["pm_abcdefgh", "pm_", "pm_x"])
def test_no_key_has_a_name_that_looks_like_a_prefix(name: str, folder: Path) -> None:
    """It would be revoked in the place of the key that has that prefix."""
    with pytest.raises(UsageError, match="does not begin with pm_"):
        make_key(folder, name, "read")


def test_a_revoked_key_ends_soon(folder: Path, nobody_asks: httpx.Client) -> None:
    """It may be believed for as long as is documented, and not a request longer."""
    key = make_key(folder, "leaving", "read")
    assert nobody_asks.get("/palettes", auth=("leaving", key)).status_code == 200
    done = command.run(
        "keys", "revoke", "leaving", cwd=folder, env={"PIXMILL_DATA": str(folder / "data")}
    )
    assert done.returncode == 0, done.stderr
    time.sleep(BELIEVED_S + 0.2)
    assert is_refused(nobody_asks.get("/palettes", auth=("leaving", key)))


def test_a_key_made_while_it_serves_works_at_once(folder: Path, nobody_asks: httpx.Client) -> None:
    """Also one that was asked with before it was there: a refusal is not remembered."""
    assert is_refused(nobody_asks.get("/palettes", auth=("new", "pm_aaaaaaaa_" + "A" * 43)))
    key = make_key(folder, "new", "read")
    assert nobody_asks.get("/palettes", auth=("new", key)).status_code == 200


def test_a_browsers_script_is_told_so_without_a_dialog(nobody_asks: httpx.Client) -> None:
    """Its page leads to the sign-in form instead."""
    answer = nobody_asks.get("/palettes", headers={"sec-fetch-dest": "empty"})
    assert (answer.status_code, answer.json()) == (401, NO_CREDENTIALS)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
