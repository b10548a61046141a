"""The pages of jobs in a real browser: listed, followed live, canceled, repeated, dropped."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from tests.acceptance.api_lists import followed, submit
from tests.acceptance.browser_jobs import held
from tests.acceptance.browser_looks import check_looks
from tests.acceptance.browser_site import SALMON, Site, sign_in, site
from tests.drawn import encoded, picture
from tests.origin import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx import Client
    from playwright.sync_api import Browser, Page, Route

PHOTO = encoded(picture(300, 450), "JPEG")
MD5 = hashlib.md5(PHOTO, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    env = {"PIXMILL_JOB_LEASE": "1", "PIXMILL_WORKERS": "1", "PIXMILL_JOBS": "1"}
    with site(browser, tmp_path_factory.mktemp("site"), env) as started:
        yield started


@pytest.fixture
def client(place: Site) -> Iterator[Client]:
    with place.service.client() as opened:
        yield opened


def a_list(place: Site, good: int = 3, bad: int = 1) -> list[str]:
    urls = [place.origin.url(f"/salmon.png?{number}") for number in range(good)]
    return urls + [place.origin.url(f"/gone.png?{number}") for number in range(bad)]


def operated(client: Client, *chain: str, **more: str) -> dict:
    client.post("/images", content=PHOTO).raise_for_status()
    wish = {"operations": list(chain), **more}
    answer = client.post(f"/images/{MD5}/operations", json=wish)
    return followed(client, answer.raise_for_status().json())


def failed(place: Site, client: Client) -> dict:
    """A job on an image that is not there any more."""
    spec = {"md5": "0" * 32, "operations": "flip"}
    with open_catalog(None, place.folder / "data") as catalog:
        key_id = catalog.keys.all()[0].id
        job, _ = catalog.jobs.add(NewJob(key_id=key_id, kind="operations", spec=spec))
    found = followed(client, client.get(f"/jobs/{job.id}").json())
    assert (found["state"], found["code"]) == ("failed", "not_found")
    return found


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def answered(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name).click()


def test_programs_are_told_json_and_browsers_are_shown_pages(client: Client, place: Site) -> None:
    job = followed(client, submit(client, a_list(place), kind="colors"))
    for path in ("/jobs", job["links"]["self"]):
        for accept, kind in (
            ("*/*", "application/json"),
            ("application/json", "application/json"),
            ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ):
            told = client.get(path, headers={"Accept": accept})
            assert (told.status_code, told.headers["content-type"]) == (200, kind)
            assert told.headers["vary"] == "Accept"


def test_a_job_is_followed_live_from_its_beginning_to_its_end(place: Site, client: Client) -> None:
    with held(place, "/held.png", SALMON) as release, place.page("/jobs") as page:
        urls = [*a_list(place), place.origin.url("/held.png")]
        job = submit(client, urls, kind="colors", n=2, source="shop", reference="all")
        page.goto(job["links"]["self"])
        page.evaluate("window.stayed = true")
        expect(page.get_by_role("heading", level=1)).to_have_text("Colors of a list")
        expect(page.locator(".state")).to_have_text("running")
        expect(page.locator(".counts")).to_have_text("4 of 5 done, 1 failed")
        bar = page.get_by_role("progressbar", name="Progress")
        expect(bar).to_have_js_property("value", 4)
        facts = page.locator(".facts").first
        for told in ("n", "2", "format", "csv", "shop", "all"):
            expect(facts).to_contain_text(told)
        release.set()
        expect(page.locator(".state")).to_have_text("succeeded")
        expect(page.locator("#state")).to_have_text("The job is succeeded.")
        expect(page.locator(".counts")).to_have_text("5 of 5 done, 1 failed")
        assert page.evaluate("window.stayed")
        with page.expect_download() as table:
            page.get_by_role("link", name="Result").click()
        assert table.value.suggested_filename == f"all-{job['id']}.csv"
        assert table.value.path().read_bytes().count(b"\n") == 4
        with page.expect_download() as errors:
            page.get_by_role("link", name="Errors").click()
        assert b"/gone.png?0,http_error" in errors.value.path().read_bytes()


def test_where_events_are_held_back_the_page_asks_again(place: Site, client: Client) -> None:
    with held(place, "/slow.png", SALMON) as release, place.page(None) as page:
        page.route("**/events", lambda route: route.fulfill(status=503))
        job = submit(client, [place.origin.url("/slow.png")], kind="colors")
        page.goto(job["links"]["self"])
        expect(page.locator(".state")).to_have_text("running")
        release.set()
        expect(page.locator(".state")).to_have_text("succeeded")


def test_the_list_renews_itself_and_leads_to_older_jobs(place: Site, client: Client) -> None:
    with held(place, "/list.png", SALMON) as release:
        older = followed(client, submit(client, a_list(place), kind="colors", reference="older"))
        job = submit(client, [place.origin.url("/list.png")], kind="match", reference="newer")
        with place.page("/jobs?limit=1") as page:
            rows = page.locator(".jobs > li")
            expect(rows).to_have_count(1)
            expect(rows).to_contain_text("Match of a list")
            expect(rows).to_contain_text("newer")
            expect(rows.locator(".state")).to_have_text("running")
            release.set()
            expect(rows.locator(".state")).to_have_text("succeeded")
            expect(rows.get_by_role("link", name="Result")).to_have_attribute(
                "href", f"{job['links']['self']}/result"
            )
            page.get_by_role("link", name="Older").click()
            expect(rows).to_contain_text("older")
            expect(rows).to_contain_text("1 failed")
            expect(rows.get_by_role("link", name="Errors")).to_have_count(1)
            page.get_by_role("link", name="Colors of a list", exact=True).click()
            expect(page).to_have_url(f"{place.service.url}{older['links']['self']}")


def test_who_reads_is_not_thrown_to_the_top_when_the_page_renews_itself(
    place: Site, client: Client
) -> None:
    made = [submit(client, a_list(place, 1, 0), kind="colors") for _ in range(15)]
    for each in made:
        followed(client, each)
    with held(place, "/read.png", SALMON) as release, place.page(None) as page:
        urls = [*a_list(place), place.origin.url("/read.png")]
        job = submit(client, urls, kind="colors")
        page.goto("/jobs")
        last = page.locator(".jobs > li").nth(14).get_by_role("link").first
        last.focus()
        place_before = page.evaluate("scrollY")
        assert place_before > 0
        page.evaluate("document.getElementById('live').classList.add('old')")
        expect(page.locator("#live.old")).to_have_count(0)
        expect(last).to_be_focused()
        assert page.evaluate("scrollY") == place_before
        page.goto(job["links"]["self"])
        page.evaluate("getSelection().selectAllChildren(document.getElementById('asked'))")
        release.set()
        page.wait_for_timeout(4000)
        assert page.evaluate("getSelection().toString()") == "What was asked"
        page.evaluate("getSelection().removeAllRanges()")
        expect(page.locator(".state")).to_have_text("succeeded")


def test_two_jobs_are_canceled_at_once(place: Site, client: Client) -> None:
    with held(place, "/both.png", SALMON), place.page(None) as page:
        jobs = [submit(client, [place.origin.url("/both.png")], kind="colors") for _ in range(2)]
        page.goto("/jobs")
        late = []

        def keep_back(route: Route) -> None:
            late.append(route)

        page.route(f"**{jobs[0]['links']['self']}", keep_back)
        for job in jobs:
            page.locator(f"#cancel-{job['id']}").click()
            answered(page, "Cancel the job")
        expect(page.locator(f"#cancel-{jobs[1]['id']}")).to_have_count(0)
        assert client.get(jobs[1]["links"]["self"]).json()["state"] == "canceled"
        late[0].continue_()
        expect(page.locator(f"#cancel-{jobs[0]['id']}")).to_have_count(0)


def test_a_job_is_canceled_after_a_question(place: Site, client: Client) -> None:
    with held(place, "/cancel.png", SALMON), place.page(None) as page:
        job = submit(client, [place.origin.url("/cancel.png")], kind="colors")
        page.goto(job["links"]["self"])
        expect(page.locator(".state")).to_have_text("running")
        click(page, "Cancel")
        expect(page.get_by_role("dialog")).to_contain_text("can not be undone")
        answered(page, "Keep it")
        expect(page.locator(".state")).to_have_text("running")
        click(page, "Cancel")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        click(page, "Cancel")
        answered(page, "Cancel the job")
        expect(page.locator(".state")).to_have_text("canceled")
        expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)
        assert client.get(job["links"]["self"]).json()["state"] == "canceled"


def test_what_failed_is_done_again_by_one_click(place: Site, client: Client) -> None:
    url = place.origin.on("/later.png", answer(status=404), answer(SALMON))
    job = followed(client, submit(client, [url], kind="colors"))
    with place.page(job["links"]["self"]) as page:
        expect(page.locator(".counts")).to_contain_text("1 failed")
        click(page, "Retry")
        expect(page.locator(".counts")).to_have_text("1 of 1 done")
        expect(page.locator(".state")).to_have_text("succeeded")
        expect(page.get_by_role("button", name="Retry")).to_have_count(0)


def test_a_picture_is_shown_and_dropped_after_a_question(place: Site, client: Client) -> None:
    url = place.origin.serve("/told", b"")
    job = operated(client, "resize 90", "grayscale", webhook=url, source="cam-7")
    with place.page(job["links"]["self"]) as page:
        made = page.get_by_role("img", name="What the job made")
        expect(made).to_have_js_property("naturalWidth", 90)
        expect(page.locator(".chain li")).to_have_text(["resize 90", "grayscale"])
        expect(page.get_by_role("link", name=MD5)).to_have_attribute("href", f"/gallery/{MD5}")
        expect(page.locator(".facts").last).to_contain_text("delivered, 1 attempt")
        expect(page.locator(".facts").last).to_contain_text(url)
        click(page, "Drop the result")
        answered(page, "Drop the result")
        expect(page.locator(".state")).to_have_text("expired")
        expect(made).to_have_count(0)
        expect(page.get_by_role("link", name="Result")).to_have_count(0)
        expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_why_a_job_failed_is_told_in_its_sentence(place: Site, client: Client) -> None:
    job = failed(place, client)
    with place.page(job["links"]["self"]) as page:
        expect(page.locator("#live .trouble")).to_contain_text(job["message"][1:])
        expect(page.locator("#live .trouble code")).to_have_text(job["code"])
        expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_a_session_that_ended_meanwhile_is_told(place: Site, client: Client) -> None:
    with held(place, "/out.png", SALMON), place.page(None) as page:
        job = submit(client, [place.origin.url("/out.png")], kind="colors")
        page.goto(job["links"]["self"])
        expect(page.locator(".state")).to_have_text("running")
        page.context.clear_cookies()
        expect(page.locator("#trouble")).to_contain_text("You are signed out")
        expect(page.locator("#trouble").get_by_role("link", name="Sign in")).to_have_attribute(
            "href", f"/sign-in?next={quote(job['links']['self'], safe='')}"
        )
        client.delete(job["links"]["self"])


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/jobs/nonsense", 404, "no such job"),
        ("/jobs?limit=x", 400, "limit"),
        (f"/jobs/{'0' * 32}", 404, "no such job"),
        ("/jobs/x/y/z", 404, "Not Found"),
        (f"/gallery/{'0' * 32}", 404, "no such image"),
        ("/monitoring?minutes=x", 400, "minutes"),
    ],
)
def test_errors_are_told_as_pages_to_browsers(
    client: Client, path: str, status: int, told: str
) -> None:
    for accept, kind in (("*/*", "application/json"), ("text/html", "text/html; charset=utf-8")):
        answer = client.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
        assert answer.headers["vary"] == "Accept"
        assert told in answer.text
    script = client.get(path, headers={"Accept": "text/html", "X-CSRF-Token": "x"})
    assert told in " ".join(script.json()["errors"])


def test_jobs_of_others_and_scopes_that_lack_are_told_as_pages(place: Site, client: Client) -> None:
    job = followed(client, submit(client, a_list(place), kind="colors"))
    for name, path, told in (
        ("jobs", job["links"]["self"], "There is no such job"),
        ("read", "/jobs", "This key has not the scope jobs"),
    ):
        key = place.keys("create", f"only-{name}", "--scope", name, "--quiet")
        with place.page(path, signed_in=False) as page:
            sign_in(page, key)
            expect(page.get_by_role("alert")).to_contain_text(told)


def states(place: Site, page: Page) -> Iterator[str]:
    """Show pages of every look, one of a job that runs."""
    with place.service.client() as client, held(place, "/looks.png", SALMON):
        done = followed(client, submit(client, a_list(place), kind="match", source="shop"))
        wrong = failed(place, client)
        made = operated(
            client, "resize 200", "blur 2", webhook=place.origin.serve("/told", b""), source="cam-7"
        )
        urls = [*a_list(place, 8, 3), place.origin.url("/looks.png")]
        runs = submit(client, urls, kind="ingest", reference="a-crawl-of-a-name-" + "x" * 60)
        waits = submit(client, a_list(place), kind="colors", n=12, counts=True)
        for path in ("/jobs", *(job["links"]["self"] for job in (done, wrong, made, runs, waits))):
            page.goto(path)
            expect(page.locator(".state").first).to_be_visible()
            yield path


def test_every_state_is_readable_in_light_and_dark_and_whole_on_a_phone(place: Site) -> None:
    with place.page(None) as page:
        check_looks(page, states(place, page))
