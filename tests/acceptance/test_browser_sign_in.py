"""Signing in and out in a real browser, at a real service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser_site import Site, sign_in, site
from tests.serving import serving, within_a_minute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(browser, tmp_path_factory.mktemp("site")) as started:
        yield started


@pytest.fixture
def stranger(place: Site) -> Iterator[Page]:
    """A browser that was never here."""
    with place.page(None, signed_in=False) as page:
        yield page


def test_the_link_signs_in_by_one_click_and_once(place: Site) -> None:
    link = place.service.link
    with place.page(link, signed_in=False) as first, place.page(link, signed_in=False) as second:
        first.get_by_role("button", name="Sign in").click()
        expect(first).to_have_title("Console · pixmill")
        expect(first.locator(".who")).to_have_text("first")
        second.get_by_role("button", name="Sign in").click()
        expect(second.get_by_role("alert")).to_have_text(
            "This link was used already, or is too old; sign in with a key"
        )
        second.goto("/")
        expect(second).to_have_title("Sign in · pixmill")


def test_a_key_typed_on_the_keyboard_alone_leads_back_to_the_page_asked_for(
    place: Site, stranger: Page
) -> None:
    stranger.goto("/docs")
    expect(stranger).to_have_url(f"{place.service.url}/sign-in?next=/docs")
    expect(stranger.get_by_label("Key")).to_be_focused()
    stranger.keyboard.type(place.service.credential[1])
    stranger.keyboard.press("Enter")
    expect(stranger).to_have_url(f"{place.service.url}/docs")
    (cookie,) = [one for one in stranger.context.cookies() if one["name"] == "pixmill_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


@pytest.mark.parametrize(
    "elsewhere", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"]
)
def test_signing_in_leads_to_no_other_site(place: Site, stranger: Page, elsewhere: str) -> None:
    stranger.goto(f"/sign-in?next={elsewhere}")
    sign_in(stranger, place.service.credential[1])
    expect(stranger).to_have_url(f"{place.service.url}/")


@pytest.mark.parametrize("wrong", ["<b>pm_wrong</b>", "\N{SNOWMAN}"])
def test_a_wrong_key_is_told_and_another_may_be_tried(
    place: Site, stranger: Page, wrong: str
) -> None:
    stranger.goto("/sign-in?next=/docs")
    sign_in(stranger, wrong)
    expect(stranger.get_by_role("alert")).to_have_text("There is no such key, or it was revoked")
    field = stranger.get_by_label("Key")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.input_value() == ""
    expect(field).to_be_focused()
    sign_in(stranger, f" {place.service.credential[1]} ")
    expect(stranger).to_have_url(f"{place.service.url}/docs")


def test_signing_out_ends_the_session_itself(place: Site, stranger: Page) -> None:
    stranger.goto("/sign-in")
    sign_in(stranger, place.service.credential[1])
    expect(stranger).to_have_title("Console · pixmill")
    kept = stranger.context.cookies()
    stranger.get_by_role("button", name="Sign out").click()
    expect(stranger).to_have_url(f"{place.service.url}/sign-in")
    assert not [one for one in stranger.context.cookies() if one["name"] == "pixmill_session"]
    stranger.context.add_cookies(kept)  # type: ignore[arg-type]
    stranger.goto("/")
    expect(stranger).to_have_title("Sign in · pixmill")


def test_who_signs_out_after_the_session_ended_comes_to_the_door(
    place: Site, stranger: Page
) -> None:
    stranger.goto("/sign-in")
    sign_in(stranger, place.service.credential[1])
    expect(stranger).to_have_title("Console · pixmill")
    stranger.context.clear_cookies()
    stranger.get_by_role("button", name="Sign out").click()
    expect(stranger).to_have_title("Sign in · pixmill")


def test_a_form_left_open_too_long_is_shown_anew(place: Site, stranger: Page) -> None:
    stranger.goto("/sign-in?next=/docs")
    stranger.context.clear_cookies()
    sign_in(stranger, place.service.credential[1])
    expect(stranger.get_by_role("alert")).to_contain_text("out of date")
    sign_in(stranger, place.service.credential[1])
    expect(stranger).to_have_url(f"{place.service.url}/docs")


def test_a_link_opened_too_long_ago_is_not_used_up(place: Site, browser: Browser) -> None:
    with place.page("/sign-in/link?code=unknown", signed_in=False) as page:
        page.context.clear_cookies()
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("out of date")
        expect(page.get_by_text("This link signs you in once.")).to_be_visible()


def test_who_was_wrong_too_often_reads_it_on_the_page(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, env={"PIXMILL_SIGN_IN_RATE": "1"}) as service:
        page = browser.new_page()
        page.goto(f"{service.url}/sign-in")
        within_a_minute()
        sign_in(page, "pm_wrong")
        expect(page.get_by_role("alert")).to_contain_text("no such key")
        sign_in(page, "pm_wrong")
        expect(page.get_by_role("alert")).to_have_text("More than 1 failed sign-ins a minute")
        page.close()
