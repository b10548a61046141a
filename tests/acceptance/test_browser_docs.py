"""The browsable API in a real browser: what it lists, sends and shows, at a real service."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import TimeoutError as NotYet
from playwright.sync_api import expect

from tests.acceptance.api_pictures import square
from tests.acceptance.browser_site import Site, sign_in, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(browser, tmp_path_factory.mktemp("site")) as started:
        yield started


@pytest.fixture
def page(place: Site) -> Iterator[Page]:
    with place.page("/docs") as opened:
        yield opened


def listed(page: Page) -> list[str]:
    """Method and path of every operation on the page, in order."""
    expect(page.locator("#loading")).to_be_hidden()
    summaries = page.locator("details.operation > summary")
    return summaries.evaluate_all(
        "(all) => all.map((one) => [...one.children].slice(0, 2).map((part) => part.textContent)"
        ".join(' '))"
    )


def unfold(page: Page, name: str) -> Locator:
    """Open the operation of that method and path."""
    operation = page.locator("details.operation")
    for place, text in zip((".method", ".path"), name.split(), strict=True):
        exactly = re.compile(f"^{re.escape(text)}$")
        operation = operation.filter(has=page.locator(place, has_text=exactly))
    operation.locator("summary").first.click()
    return operation


def send(operation: Locator, verdict: str) -> Locator:
    """Send the request; gives the body that came back."""
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator(".verdict")).to_have_text(verdict)
    return operation.locator(".rest > div").last


def become(page: Page, key: str) -> None:
    """Type a key that requests are sent with."""
    page.locator(".credential > summary").click()
    page.locator(".credential input").fill(key)
    page.get_by_role("button", name="Use").click()
    expect(page.locator("#as")).to_have_text("with the key you gave")


def test_every_operation_of_the_document_is_listed_also_from_the_cache(
    place: Site, page: Page
) -> None:
    with place.service.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    documented = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    seen = listed(page)
    assert len(seen) == len(documented)
    assert set(seen) == documented
    statuses: dict[str, int] = {}
    page.on("response", lambda answer: statuses.update({answer.url: answer.status}))
    page.reload()
    assert listed(page) == seen
    modules = {status for url, status in statuses.items() if url.endswith(".js")}
    assert modules <= {200, 304}  # a page's script may name a module that the browser holds


def test_a_get_is_sent_with_the_session_and_its_answer_shown(place: Site, page: Page) -> None:
    operation = unfold(page, "GET /colours/match")
    operation.get_by_label("url", exact=False).first.fill(place.origin.url("/square.png"))
    body = send(operation, "200 OK")
    expect(body).to_contain_text('"colour": "black"')
    operation.get_by_text("Headers", exact=True).click()
    expect(operation.locator(".rest details pre")).to_contain_text("content-type: application/json")


def test_a_failure_is_shown_as_it_came(place: Site, page: Page) -> None:
    operation = unfold(page, "GET /colours/match")
    operation.get_by_label("url", exact=False).first.fill(place.origin.url("/nowhere.png"))
    body = send(operation, "400 Bad Request")
    expect(body).to_contain_text('"code": "http_error"')


def test_a_file_is_uploaded_and_the_command_tells_the_same(place: Site, page: Page) -> None:
    operation = unfold(page, "POST /colors/top")
    file = {"name": "square.png", "mimeType": "image/png", "buffer": square()}
    operation.locator("input[type=file]").set_input_files([file])
    body = send(operation, "200 OK")
    expect(body).to_contain_text('"pixels": 250000')
    operation.get_by_text("As a command", exact=True).click()
    command = operation.locator("form pre")
    expect(command).to_contain_text("-F 'image=@square.png'")
    expect(command).to_contain_text('"Authorization: Bearer $PIXMILL_KEY"')


def test_a_palette_is_written_read_and_dropped(place: Site, page: Page) -> None:
    colors = {"colors": [{"name": "Clay", "hex": "#786259", "id": "P-2210"}]}
    keep = unfold(page, "PUT /palettes/{name}")
    keep.get_by_label("name", exact=False).first.fill("shop")
    keep.locator("textarea").fill("{")
    send(keep, "400 Bad Request")
    keep.locator("textarea").fill(json.dumps(colors))
    send(keep, "200 OK")
    read = unfold(page, "GET /palettes/{name}")
    read.get_by_label("name", exact=False).first.fill("shop")
    expect(send(read, "200 OK")).to_contain_text('"id": "P-2210"')
    drop = unfold(page, "DELETE /palettes/{name}")
    drop.get_by_label("name", exact=False).first.fill("shop")
    expect(send(drop, "204 No Content")).to_contain_text("No body.")


def test_a_typed_key_takes_the_place_of_the_session(place: Site, page: Page) -> None:
    become(page, place.keys("create", "prober", "--scope", "metrics", "--quiet"))
    operation = unfold(page, "GET /palettes")
    expect(send(operation, "403 Forbidden")).to_contain_text('"code": "forbidden"')
    metrics = unfold(page, "GET /metrics")
    expect(send(metrics, "200 OK")).to_contain_text("# HELP pixmill_")
    become_nobody = page.locator(".credential input")
    become_nobody.fill("pm_wrong")
    page.get_by_role("button", name="Use").click()
    expect(send(operation, "401 Unauthorized")).to_contain_text('"code": "unauthorized"')
    become_nobody.fill("")
    page.get_by_role("button", name="Use").click()
    expect(page.locator("#as")).to_have_text("with your session (key “first”)")
    expect(send(operation, "200 OK")).to_contain_text('"name": "css"')


def test_a_name_in_the_address_opens_its_operation(page: Page) -> None:
    name = page.locator("details.operation").first.get_attribute("id")
    page.goto(f"/docs#{name}")
    page.reload()
    expect(page.locator("details.operation[open]")).to_have_count(1)


def test_a_revoked_key_is_told_with_the_way_to_the_door(place: Site) -> None:
    key = place.keys("create", "guest", "--quiet")
    with place.page("/sign-in?next=/docs", signed_in=False) as page:
        sign_in(page, key)
        operation = unfold(page, "GET /palettes")
        place.keys("revoke", "guest")
        door = operation.get_by_role("link", name="Sign in")
        for _ in range(40):  # a key that was found is believed for some seconds
            operation.get_by_role("button", name="Send").click()
            with contextlib.suppress(NotYet):
                door.wait_for(timeout=400)
                break
        expect(operation.locator(".verdict")).to_have_text("401 Unauthorized")
        door.click()
        expect(page).to_have_url(f"{place.service.url}/sign-in?next=/docs")
