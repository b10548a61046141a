"""A cluster in a real browser: its page, the shards of a list, and dead ones redriven by a click.

The broker is away and the workers are rows in the catalog; real ones are `test_cluster_service`'s.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from pixmill.store import open_catalog
from pixmill.store.opening import sqlite_url
from pixmill.store.shards import ShardId
from tests import shards
from tests.acceptance.browser_looks import check_looks
from tests.acceptance.browser_site import Site, sign_in, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from pixmill.store import Catalog

ENV = {"PIXMILL_JOBS": "0", "PIXMILL_WORKERS": "1"}
AWAY = {"PIXMILL_BROKER": "amqp://127.0.0.1:9/"}


@pytest.fixture(scope="module")
def place(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    catalog = {"PIXMILL_CATALOG": sqlite_url(folder / "data" / "catalog.sqlite")}
    with site(browser, folder, {**ENV, **AWAY, **catalog}) as started:
        yield started


@pytest.fixture(scope="module")
def alone(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(browser, tmp_path_factory.mktemp("alone"), ENV) as started:
        yield started


@contextmanager
def catalog_of(place: Site) -> Iterator[Catalog]:
    with open_catalog(None, place.folder / "data") as catalog:
        yield catalog


def test_a_list_that_is_cut_shows_its_shards_as_they_are_done(place: Site) -> None:
    with catalog_of(place) as catalog:
        one = shards.at_work(catalog, "one")
        job = shards.cut(catalog, 20)
        shards.do(catalog, job, 0, one)
        shards.begin(catalog, job, 2, one)
        with place.page(f"/jobs/{job.id}") as page:
            strip = page.get_by_role("img", name="Shards in the order of the list")
            expect(strip).to_have_accessible_name(
                "Shards in the order of the list: 1 done, 1 running, 18 waiting, 0 dead"
            )
            expect(strip.locator(".cell")).to_have_count(20)
            row = page.locator(".shards tbody tr")
            for told in ("running", "201 to 300", "one"):
                expect(row).to_contain_text(told)
            expect(page.get_by_role("button", name="Redrive")).to_have_count(0)
            shards.do(catalog, job, 1, one)
            shards.kill(catalog, job, 3, one, "it took too much memory")
            expect(strip).to_have_accessible_name(
                "Shards in the order of the list: 2 done, 1 running, 16 waiting, 1 dead"
            )
            expect(row.first).to_contain_text("it took too much memory")
            page.get_by_role("button", name="Redrive").click()
            expect(page.get_by_role("button", name="Redrive")).to_have_count(0)
            expect(page.locator("#state")).to_have_text("The job is running.")
            assert catalog.shards.numbers(job.id).get("dead") is None


def test_a_job_that_is_stalled_goes_on_by_one_click(place: Site) -> None:
    with catalog_of(place) as catalog:
        job = shards.cut(catalog, 1)
        shards.kill(catalog, job, 0, shards.at_work(catalog, "one"))
        shards.stall(catalog, job)
        with place.page("/jobs") as page:
            page.locator(f"#redrive-{job.id}").click()
            expect(page.locator(f"#redrive-{job.id}")).to_have_count(0)
            assert catalog.jobs.find(job.id).state == "queued"


def test_an_operator_redrives_the_shards_of_a_command_from_the_page(place: Site) -> None:
    with catalog_of(place) as catalog:
        job = shards.cut(catalog, 2, key_id=None)
        shards.kill(catalog, job, 1, shards.at_work(catalog, "node-7"))
        key = place.keys("create", "watcher", "--scope", "metrics", "--quiet")
        with place.page("/cluster", signed_in=False) as page:
            sign_in(page, key)
            expect(page.get_by_text(f"pixmill jobs redrive {job.id}")).to_be_visible()
            expect(page.get_by_role("button", name="Redrive")).to_have_count(0)
        with place.page("/") as page:
            page.get_by_role("link", name="Cluster").click()
            expect(page.locator("#live .trouble")).to_contain_text("The broker does not answer")
            button = page.get_by_role("button", name=f"Redrive: {job.id[:12]}")
            button.focus()
            page.evaluate("document.getElementById('live').classList.add('old')")
            expect(page.locator("#live.old")).to_have_count(0)
            expect(button).to_be_focused()
            page.keyboard.press("Enter")
            expect(button).to_have_count(0)
            assert catalog.shards.find(ShardId(job.id, 1)).state == "waiting"


def test_workers_come_and_go_on_the_page(place: Site) -> None:
    with catalog_of(place) as catalog, place.page("/cluster") as page:
        worker = shards.at_work(catalog, "comes-and-goes")
        row = page.locator(".workers > li", has_text="comes-and-goes")
        expect(row).to_contain_text("Nothing to do")
        job = shards.cut(catalog, 1)
        shards.begin(catalog, job, 0, worker)
        expect(row).to_contain_text(f"Shard 0 of {job.id[:12]}")
        catalog.workers.leave(worker.token)
        expect(row).to_have_count(0)


def states(place: Site, page: Page) -> Iterator[str]:
    """Show pages of every look."""
    with catalog_of(place) as catalog:
        for worker in catalog.workers.alive():
            catalog.workers.leave(worker.token)
        page.goto("/cluster")
        expect(page.get_by_text("No worker is alive.")).to_be_visible()
        yield "no worker"
        one = shards.at_work(catalog, "node-" + "x" * 80)
        shards.at_work(catalog, "node-8", 1)
        small, large = shards.cut(catalog, 40), shards.cut(catalog, 700, complete=False)
        for number in range(9):
            shards.do(catalog, small, number, one)
            shards.do(catalog, large, number, one)
        for job in (small, large):
            shards.begin(catalog, job, 10, one)
            shards.kill(catalog, job, 11, one, "a cause of a long name " + "x" * 90)
        stalled, command = shards.cut(catalog, 1), shards.cut(catalog, 3, key_id=None)
        for job in (stalled, command):
            shards.kill(catalog, job, 0, one)
        shards.stall(catalog, stalled)
        for path in ("/cluster", "/jobs", *(f"/jobs/{job.id}" for job in (small, large, stalled))):
            page.goto(path)
            expect(page.locator(".state").first).to_be_visible()
            yield path


def test_every_state_is_readable_in_light_and_dark_and_whole_on_a_phone(place: Site) -> None:
    with place.page(None) as page:
        check_looks(page, states(place, page))


def test_a_service_without_a_broker_says_how_to_add_workers(alone: Site) -> None:
    with alone.page("/") as page:
        expect(page.get_by_role("link", name="Cluster")).to_have_count(0)
        page.goto("/cluster")
        expect(page.get_by_text("This service works alone")).to_contain_text("pixmill worker")
        check_looks(page, ["alone"])
