"""The pages of the archive in a real browser: gallery, an image, monitoring that renews itself."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser_looks import check_looks
from tests.acceptance.browser_site import SALMON, Site, site
from tests.drawn import encoded, picture
from tests.pictures import png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PHOTO = encoded(picture(300, 450), "JPEG")
MD5 = hashlib.md5(PHOTO, usedforsecurity=False).hexdigest()
PAGES = ["/gallery", f"/gallery/{MD5}", "/monitoring"]


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        site(browser, tmp_path_factory.mktemp("site")) as started,
        started.service.client() as client,
    ):
        for number in range(50):
            assert client.post("/images", content=png(random.Random(number))).status_code == 201
        client.post("/images", content=SALMON)
        client.post("/images", content=PHOTO, params={"source": "cam-7", "reference": "frame-1"})
        client.post("/images", json={"url": started.origin.url("/gone.jpg")})
        yield started


def test_the_gallery_shows_the_newest_first_and_leads_on_to_older_ones(place: Site) -> None:
    with place.page("/gallery") as page:
        cards = page.locator(".card")
        expect(cards).to_have_count(48)
        expect(cards.first).to_have_attribute("href", f"/gallery/{MD5}")
        expect(cards.first.locator("img")).to_have_js_property("complete", True)
        assert cards.first.locator("img").evaluate("image => image.naturalWidth") == 450
        page.get_by_role("link", name="Older").click()
        expect(page.locator(".card")).to_have_count(4)
        expect(page.get_by_role("link", name="Older")).to_have_count(0)
        page.get_by_role("link", name="Newest").click()
        expect(page.locator(".card")).to_have_count(48)


def test_an_image_is_shown_with_its_grey_version_facts_colors_and_arrivals(place: Site) -> None:
    with place.page("/gallery") as page:
        page.locator(".card").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(MD5)
        for name in ("The image as it came", "Its grey version"):
            shown = page.get_by_role("img", name=name)
            expect(shown).to_have_js_property("complete", True)
            assert shown.evaluate("image => image.naturalWidth") == 450
        expect(page.locator(".facts")).to_contain_text("450 \u00d7 300 pixels")
        expect(page.locator(".colors")).to_contain_text("stands for the image")
        row = page.locator("tbody tr").first
        for word in ("cam-7", "frame-1", "success"):
            expect(row).to_contain_text(word)


def test_monitoring_shows_bars_and_codes_and_renews_itself(place: Site) -> None:
    with place.page("/monitoring") as page, place.service.client() as client:
        page.evaluate("window.stayed = true")
        totals = page.locator(".totals dd")
        before = int(totals.nth(0).inner_text())
        assert before >= 52
        expect(page.locator("svg.histogram rect.success")).not_to_have_count(0)
        link = page.get_by_role("link", name=place.origin.url("/gone.jpg"))
        expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        assert client.post("/images", content=png(random.Random(99))).status_code == 201
        expect(totals.nth(0)).to_have_text(str(before + 1), timeout=20_000)
        assert page.evaluate("window.stayed")


def test_an_empty_gallery_says_how_to_fill_it(browser: Browser, tmp_path) -> None:
    with site(browser, tmp_path) as empty, empty.page("/gallery") as page:
        expect(page.locator(".empty")).to_contain_text("No image has come yet.")
        page.get_by_role("link", name="Monitoring").click()
        expect(page.locator("#live")).to_contain_text("Nothing came.")


def shown(page: Page) -> Iterator[str]:
    for path in PAGES:
        assert page.goto(path).ok
        yield path


def test_every_state_is_readable_in_light_and_dark_and_whole_on_a_phone(place: Site) -> None:
    with place.page(None) as page:
        check_looks(page, shown(page))
