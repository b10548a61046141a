"""What every page looks like in a real browser: readable in light and dark, whole on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser_looks import check_looks
from tests.acceptance.browser_site import NARROW, Site, look, refused, sign_in, site, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(browser, tmp_path_factory.mktemp("site")) as started:
        yield started


def console_states(place: Site, page: Page) -> Iterator[str]:
    """Bring the console into one state after the other."""
    page.goto("/")
    expect(page.locator("#empty")).to_be_visible()
    yield "empty"
    look(page, place.origin.url("/photo.jpg"))
    told(page, " away.")
    yield "answer"
    page.get_by_label("CIEDE2000").check(force=True)
    page.fill("#max_distance", "0.001")
    page.fill("#n", "24")
    told(page, "No color within")
    expect(page.locator("#exact").get_by_role("button")).to_have_count(24)
    yield "miss"
    page.fill("#n", "0")
    refused(page, "whole number")
    yield "wrong number"
    look(page, "http://10.0.0.1/x.png")
    page.fill("#n", "5")
    refused(page, "PIXMILL_ALLOW_NETWORKS")
    yield "blocked"


def door_states(page: Page) -> Iterator[str]:
    """Bring the pages for strangers into one state after the other."""
    page.goto("/sign-in/link?code=x")
    yield "link"
    page.goto("/sign-in")
    yield "sign-in"
    sign_in(page, "pm_wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "wrong key"


def docs_states(place: Site, page: Page) -> Iterator[str]:
    """Bring the browsable API into one state after the other."""
    page.goto("/docs")
    expect(page.locator("#loading")).to_be_hidden()
    page.locator(".credential > summary").click()
    yield "folded"
    for index in (1, 0):
        page.locator("details.operation").nth(index).locator("summary").first.click()
    first = page.locator("details.operation").first
    first.locator("input").first.fill(place.origin.url("/photo.jpg"))
    first.get_by_role("button", name="Send").click()
    expect(first.locator(".verdict")).to_have_text("200 OK")
    expect(first.locator(".rest > div pre")).to_contain_text("clusters")
    for name in ("Headers", "As a command", "Documented answers"):
        first.get_by_text(name, exact=True).click()
    yield "sent"


def states(place: Site, part: str, page: Page) -> Iterator[str]:
    """All states of one part of the pages."""
    if part == "console":
        return console_states(place, page)
    return docs_states(place, page) if part == "docs" else door_states(page)


@pytest.mark.parametrize("part", ["console", "docs", "door"])
def test_every_state_is_readable_in_light_and_dark_and_whole_on_a_phone(
    place: Site, part: str
) -> None:
    with place.page(None, signed_in=part != "door") as page:
        check_looks(page, states(place, part, page))


def test_on_a_phone_a_new_picture_leads_to_its_answer(place: Site) -> None:
    with place.page(viewport=NARROW) as page:
        look(page, place.origin.url("/photo.jpg"))
        told(page, " away.")
        expect(page.locator("#status")).to_be_in_viewport()
