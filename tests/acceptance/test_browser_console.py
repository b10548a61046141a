"""The console in a real browser, at a real service: what it shows of pictures and of failures.

What it does with answers that no healthy service gives is tested in `test_console_page.py`.
"""

from __future__ import annotations

import base64
import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import TimeoutError as NotYet
from playwright.sync_api import expect

from tests.acceptance.api_pictures import square
from tests.acceptance.browser_jobs import held
from tests.acceptance.browser_site import (
    SALMON,
    Site,
    look,
    refused,
    sign_in,
    site,
    told,
    upload,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

MOST_BYTES = 300_000
SHOP = {
    "colors": [
        {"name": "Soot", "hex": "#101010", "id": "P-1042"},
        {"name": "<b>Chalk</b>", "hex": "#FAFAFA", "id": "P-7"},
    ]
}
CARRY = """([base64, name]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/png" }));
  return carried;
}"""
FOCUSED = """() => {
  const { activeElement: node } = document;
  const shown = [node, node.nextElementSibling].filter(Boolean).map(getComputedStyle);
  const name = node.id || node.ariaLabel || node.value || node.textContent.trim();
  return [name, shown.some((style) => style.outlineStyle === "solid"
    && parseFloat(style.outlineWidth) >= 2)];
}"""


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    env = {"PIXMILL_MAX_BYTES": str(MOST_BYTES)}
    with site(browser, tmp_path_factory.mktemp("site"), env) as started:
        with started.service.client() as client:
            assert client.put("/palettes/shop", json=SHOP).status_code in {200, 201}
        yield started


@pytest.fixture
def page(place: Site) -> Iterator[Page]:
    with place.page() as opened:
        yield opened


def test_a_url_gives_picture_match_clusters_and_exact_colors(place: Site, page: Page) -> None:
    look(page, place.origin.url("/square.png"))
    told(page, "black, 0 away.")
    preview = page.locator("#preview")
    expect(preview).to_be_visible()
    assert preview.evaluate("(image) => image.naturalWidth") > 0
    expect(page.locator("#facts")).to_contain_text("500 \N{MULTIPLICATION SIGN} 500")
    expect(page.locator("#ledger")).to_contain_text("0.2, so this is a match")
    expect(page.locator("#ledger")).to_contain_text("Runner-up")
    cluster = page.locator("#clusters").get_by_role("button").first
    expect(cluster).to_have_accessible_name(re.compile(r"#000000, 9\d.*% of the picture, copy"))
    exact = page.locator("#exact").get_by_role("button")
    expect(exact.first).to_contain_text("230,400 px")
    # fewer colors than asked for: the most common one is repeated at the front
    expect(exact).to_have_count(5)


def test_the_smallest_picture_fills_the_same_room_as_a_large_one(place: Site, page: Page) -> None:
    look(page, place.origin.url("/salmon.png"))
    told(page, "salmon, 0 away.")
    box = page.locator("#preview").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) > 250


@pytest.mark.parametrize("way", ["chosen", "dropped", "pasted"])
def test_a_file_gives_the_same_answer_by_every_way(page: Page, way: str) -> None:
    if way == "chosen":
        upload(page, square(), "<b>square</b>.png")
    else:
        file = [base64.b64encode(square()).decode(), "<b>square</b>.png"]
        carried = page.evaluate_handle(CARRY, file)
        event = {"dropped": ("drop", "dataTransfer"), "pasted": ("paste", "clipboardData")}[way]
        page.evaluate(
            "([name, key, data]) => document.body.dispatchEvent(new"
            " (key === 'dataTransfer' ? DragEvent : ClipboardEvent)"
            "(name, { [key]: data, bubbles: true, cancelable: true }))",
            [*event, carried],
        )
    told(page, "black, 0 away.")
    expect(page.locator("#chosen")).to_contain_text("<b>square</b>.png, ")
    expect(page.locator("#exact").get_by_role("button").first).to_contain_text("230,400 px")


def test_a_dragged_address_is_looked_at(place: Site, page: Page) -> None:
    url = place.origin.url("/salmon.png")
    page.evaluate(
        "(url) => { const data = new DataTransfer(); data.setData('text/uri-list', url);"
        " document.body.dispatchEvent("
        "new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); }",
        url,
    )
    told(page, "salmon")
    assert page.input_value("#url") == url


@pytest.mark.parametrize(
    ("path", "sentences"),
    [
        ("/nowhere.png", ("status code was 404", "http_error")),
        ("/page.html", ("Could not parse image", "unsupported_format")),
        ("http://10.0.0.1/a.png", ("could not connect", "PIXMILL_ALLOW_NETWORKS", "blocked")),
        ("http://[::ffff:10.0.0.1]/", ("could not connect", "PIXMILL_ALLOW_PRIVATE", "blocked")),
        ("ftp://127.0.0.1/a.png", ("begins with http:// or https://",)),
        ("", ("Give the URL of a picture, or choose a file.",)),
    ],
)
def test_what_can_not_be_had_is_told_and_the_next_picture_is_looked_at(
    place: Site, page: Page, path: str, sentences: tuple[str, ...]
) -> None:
    look(page, place.origin.url(path) if path.startswith("/") else path)
    refused(page, *sentences)
    look(page, place.origin.url("/salmon.png"))
    told(page, "salmon")
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_file_that_is_no_picture_is_told(place: Site, page: Page) -> None:
    for data, sentence in (
        (b"", "Could not parse image"),
        (b"no picture\n", "Could not parse image"),
        (square()[:60], "Could not parse image"),
        (bytes(MOST_BYTES + 1), "at most 300 kB are taken"),
    ):
        upload(page, data)
        refused(page, sentence)
        look(page, place.origin.url("/salmon.png"))
        told(page, "salmon")


def test_choices_change_the_answer_without_loading_the_page(place: Site, page: Page) -> None:
    page.evaluate("window.stayed = true")
    look(page, place.origin.url("/square.png"))
    told(page, "black, 0 away.")
    page.get_by_label("Background").check(force=True)
    told(page, "white")
    page.get_by_label("CIEDE2000").check(force=True)
    expect(page.locator("#ledger")).to_contain_text("in CIEDE2000")
    page.select_option("#palette", "shop")
    told(page, "<b>Chalk</b>, ")
    expect(page.locator("#pair")).to_contain_text("id P-7")
    page.fill("#n", "2")
    expect(page.locator("#exact").get_by_role("button")).to_have_count(2)
    assert page.evaluate("window.stayed")


def test_a_miss_still_tells_the_nearest(place: Site, page: Page) -> None:
    look(page, place.origin.url("/square.png"))
    page.select_option("#palette", "shop")
    page.fill("#max_distance", "0.001")
    told(page, "No color within 0.001. The nearest is Soot, ")
    expect(page.locator("#ledger")).to_contain_text("so this is no match")
    expect(page.locator("#pair")).to_contain_text("id P-1042")


def test_a_click_copies_the_hex_and_says_so(place: Site) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    with place.page(permissions=permissions) as page:
        upload(page, SALMON)
        page.locator("#clusters").get_by_role("button").click()
        expect(page.locator("#copied")).to_have_text("#FA8072 copied")
        assert page.evaluate("navigator.clipboard.readText()") == "#FA8072"


def test_all_of_it_is_done_on_the_keyboard_alone(place: Site, page: Page) -> None:
    seen = []
    ways = [
        "Skip to content", "pixmill", "Console", "Gallery", "Batches", "Jobs", "Monitoring", "API",
        "Keys", "Sign out", "url",
    ]  # fmt: skip
    for _ in ways:
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
    assert seen == [[way, True] for way in ways]
    page.keyboard.type(place.origin.url("/square.png"))
    page.keyboard.press("Enter")
    told(page, "black, 0 away.")
    rest = ["Look", "file", "palette", "srgb", "kmeans", "max_distance", "n", "#FFFFFF"]
    for name in rest:
        page.keyboard.press("Tab")
        focused, visible = page.evaluate(FOCUSED)
        assert (name in focused, visible) == (True, True), (name, focused)
        if name == "kmeans":
            page.keyboard.press("ArrowLeft")  # the last of the three, around the corner
            told(page, "white")


def test_a_screen_reader_is_told_of_the_wait_and_the_result(place: Site, page: Page) -> None:
    with held(place, "/late.png", SALMON):
        look(page, place.origin.url("/late.png"))
        status = page.get_by_role("status").filter(has_text="Looking…")
        expect(status).to_be_attached()
        assert page.locator("#answer").get_attribute("aria-busy") == "true"
    expect(page.get_by_role("status").filter(has_text="salmon, 0 away.")).to_be_attached()
    assert page.locator("#answer").get_attribute("aria-busy") == "false"
    look(page, place.origin.url("/nowhere.png"))
    expect(page.get_by_role("alert")).to_contain_text("status code was 404")


def test_who_prefers_less_motion_sees_none(place: Site) -> None:
    running = {}
    for taste in ("no-preference", "reduce"):
        path = f"/{taste}.png"
        with place.page(reduced_motion=taste) as page, held(place, path, SALMON) as release:
            look(page, place.origin.url(path))
            expect(page.locator("#busy")).to_be_visible()
            running[taste] = page.evaluate("document.getAnimations().length")
            release.set()
            told(page, "salmon")
    assert running["no-preference"] > 0
    assert running["reduce"] == 0


def test_a_revoked_key_ends_the_session_and_the_page_leads_to_the_door(place: Site) -> None:
    key = place.keys("create", "guest", "--quiet")
    with place.page("/sign-in", signed_in=False) as page:
        sign_in(page, key)
        expect(page.locator(".who")).to_have_text("guest")
        place.keys("revoke", "guest")
        trouble = page.locator("#trouble")
        for _ in range(40):  # a key that was found is believed for some seconds
            look(page, place.origin.url("/salmon.png"))
            with contextlib.suppress(NotYet):
                trouble.wait_for(timeout=400)
                break
        refused(page, "You are signed out: your session ended, or its key was revoked.")
        trouble.get_by_role("link", name="Sign in").click()
        expect(page).to_have_title("Sign in · pixmill")
