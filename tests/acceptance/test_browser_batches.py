"""The page that sends lists in a real browser: chosen, told, sent once, and watched as a job."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser_jobs import held
from tests.acceptance.browser_looks import check_looks
from tests.acceptance.browser_site import SALMON, Site, sign_in, site
from tests.acceptance.test_browser_console import CARRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

MOST_BYTES = 20_000
SHOP = {"colors": [{"name": "Soot", "hex": "#101010"}, {"name": "Coral", "hex": "#FA8072"}]}


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    env = {"PIXMILL_JOB_LEASE": "1", "PIXMILL_WORKERS": "1", "PIXMILL_MAX_LIST": str(MOST_BYTES)}
    with site(browser, tmp_path_factory.mktemp("site"), env) as started:
        with started.service.client() as client:
            assert client.put("/palettes/shop", json=SHOP).is_success
        yield started


@pytest.fixture
def page(place: Site) -> Iterator[Page]:
    with place.page("/batches") as opened:
        yield opened


def lines_of(place: Site, number: int = 3) -> str:
    return "".join(f"{place.origin.url('/salmon.png')}?{line}\n" for line in range(number))


def choose(page: Page, data: bytes, name: str) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "text/plain", "buffer": data})


def send(page: Page) -> None:
    page.get_by_role("button", name="Send the list").click()


def told(page: Page, text: str) -> None:
    expect(page.locator("#told")).to_have_text(text)


def refused(page: Page, *texts: str) -> None:
    for text in texts:
        expect(page.locator("#trouble")).to_contain_text(text)


def ended(place: Site, page: Page) -> dict:
    """The job of the page, once it has ended there; gives it as the API tells it."""
    expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f]{32}$"))
    expect(page.locator(".state")).to_have_text("succeeded")
    with place.service.client() as client:
        return client.get(page.url).json()


def jobs_of(place: Site) -> int:
    with place.service.client() as client:
        return len(client.get("/jobs?limit=200").json()["jobs"])


def test_a_file_is_told_before_it_is_sent_and_watched_as_a_job(place: Site, page: Page) -> None:
    rows = "id,link\n" + "".join(
        f"{number},{line}\n" for number, line in enumerate(lines_of(place).split())
    )
    choose(page, rows.encode(), "The shop's (new) list.csv")
    told(page, f"4 lines, {len(rows)} B")
    expect(page.locator("#chosen")).to_have_text("The shop's (new) list.csv")
    expect(page.get_by_label("Reference")).to_have_value("The-shop-s-new-list")
    page.get_by_label("Number of colors").fill("2")
    page.get_by_label("Counts of pixels too").check()
    page.get_by_label("Source").fill("shop")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Column of URLs").fill("link")
    page.get_by_label("Columns to copy").fill("id")
    send(page)
    job = ended(place, page)
    assert (job["kind"], job["source"], job["reference"]) == (
        "colors",
        "shop",
        "The-shop-s-new-list",
    )
    assert job["progress"] == {"done": 3, "failed": 0, "total": 3}
    wish = {"n": 2, "counts": True, "url_column": "link", "keep_columns": ["id"], "format": "csv"}
    assert wish.items() <= job["options"].items()
    with page.expect_download() as begun:
        page.get_by_role("link", name="Result").click()
    assert begun.value.path().read_bytes().count(b"#FA8072") == 6


@pytest.mark.parametrize("way", ["pasted", "dropped", "dragged"])
def test_a_list_comes_by_every_way(place: Site, page: Page, way: str) -> None:
    text = lines_of(place, 2)
    if way == "pasted":
        page.get_by_label("Or paste URLs").fill(text)
    else:
        carried = page.evaluate_handle(
            CARRY
            if way == "dropped"
            else "([base64]) => {"
            " const data = new DataTransfer(); data.setData('text/plain', atob(base64));"
            " return data; }",
            [base64.b64encode(text.encode()).decode(), "urls.txt"],
        )
        page.evaluate(
            "(data) => document.body.dispatchEvent("
            "new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))",
            carried,
        )
    told(page, f"2 lines, {len(text)} B")
    send(page)
    assert ended(place, page)["progress"]["total"] == 2


def test_a_match_is_asked_for_with_its_own_options(place: Site, page: Page) -> None:
    page.get_by_label("Or paste URLs").fill(lines_of(place))
    page.get_by_role("radio", name="match").check()
    expect(page.get_by_label("Number of colors")).to_be_hidden()
    page.get_by_label("Palette", exact=True).select_option("shop")
    page.get_by_label("Tolerance").fill("0.1")
    page.get_by_label("Metric").select_option("oklab")
    expect(page.get_by_label("Tolerance")).to_have_value("")
    expect(page.get_by_label("Tolerance")).to_have_attribute("placeholder", "0.1")
    page.get_by_label("Tolerance").fill("0.05")
    page.get_by_label(re.compile("color is")).select_option("mean")
    page.get_by_label("Table", exact=True).select_option("jsonl")
    send(page)
    job = ended(place, page)
    asked = {"palette": "shop", "space": "oklab", "max_distance": 0.05, "summarizer": "mean"}
    assert {**asked, "format": "jsonl"}.items() <= job["options"].items()


def test_an_ingest_brings_images_into_the_gallery(place: Site, page: Page) -> None:
    page.get_by_label("Or paste URLs").fill(lines_of(place, 1))
    page.get_by_role("radio", name="ingest").check()
    send(page)
    assert ended(place, page)["kind"] == "ingest"
    page.goto("/gallery")
    expect(page.locator(".card")).to_have_count(1)


def test_a_double_click_is_one_job_and_so_is_another_try(place: Site, page: Page) -> None:
    words: list[str] = []
    page.on(
        "request",
        lambda request: (
            words.append(request.headers["idempotency-key"]) if request.method == "POST" else None
        ),
    )
    before = jobs_of(place)
    page.get_by_label("Or paste URLs").fill(lines_of(place, 2))
    # The job is made, but its answer is lost.
    page.route("**/jobs?*", lambda route: (route.fetch(), route.fulfill(status=502)), times=1)
    page.get_by_role("button", name="Send the list").dblclick()
    refused(page, "does not understand (status 502)")
    page.get_by_role("button", name="Try again").click()
    ended(place, page)
    assert len(words) == 2
    assert len(set(words)) == 1
    assert jobs_of(place) == before + 1


def test_what_was_changed_is_another_job(place: Site, page: Page) -> None:
    before = jobs_of(place)
    page.get_by_label("Or paste URLs").fill(lines_of(place, 2))
    # The first job is made, but its answer is lost.
    page.route("**/jobs?*", lambda route: (route.fetch(), route.fulfill(status=502)), times=1)
    send(page)
    refused(page, "does not understand (status 502)")
    page.get_by_label("Number of colors").fill("2")
    send(page)
    assert ended(place, page)["options"]["n"] == 2
    assert jobs_of(place) == before + 2


@pytest.mark.parametrize(
    ("kind", "label", "keys"),
    [
        ("colors", "Number of colors", "7e"),
        ("colors", "Number of colors", "300"),
        ("match", "Tolerance", "1e"),
        ("match", "Tolerance", "-1"),
    ],
)
def test_a_number_that_is_none_is_not_left_out(
    place: Site, page: Page, kind: str, label: str, keys: str
) -> None:
    before = jobs_of(place)
    page.get_by_label("Or paste URLs").fill(lines_of(place, 2))
    page.get_by_role("radio", name=kind).check()
    page.get_by_label(label).fill("")
    page.get_by_label(label).press_sequentially(keys)
    send(page)
    refused(page, f"{label}: ")
    expect(page.get_by_label(label)).to_be_focused()
    expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
    assert jobs_of(place) == before
    page.get_by_label(label).fill("1")
    expect(page.get_by_label(label)).not_to_have_attribute("aria-invalid", "true")
    send(page)
    ended(place, page)


def test_text_that_is_dropped_adds_to_the_list_and_fields_take_their_own(
    place: Site, page: Page
) -> None:
    first, second, third = lines_of(place, 3).split()
    page.get_by_label("Or paste URLs").fill(f"{first}\n{second}\n")
    drop = """([text, selector]) => {
        const data = new DataTransfer();
        data.setData("text/plain", text);
        const options = { dataTransfer: data, bubbles: true, cancelable: true };
        const event = new DragEvent("drop", options);
        document.querySelector(selector).dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    assert page.evaluate(drop, [third, "h1"])
    expect(page.get_by_label("Or paste URLs")).to_have_value(f"{first}\n{second}\n{third}")
    for selector in ("#urls", "#source", "#webhook"):
        assert not page.evaluate(drop, ["https://example.org/", selector])
    expect(page.get_by_label("Or paste URLs")).to_have_value(f"{first}\n{second}\n{third}")


def test_what_is_no_list_is_refused_in_a_sentence(place: Site, page: Page) -> None:
    send(page)
    refused(page, "Choose a file with URLs, drop one, or paste URLs.")
    choose(page, b"x", "picture.png")
    refused(page, "ends in .txt, .csv, .tsv or .jsonl")
    choose(page, b"x" * (MOST_BYTES + 1), "long.txt")
    refused(page, "The list has 20 kB; at most 20 kB are taken.")
    told(page, "Nothing is chosen yet.")
    choose(page, b"\n \n", "blank.txt")
    told(page, "0 lines, 3 B")
    send(page)
    refused(page, "The list has no URL")
    choose(page, b"\xff\xfe\x00", "odd.csv")
    send(page)
    refused(page, "invalid_request")
    page.get_by_label("Or paste URLs").fill(lines_of(place, 1))
    expect(page.locator("#trouble")).to_be_hidden()
    page.get_by_label("Source").fill("a b")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Webhook").fill("ftp://x")
    send(page)
    refused(page, "nvalid source")


def test_keys_see_what_they_may_do(place: Site) -> None:
    key = place.keys("create", "jobs-only", "--scope", "jobs", "--quiet")
    with place.page("/batches", signed_in=False) as page:
        sign_in(page, key)
        expect(page.get_by_role("radio", name="colors")).to_be_checked()
        for kind, scope in (("match", "match"), ("ingest", "write")):
            expect(page.get_by_role("radio", name=kind)).to_be_disabled()
            expect(page.locator(".kind", has_text=kind)).to_contain_text(
                f"this key has not the scope {scope}"
            )
    key = place.keys("create", "reader", "--scope", "read", "--quiet")
    with place.page("/batches", signed_in=False) as page:
        sign_in(page, key)
        expect(page.locator("main")).to_contain_text("This key has not the scope jobs")
        expect(page.locator("form#batch")).to_have_count(0)
        expect(page.get_by_role("link", name="Jobs")).to_have_count(0)


def test_the_form_is_filled_by_keyboard_alone(place: Site, page: Page) -> None:
    page.get_by_label("Or paste URLs").focus()
    page.keyboard.insert_text(lines_of(place, 1))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Number of colors")).to_be_focused()
    page.keyboard.press("Enter")
    ended(place, page)


def states(place: Site, page: Page) -> Iterator[str]:
    """Bring the page into one state after the other."""
    page.goto("/batches")
    yield "empty"
    page.get_by_label("Or paste URLs").fill(lines_of(place, 40))
    page.get_by_text("More", exact=True).click()
    page.get_by_role("radio", name="match").check()
    yield "match"
    page.get_by_label("Tolerance").fill("-1")
    send(page)
    refused(page, "Tolerance: ")
    yield "refused"
    page.get_by_role("radio", name="ingest").check()
    with held(place, "/held.png", SALMON) as release:
        page.get_by_label("Or paste URLs").fill(place.origin.url("/held.png"))
        send(page)
        expect(page.locator(".state")).to_have_text("running")
        yield "running"
        release.set()
        expect(page.locator(".state")).to_have_text("succeeded")


def test_every_state_is_readable_in_light_and_dark_and_whole_on_a_phone(place: Site) -> None:
    with place.page(None) as page:
        check_looks(page, states(place, page))
