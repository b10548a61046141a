"""Operations tried on an image's page in a real browser: previewed, downloaded, copied, ordered."""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from pixmill.imaging.operations import OPERATIONS
from tests.acceptance.browser_looks import check_looks
from tests.acceptance.browser_site import Site, sign_in, site
from tests.drawn import encoded, picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

PHOTO = encoded(picture(300, 450), "JPEG")
MD5 = hashlib.md5(PHOTO, usedforsecurity=False).hexdigest()
PAGE = f"/gallery/{MD5}"
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(browser, tmp_path_factory.mktemp("site")) as started:
        with started.service.client() as client:
            assert client.post("/images", content=PHOTO).status_code == 201
        yield started


@pytest.fixture
def page(place: Site) -> Iterator[Page]:
    with place.page(PAGE, permissions=CLIPBOARD) as opened:
        yield opened


def write(page: Page, *lines: str) -> None:
    page.get_by_label("One operation a line").fill("\n".join(lines))


def facts(page: Page, text: str) -> None:
    """The caption of the result holds `text`, and the picture is of the chain as it stands."""
    expect(page.locator("#result-facts")).to_contain_text(text)
    expect(page.locator("#result-links")).to_be_visible()


def downloaded(page: Page) -> tuple[str, bytes]:
    with page.expect_download() as begun:
        page.locator("#download").click()
    return begun.value.suggested_filename, begun.value.path().read_bytes()


def test_a_chain_is_previewed_as_it_is_written(page: Page) -> None:
    expect(page.locator("#nothing")).to_be_visible()
    write(page, "# small", "", "resize 90", "grayscale  # of the mean")
    facts(page, "90 \N{MULTIPLICATION SIGN} 60, jpeg, ")
    expect(page.locator("#result-facts")).to_have_text(
        re.compile(r", jpeg, [\d,]+ bytes, [\d.]+ m?s$")
    )
    assert page.locator("#result").evaluate("image => image.naturalWidth") == 90
    write(page, "rotate 90")
    facts(page, "300 \N{MULTIPLICATION SIGN} 450")
    write(page, "# nothing")
    expect(page.locator("#nothing")).to_be_visible()
    expect(page.locator("#result")).to_be_hidden()


def test_what_is_downloaded_is_the_very_picture_and_the_url_gives_it_too(
    place: Site, page: Page
) -> None:
    write(page, "resize 100 100 force", "flop")
    page.select_option("#format", "png")
    facts(page, "100 \N{MULTIPLICATION SIGN} 100, png, ")
    name, data = downloaded(page)
    assert name == f"{MD5}-result.png"
    assert Image.open(io.BytesIO(data)).size == (100, 100)
    page.get_by_role("button", name="Copy the URL").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    url = page.evaluate("navigator.clipboard.readText()")
    assert parse_qs(urlsplit(url).query) == {
        "op": ["resize 100 100 force", "flop"], "format": ["png"],
    }  # fmt: skip
    with place.service.client() as client:
        assert client.get(url).content == data


def test_every_format_is_shown_and_had(page: Page) -> None:
    for format_, told, kind in (
        ("auto", ", avif, ", "AVIF"),
        ("webp", ", webp, ", "WEBP"),
        ("avif", ", avif, ", "AVIF"),
        ("tiff", ", tiff (shown as png), ", "TIFF"),
        ("jpeg", ", jpeg, ", "JPEG"),
    ):
        page.select_option("#format", format_)
        facts(page, told)
        assert page.locator("#result").evaluate("image => image.naturalWidth") == 450
        assert Image.open(io.BytesIO(downloaded(page)[1])).format == kind


def test_quality_is_heeded_and_told_where_it_is_none(page: Page) -> None:
    sizes = []
    for quality in ("10", "90"):
        page.fill("#quality", quality)
        facts(page, "jpeg")
        sizes.append(len(downloaded(page)[1]))
    assert sizes[0] < sizes[1]
    page.fill("#quality", "101")
    expect(page.locator("#mistakes")).to_have_text("Invalid quality, it is 1 to 100")


def test_mistakes_stand_at_their_lines_in_the_words_of_the_api(page: Page) -> None:
    write(page, "# a comment", "resize 64O", "flip", "", "<b>blub</b> 3")
    told = page.locator("#mistakes li")
    expect(told).to_have_text([
        'Line 2 resize: "64O" is no whole number from 1 to 65535 or -',
        'Line 5 "<b>blub</b>" is no operation',
    ])  # fmt: skip
    expect(page.locator("#gutter .wrong")).to_have_text(["2", "5"])
    field = page.get_by_label("One operation a line")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#result-links")).to_be_hidden()
    page.get_by_role("button", name="Line 2").click()
    page.keyboard.type("resize 64")
    page.get_by_role("button", name="Line 5").click()
    page.keyboard.press("Delete")
    facts(page, "64 \N{MULTIPLICATION SIGN} 43")
    expect(told).to_have_count(0)
    expect(field).to_have_attribute("aria-invalid", "false")
    write(page, *["flip"] * 33)
    expect(told).to_have_text(["a chain has at most 32 operations, not 33"])


def test_what_the_image_does_not_allow_is_told(page: Page) -> None:
    write(page, "resize 60000 60000 force")
    expect(page.locator("#trouble")).to_contain_text("more than")
    expect(page.locator("#trouble")).to_contain_text("too_many_pixels")
    write(page, "resize 60")
    facts(page, "60 \N{MULTIPLICATION SIGN} 40")
    expect(page.locator("#trouble")).to_be_hidden()


def test_all_operations_are_listed_and_a_click_puts_the_example_in(page: Page) -> None:
    examples = page.locator("#all [data-line]")
    assert [each.inner_text() for each in examples.all()] == [
        each.example for each in OPERATIONS.values()
    ]
    expect(page.locator("#all")).to_contain_text("Grey, exactly (R + G + B) // 3, or luma")
    field = page.get_by_label("One operation a line")
    write(page, "resize 90", "flip")
    field.press("Control+Home")
    page.get_by_role("button", name="Add invert").click()
    expect(field).to_have_value("resize 90\ninvert\nflip")
    page.get_by_role("button", name="thumbnail").click()
    expect(field).to_have_value("resize 90\ninvert\npreset thumbnail\nflip")
    facts(page, "webp")


def test_it_is_done_on_the_keyboard_alone(page: Page) -> None:
    page.get_by_label("One operation a line").focus()
    page.keyboard.type("resize 50")
    names = ["thumbnail", "preview", "normalized", "format", "quality", "Preview"]
    for name in names:
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "[document.activeElement.id || document.activeElement.textContent.trim(),"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert focused == [name, "solid"]
    page.keyboard.press("Enter")
    facts(page, "50 \N{MULTIPLICATION SIGN} 33")


def test_the_answer_to_an_older_question_is_dropped(page: Page) -> None:
    page.route("**/render?op=resize+70", lambda _: None)  # never answered
    with page.expect_request("**/render?op=resize+70"):
        write(page, "resize 70")
    with page.expect_event("requestfailed") as ended:
        write(page, "resize 80")
    assert ended.value.url.endswith("?op=resize+70")
    facts(page, "80 \N{MULTIPLICATION SIGN} 53")


def test_a_chain_is_done_as_a_job_whose_result_is_the_picture(place: Site, page: Page) -> None:
    order = page.get_by_role("button", name="Have it done as a job")
    expect(order).to_be_disabled()
    write(page, "resize 90")
    page.select_option("#format", "webp")
    page.fill("#quality", "40")
    facts(page, "webp")
    _, shown = downloaded(page)
    order.click()
    expect(page.locator("#jobs li")).to_contain_text("succeeded, the result", timeout=30_000)
    result = page.get_by_role("link", name="the result").get_attribute("href")
    with place.service.client() as client:
        assert client.get(str(result)).content == shown
    expect(order).to_be_enabled()


def test_a_key_without_the_scope_jobs_is_not_offered_one(place: Site) -> None:
    key = place.keys("create", "viewer", "--scope", "read", "--quiet")
    with place.page(f"/sign-in?next={PAGE}", signed_in=False) as page:
        sign_in(page, key)
        write(page, "resize 90")
        facts(page, "90 \N{MULTIPLICATION SIGN} 60")
        expect(page.get_by_role("button", name="Have it done as a job")).to_have_count(0)


def test_an_image_that_is_dropped_meanwhile_is_told(place: Site) -> None:
    other = encoded(picture(40, 30), "PNG")
    md5 = hashlib.md5(other, usedforsecurity=False).hexdigest()
    with place.service.client() as client, place.page(None) as page:
        client.post("/images", content=other)
        page.goto(f"/gallery/{md5}")
        assert client.delete(f"/images/{md5}").status_code == 204
        write(page, "flip")
        expect(page.locator("#trouble")).to_contain_text("The archive has no original")


def test_without_an_original_the_page_says_so(browser: Browser, tmp_path: Path) -> None:
    env = {"PIXMILL_ORIGINALS": "false"}
    with site(browser, tmp_path, env) as greys, greys.service.client() as client:
        client.post("/images", content=PHOTO)
        with greys.page(PAGE) as page:
            expect(page.locator("main")).to_contain_text("Only the grey version of this image")
            expect(page.locator("#chain")).to_have_count(0)
            expect(page.get_by_role("img", name="Its grey version")).to_be_visible()


def states(page: Page) -> Iterator[str]:
    """Bring the page into one state after the other."""
    page.goto(PAGE)
    yield "empty"
    write(page, "resize 300", "grayscale")
    page.select_option("#format", "tiff")
    facts(page, "tiff")
    page.get_by_role("button", name="Have it done as a job").click()
    expect(page.locator("#jobs li")).to_contain_text("succeeded", timeout=30_000)
    if not page.locator("#all").evaluate("node => node.open"):
        page.get_by_text("All operations", exact=True).click()
    yield "result"
    write(page, "resize 64O", "flip", f"blub {'x' * 100}")
    expect(page.locator("#mistakes li")).to_have_count(2)
    yield "mistakes"
    write(page, "resize 60000 60000 force")
    expect(page.locator("#trouble")).to_be_visible()
    yield "trouble"


def test_every_state_is_readable_in_light_and_dark_and_whole_on_a_phone(place: Site) -> None:
    with place.page(None) as page:
        check_looks(page, states(page))


def test_every_field_and_button_has_a_name(page: Page) -> None:
    for one in page.locator("main :is(input, select, textarea, button):visible").all():
        expect(one).to_have_accessible_name(re.compile(r"\w"))
