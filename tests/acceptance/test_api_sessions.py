"""Signing in with a browser: by a key, by the link of the first start, and out again."""

from __future__ import annotations

import re
import threading
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

import httpx
import pytest

from pixmill.store import open_catalog
from pixmill.web.auth import COOKIE, csrf_token
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Service

PICTURE = plain((255, 0, 0))
FORM_COOKIE = "pixmill_form"
OLD_PAGE = {"errors": ["This page is out of date; load it again"], "code": "forbidden"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    env = {"PIXMILL_SIGN_IN_RATE": "100000"}
    # This machine is the proxy; what it does not say of itself counts as before.
    with serving(folder, "--trusted-proxy", "127.0.0.0/8", env=env) as running:
        yield running


@pytest.fixture
def browser(service: Service) -> Iterator[httpx.Client]:
    """Keeps cookies, as a browser does, and sends no key."""
    with service.client(auth=None) as client:
        yield client


def token_in(page: httpx.Response) -> str:
    found = re.search(r'name="csrf_token" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


def sign_in(browser: httpx.Client, key: str, following: str = "/") -> httpx.Response:
    token = token_in(browser.get("/sign-in", params={"next": following}))
    return browser.post("/sign-in", data={"key": key, "csrf_token": token, "next": following})


def cookie_of(answer: httpx.Response, name: str) -> dict[str, object]:
    """The flags of a cookie that an answer sets, without its secret."""
    jar: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        jar.load(line)
    flags = {flag: value for flag, value in jar[name].items() if value and flag != "expires"}
    return {"empty": not jar[name].value.strip('"'), **flags}


def test_a_key_starts_a_session(service: Service, browser: httpx.Client) -> None:
    """Whose cookie alone opens the pages and what they ask for."""
    answer = sign_in(browser, f" {service.credential[1]}\n", "/docs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    assert cookie_of(answer, COOKIE) == {
        "empty": False,
        "httponly": True,
        "samesite": "strict",
        "path": "/",
        "max-age": str(7 * 86_400),
    }
    assert service.credential[1] not in str(answer.headers)
    for path in ("/", "/docs", "/palettes", "/openapi.json"):
        assert browser.get(path).status_code == 200, path
    (session,) = (cookie.value for cookie in browser.cookies.jar if cookie.name == COOKIE)
    assert session is not None
    assert csrf_token(session) in browser.get("/").text
    assert session not in browser.get("/").text


def test_behind_a_trusted_proxy_with_tls_cookies_are_secure(
    service: Service, browser: httpx.Client
) -> None:
    tls = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.7"}
    page = browser.get("/sign-in", headers=tls)
    assert cookie_of(page, FORM_COOKIE)["secure"] is True
    assert "strict-transport-security" in page.headers
    (form,) = (cookie.value for cookie in browser.cookies.jar)
    answer = browser.post(
        "/sign-in",
        data={"key": service.credential[1], "csrf_token": token_in(page)},
        headers={**tls, "cookie": f"{FORM_COOKIE}={form}"},
    )
    assert answer.status_code == 303
    assert cookie_of(answer, COOKIE)["secure"] is True


def test_the_form_is_held_to_its_page(service: Service, browser: httpx.Client) -> None:
    """A form without a token, with another's or without the cookie starts nothing."""
    key = service.credential[1]
    page = browser.get("/sign-in")
    flags = {"empty": False, "httponly": True, "samesite": "strict", "path": "/", "max-age": "3600"}
    assert cookie_of(page, FORM_COOKIE) == flags
    with service.client(auth=None) as stranger:
        foreign = token_in(stranger.get("/sign-in"))
    for token in ("", "x", foreign, csrf_token(""), "é", "\0"):
        answer = browser.post("/sign-in", data={"key": key, "csrf_token": token})
        assert answer.status_code == 403
        assert OLD_PAGE["errors"][0] in answer.text
        assert COOKIE not in answer.headers.get("set-cookie", "")
    with service.client(auth=None) as stranger:
        answer = stranger.post("/sign-in", data={"key": key, "csrf_token": token_in(page)})
        assert answer.status_code == 403
    assert browser.post("/sign-in", data={"key": key, "csrf_token": token_in(page)}).is_redirect


@pytest.mark.parametrize(
    "key", ["", "x", "pm_aaaaaaaa_" + "A" * 43, "<script>", "é" * 200, "a\0b", "'; drop table keys"]
)
def test_a_wrong_key_shows_the_form_again(key: str, browser: httpx.Client) -> None:
    answer = sign_in(browser, key)
    assert answer.status_code == 401
    assert "There is no such key, or it was revoked" in answer.text
    assert "<script>" not in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


def test_a_form_of_another_shape_is_400(browser: httpx.Client) -> None:
    """Fields that are files, too long, twice, or no form at all: never a defect of ours."""
    token = token_in(browser.get("/sign-in"))
    forms: list[dict[str, object]] = [
        {"files": {"key": ("k", b"x"), "csrf_token": ("t", b"x")}},
        {"data": {"key": "x" * 2000, "csrf_token": token}},
        {"data": {"key": "x", "csrf_token": "y" * 2000}},
        {"data": {"key": "x", "csrf_token": token, "next": "z" * 2000}},
    ]
    for form in forms:
        answer = browser.post("/sign-in", **form)
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_request"
    for headers in ({"content-type": "application/json"}, {"content-type": "multipart/form-data"}):
        answer = browser.post("/sign-in", content=b"{", headers=headers)
        assert answer.status_code in {400, 403}
    assert browser.post("/sign-in", content=b"k" * 2**17).status_code == 413


@pytest.mark.parametrize(
    "following",
    [
        "//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "evil",
        "/\t/evil.example", "/\r\nX-Evil: 1", "javascript:alert(1)", "", "///evil.example",
        "/a\\b", "/\u2028", " //evil.example", "http:evil.example", "/\x00//evil.example",
    ],
)  # fmt: skip
def test_no_sign_in_leads_to_another_site(
    following: str, service: Service, browser: httpx.Client
) -> None:
    answer = sign_in(browser, service.credential[1], following)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "x-evil" not in answer.headers


def test_a_session_may_not_send_without_its_token(service: Service, browser: httpx.Client) -> None:
    """What a foreign page could make a browser send is refused; reading needs no token."""
    sign_in(browser, service.credential[1])
    (session,) = (cookie.value for cookie in browser.cookies.jar if cookie.name == COOKIE)
    wrong: list[dict[str, str]] = [
        {},
        {"x-csrf-token": ""},
        {"x-csrf-token": "x"},
        {"x-csrf-token": csrf_token("another")},
        {"x-csrf-token": str(session)},
        {"origin": service.url, "sec-fetch-site": "same-origin"},
    ]
    for headers in wrong:
        for method, path in (
            ("POST", "/colours/match"), ("POST", "/console/look"), ("POST", "/colors/top"),
            ("PUT", "/palettes/x"), ("DELETE", "/palettes/x"), ("POST", "/nothing"),
        ):  # fmt: skip
            answer = browser.request(method, path, content=PICTURE, headers=headers)
            assert (answer.status_code, answer.json()) == (403, OLD_PAGE), (method, path, headers)
    assert browser.get("/palettes").status_code == 200
    right = {"x-csrf-token": csrf_token(str(session))}
    answer = browser.post("/colours/match", content=PICTURE, headers=right)
    assert answer.json()["colour"] == "red"
    answer = browser.post("/console/look", files={"image": PICTURE}, headers=right)
    assert answer.json()["match"]["nearest"]["name"] == "red"


def test_a_wrong_header_is_not_saved_by_a_session(service: Service, browser: httpx.Client) -> None:
    sign_in(browser, service.credential[1])
    assert browser.get("/palettes", auth=("first", "wrong")).status_code == 401


def test_signing_out_ends_the_session_at_once(service: Service, browser: httpx.Client) -> None:
    """For whoever has the cookie, not only for the browser that forgets it."""
    sign_in(browser, service.credential[1])
    (session,) = (cookie.value for cookie in browser.cookies.jar if cookie.name == COOKIE)
    kept = {"cookie": f"{COOKIE}={session}"}
    assert browser.get("/palettes").status_code == 200
    refused = browser.post("/sign-out", data={"csrf_token": "x"})
    assert (refused.status_code, refused.json()) == (403, OLD_PAGE)
    assert browser.get("/palettes").status_code == 200
    answer = browser.post("/sign-out", data={"csrf_token": csrf_token(str(session))})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert cookie_of(answer, COOKIE)["empty"] is True
    with service.client(auth=None) as another:
        assert another.get("/palettes", headers=kept).status_code == 401


def test_signing_in_again_ends_the_session_before(service: Service, browser: httpx.Client) -> None:
    sign_in(browser, service.credential[1])
    (before,) = (cookie.value for cookie in browser.cookies.jar if cookie.name == COOKIE)
    sign_in(browser, service.credential[1])
    with service.client(auth=None) as another:
        answer = another.get("/palettes", headers={"cookie": f"{COOKIE}={before}"})
        assert answer.status_code == 401
    assert browser.get("/palettes").status_code == 200


def test_a_session_ends_with_its_key_and_has_its_scopes(
    folder: Path, browser: httpx.Client
) -> None:
    with open_catalog(None, folder / "data") as catalog:
        key = catalog.keys.add("guest", ["read"])[1]
    sign_in(browser, key)
    assert browser.get("/palettes").status_code == 200
    assert browser.get("/metrics").status_code == 403
    sign_in(browser, key)  # so that nothing of this session was asked, and is believed, before
    with open_catalog(None, folder / "data") as catalog:
        catalog.keys.revoke("guest")
    assert browser.get("/palettes").status_code == 401


def test_the_link_works_once(tmp_path: Path) -> None:
    """Looking at it uses nothing up; of twenty browsers at once, one gets in."""
    with serving(tmp_path) as service:
        path = service.link.removeprefix(service.url)
        code = path.partition("code=")[2]
        with service.client(auth=None) as browser:
            for _ in range(3):  # as mail scanners and previews do
                page = browser.get(path)
            assert page.status_code == 200
            token = token_in(page)
            form = {"code": code, "csrf_token": token}
            assert browser.post("/sign-in/link", data={"code": code}).status_code == 403
            (cookie,) = (f"{FORM_COOKIE}={cookie.value}" for cookie in browser.cookies.jar)
            answers = together(
                20,
                lambda: httpx.post(
                    service.url + "/sign-in/link",
                    data=form, headers={"cookie": cookie}, trust_env=False, timeout=60,
                ),
            )  # fmt: skip
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [303] + [401] * 19
        (winner,) = (answer for answer in answers if answer.is_redirect)
        assert winner.headers["location"] == "/"
        late = next(answer for answer in answers if not answer.is_redirect)
        assert "This link was used already, or is too old" in late.text
        with service.client(auth=None) as browser:
            browser.cookies.update(winner.cookies)
            assert browser.get("/").status_code == 200


def together(number: int, ask: object) -> list[httpx.Response]:
    """The answers to so many requests at once."""
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask()))  # type: ignore[operator]
        for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
