"""The page of keys in a real browser, at a real service: made, shown once, copied, revoked."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.acceptance.browser_looks import check_looks
from tests.acceptance.browser_site import Site, sign_in, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(browser, tmp_path_factory.mktemp("site")) as started:
        yield started


def make(page: Page, name: str, *scopes: str) -> str:
    """Make a key by the form; gives its text."""
    page.get_by_label("Name").fill(name)
    for box in page.locator("input[name=scopes]").all() if scopes else []:
        box.set_checked(box.get_attribute("value") in scopes)
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#made-name")).to_have_text(name)
    return page.locator("#made-key").inner_text()


def row(page: Page, name: str) -> str:
    return page.locator("#list > ul > li", has=page.get_by_text(name, exact=True)).inner_text()


def revoke(page: Page, name: str, answer: str = "Revoke") -> None:
    page.get_by_role("button", name=f"Revoke {name}").click()
    page.get_by_role("dialog").get_by_role("button", name=answer).click()


def test_a_key_is_made_shown_once_and_its_command_works(place: Site) -> None:
    with place.page("/gallery", permissions=CLIPBOARD) as page:
        page.get_by_role("link", name="Keys").click()
        page.wait_for_url(f"{place.service.url}/keys")  # and for its script
        text = make(page, "shop", "read")
        expect(page.locator("#made-title")).to_be_focused()
        assert row(page, "shop").split("\n")[1] == "read"
        page.get_by_role("button", name="Copy the key").click()
        expect(page.locator("#copied")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == text
        words = shlex.split(page.locator("#made-command").inner_text())
        assert words == ["curl", "-u", f"shop:{text}", f"{place.service.url}/images"]
        answer = httpx.get(words[3], auth=("shop", text), trust_env=False)
        assert answer.status_code == 200
        page.reload()
        expect(page.locator("#made")).to_be_hidden()
        assert text not in page.content()


def test_a_key_is_revoked_after_a_question_and_not_by_escape(place: Site) -> None:
    with place.page("/keys") as page:
        text = make(page, "guest")
        revoke(page, "guest", "Keep it")
        page.get_by_role("button", name="Revoke guest").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("Revoke the key guest?")
        expect(page.get_by_role("button", name="Keep it")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Revoke guest")).to_be_focused()
        revoke(page, "guest")
        expect(page.locator("#status")).to_have_text("The key guest is revoked.")
        expect(page.get_by_role("button", name="Revoke guest")).to_have_count(0)
        expect(page.locator("#made")).to_be_hidden()
        page.get_by_text("Revoked (").click()
        expect(page.locator("details li").first).to_contain_text("guest")
        answer = httpx.get(f"{place.service.url}/images", auth=("guest", text), trust_env=False)
        assert answer.status_code == 401


def test_what_can_not_be_made_or_revoked_is_told(place: Site) -> None:
    with place.page("/keys") as page:
        trouble = page.locator("#make-trouble")
        for name, sentence in [
            ("", "A key's name is 1 to 100 letters"),
            ("<b>bold</b>", "dashes and _, not '<b>bold</b>'"),  # another than before, to wait for
            ("first", "There is a key first already"),
        ]:
            page.get_by_label("Name").fill(name)
            page.get_by_label("Name").press("Enter")
            expect(trouble).to_contain_text(sentence)
            expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("Name").fill("none")
        for box in page.locator("input[name=scopes]").all():
            box.uncheck()
        page.get_by_role("button", name="Make").click()
        expect(trouble).to_contain_text("A key's scopes are of")
        revoke(page, "first")
        expect(page.locator("#list-trouble")).to_contain_text(
            "The key first is the last one with the scope admin"
        )


def test_who_revokes_the_own_key_is_signed_out(place: Site) -> None:
    key = place.keys("create", "deputy", "--scope", "admin", "--quiet")
    with place.page("/sign-in?next=/keys", signed_in=False) as page:
        sign_in(page, key)
        page.wait_for_url(f"{place.service.url}/keys")  # and for its script
        page.get_by_role("button", name="Revoke deputy").click()
        expect(page.get_by_role("dialog")).to_contain_text("you will be signed out")
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(page).to_have_title("Sign in · pixmill")


def test_who_is_no_admin_is_not_led_here_and_told_so(place: Site) -> None:
    key = place.keys("create", "reader", "--quiet")
    with place.page("/sign-in?next=/gallery", signed_in=False) as page:
        sign_in(page, key)
        expect(page).to_have_title("Gallery · pixmill")
        expect(page.get_by_role("link", name="Keys")).to_have_count(0)
        page.goto("/keys")
        expect(page.get_by_role("alert")).to_have_text("This key has not the scope admin.")
        page.get_by_role("link", name="Console").click()
        expect(page).to_have_title("Console · pixmill")


def states(page: Page) -> Iterator[str]:
    """Bring the page into one state after the other."""
    page.goto("/keys")
    yield "list"
    name = f"station-{'x' * 40}-{len(page.locator('#list li').all())}"
    make(page, name, "read", "match", "write", "jobs", "metrics", "admin")
    yield "made"
    page.get_by_role("button", name=f"Revoke {name}").click()
    yield "question"
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator("#status")).to_contain_text("is revoked")
    page.get_by_text("Revoked (").click()
    page.get_by_label("Name").press("Enter")
    expect(page.locator("#make-trouble")).to_be_visible()
    yield "revoked"


def test_every_state_is_readable_in_light_and_dark_and_whole_on_a_phone(place: Site) -> None:
    with place.page(None) as page:
        check_looks(page, states(page))


def test_every_field_and_button_has_a_name(place: Site) -> None:
    with place.page("/keys") as page:
        for one in page.locator("main :is(input, button):visible").all():
            expect(one).to_have_accessible_name(re.compile(r"\w"))
