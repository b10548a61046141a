"""What every page looks like in a real browser: readable in light and dark, whole on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser_site import NARROW, Site, look, refused, sign_in, site, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
# [text, contrast (WCAG 2.2, "relative luminance")] of all that is written on the page.
CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], ground) => [r, g, b].map((c, i) => c * a + ground[i] * (1 - a));
  const ground = (node) => {
    if (node === null) return channels(getComputedStyle(document.body).backgroundColor);
    const own = channels(getComputedStyle(node).backgroundColor);
    return own[3] === undefined ? own : over(own, ground(node.parentElement));
  };
  const linear = (c) => (c / 255 <= 0.04045 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const parts = [0.2126, 0.7152, 0.0722];
  const luminance = (rgb) => rgb.reduce((sum, c, i) => sum + linear(c) * parts[i], 0);
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const faded = (node) => (node ? getComputedStyle(node).opacity * faded(node.parentElement) : 1);
  const written = (node) => node.matches("input:not([type=radio], [type=file]), select, textarea")
    || [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const seen = (node) => node.checkVisibility() && node.getBoundingClientRect().width > 1;
  const asHint = (node) => (node.placeholder && !node.value ? "::placeholder" : null);
  return [...document.body.querySelectorAll("*")].filter((node) => written(node) && seen(node))
    .map((node) => {
      const below = ground(node);
      const [r, g, b, a = 1] = channels(getComputedStyle(node, asHint(node)).color);
      const text = node.value || node.placeholder || node.textContent.trim();
      return [text, contrast(over([r, g, b, a * faded(node)], below), below)];
    });
}"""
# Fields, buttons and links of which a part is out of reach: beside the page, or of no size.
UNREACHABLE = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
  .filter((node) => node.checkVisibility() && !node.matches(".skip, .unseen, [type=hidden]"))
  .map((node) => [node.outerHTML.slice(0, 80), node.getBoundingClientRect()])
  .filter(([, { left, right, width, height }]) => left < 0 || right > innerWidth + 0.5
    || width < 8 || height < 8)
  .map(([html]) => html)"""


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
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_that_is_written_stands_out_from_its_ground(
    place: Site, part: str, scheme: str
) -> None:
    with place.page(None, signed_in=part != "door", color_scheme=scheme) as page:
        for state in states(place, part, page):
            page.evaluate("document.getAnimations().forEach((one) => one.finish())")
            written = page.evaluate(CONTRASTS)
            assert len(written) >= 3
            assert [(state, one) for one in written if one[1] < LEAST_CONTRAST] == []
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (scheme == "dark") == (ground == "rgb(23, 23, 23)")


@pytest.mark.parametrize("part", ["console", "docs", "door"])
def test_a_phone_shows_all_of_it_without_scrolling_aside(place: Site, part: str) -> None:
    how = {"viewport": NARROW, "has_touch": True, "is_mobile": True}
    with place.page(None, signed_in=part != "door", **how) as page:
        for state in states(place, part, page):
            width = page.evaluate("document.documentElement.scrollWidth")
            assert (state, width) == (state, NARROW["width"])
            assert (state, page.evaluate(UNREACHABLE)) == (state, [])


def test_on_a_phone_a_new_picture_leads_to_its_answer(place: Site) -> None:
    with place.page(viewport=NARROW) as page:
        look(page, place.origin.url("/photo.jpg"))
        told(page, " away.")
        expect(page.locator("#status")).to_be_in_viewport()
