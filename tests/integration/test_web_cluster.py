"""A cluster as the service tells of it, with rows in its catalog and a broker that is away."""

from __future__ import annotations

import asyncio
import re

import pytest

from pixmill.jobs.redriving import redrive
from pixmill.jobs.relay import Look
from pixmill.store.shards import ShardId
from pixmill.web.cluster_watch import Watch
from tests import shards
from tests.cluster import wait_until
from tests.integration.web_app import running

AWAY = "amqp://127.0.0.1:9/"
PAGE = {"Accept": "text/html"}
STATES = ("waiting", "running", "done", "dead")


@pytest.fixture
async def app(tmp_path):
    """A service with a broker that can not be reached, which leaves jobs to others."""
    async with running(tmp_path, broker=AWAY, jobs=0, workers=1) as started:
        yield started


def numbers(*each):
    return dict(zip(STATES, each, strict=True))


async def test_a_list_that_was_cut_tells_how_many_shards_are_in_each_state(app):
    one = shards.at_work(app.catalog, "one")
    job = shards.cut(app.catalog, 9)
    shards.do(app.catalog, job, 0, one)
    shards.do(app.catalog, job, 1, one)
    shards.begin(app.catalog, job, 2, one)
    shards.kill(app.catalog, job, 3, one)
    told = (await app.client.get(f"/jobs/{job.id}")).json()
    assert told["shards"] == numbers(5, 1, 2, 1)
    listed = (await app.client.get("/jobs")).json()["jobs"]
    assert [each["id"] for each in listed] == [job.id]
    app.catalog.jobs.move(job.id, "cancel")
    assert "shards" not in (await app.client.get(f"/jobs/{job.id}")).json()


async def test_the_page_of_a_list_shows_its_shards(app):
    one = shards.at_work(app.catalog, "one <b>")
    job = shards.cut(app.catalog, 241, complete=False)
    for number in range(7):
        shards.do(app.catalog, job, number, one)
    shards.begin(app.catalog, job, 7, one)
    shards.kill(app.catalog, job, 9, one, "out of <memory>")
    page = (await app.client.get(f"/jobs/{job.id}", headers=PAGE)).text
    assert "7 done, 1 running, 232 waiting, 1 dead" in page
    titles = re.findall(r'<span title="(.*?)">', page)
    assert len(titles) == 81
    assert titles[2:4] == [
        "Shards 6 to 8: 1 waiting, 1 running, 1 done",
        "Shards 9 to 11: 2 waiting, 1 dead",
    ]
    assert titles[-1] == "Shard 240: waiting"
    assert "3 shards a cell; the list is still being cut" in page
    assert "701 to 800" in page
    assert "out of &lt;memory&gt;" in page
    assert "one &lt;b&gt;" in page
    assert 'data-action="redrive"' in page


async def test_what_has_no_shards_shows_none(app):
    job = shards.cut(app.catalog, 0)
    assert "shards" not in (await app.client.get(f"/jobs/{job.id}")).json()
    assert 'class="cells"' not in (await app.client.get(f"/jobs/{job.id}", headers=PAGE)).text


async def test_a_stalled_job_goes_on_once_it_is_redriven(app):
    one = shards.at_work(app.catalog, "one")
    job = shards.cut(app.catalog, 2)
    again = f"/jobs/{job.id}/redrive"
    refused = await app.client.post(again)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    shards.do(app.catalog, job, 1, one)
    shards.kill(app.catalog, job, 0, one)
    shards.stall(app.catalog, job)
    told = await app.client.post(again)
    assert told.status_code == 200
    assert told.json()["state"] == "queued"
    assert told.json()["message"] is None
    assert told.json()["shards"] == numbers(1, 0, 1, 0)
    assert (await app.client.post(again)).status_code == 409


async def test_a_list_that_still_runs_goes_on_with_its_dead_shards_too(app):
    job = shards.cut(app.catalog, 2)
    shards.kill(app.catalog, job, 0, shards.at_work(app.catalog, "one"))
    told = (await app.client.post(f"/jobs/{job.id}/redrive")).json()
    assert (told["state"], told["shards"]) == ("running", numbers(2, 0, 0, 0))


async def test_a_job_that_stalled_just_after_its_shards_were_redriven_goes_on(app):
    job = shards.cut(app.catalog, 1)
    shards.kill(app.catalog, job, 0, shards.at_work(app.catalog, "one"))
    assert redrive(app.catalog, job.id)
    shards.stall(app.catalog, job)
    assert redrive(app.catalog, job.id)
    assert app.catalog.jobs.find(job.id).state == "queued"
    assert not redrive(app.catalog, job.id)


async def test_jobs_of_others_are_redriven_by_an_operator_alone(app):
    one = shards.at_work(app.catalog, "one")
    _, text = app.catalog.keys.add("other", ["jobs", "metrics"])
    theirs, commands = shards.cut(app.catalog, 1), shards.cut(app.catalog, 1, key_id=None)
    for job in (theirs, commands):
        shards.kill(app.catalog, job, 0, one)
        for path, status in ((f"/jobs/{job.id}", 404), (f"/cluster/jobs/{job.id}", 403)):
            answer = await app.client.post(f"{path}/redrive", auth=("other", text))
            assert answer.status_code == status
        told = await app.client.post(f"/cluster/jobs/{job.id}/redrive")
        assert (told.status_code, told.json()["id"]) == (200, job.id)
        assert app.catalog.shards.find(ShardId(job.id, 0)).state == "waiting"
    for nothing, status in ((theirs.id, 409), ("0" * 32, 404), ("x", 404)):
        answer = await app.client.post(f"/cluster/jobs/{nothing}/redrive")
        assert answer.status_code == status


async def test_the_cluster_tells_its_workers_and_what_they_are_at(app):
    one, _ = shards.at_work(app.catalog, "one", 3), shards.at_work(app.catalog, "two", 1)
    job, command = shards.cut(app.catalog, 3), shards.cut(app.catalog, 2, key_id=None)
    begun = shards.begin(app.catalog, job, 1, one)
    shards.kill(app.catalog, command, 1, one)
    told = (await app.client.get("/cluster")).json()
    assert told["broker"] is True
    assert [(each["name"], each["slots"]) for each in told["workers"]] == [("one", 3), ("two", 1)]
    (task,) = told["workers"][0]["at_work"]
    since = begun.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert task == {"job": job.id, "kind": "colors", "shard": 1, "since": since}
    assert told["workers"][1]["at_work"] == []
    assert told["shards"] == numbers(3, 1, 0, 1)
    (dead,) = told["dead"]
    assert (dead["job"], dead["shard"], dead["first_line"]) == (command.id, 1, 101)
    assert [each["cause"] for each in dead["attempts"]] == [shards.CAUSE] * 3
    (made,) = told["commands"]
    assert (made["id"], made["state"], made["output"]) == (
        command.id,
        "running",
        "/srv/tables/catalog.csv",
    )


async def test_a_broker_that_is_away_is_told_plainly_and_hides_nothing_else(app):
    def metrics():
        return app.services.metrics.render()[0]

    shards.kill(app.catalog, shards.cut(app.catalog, 1), 0, shards.at_work(app.catalog, "one"))
    await asyncio.to_thread(wait_until, lambda: b"pixmill_dead_shards 1.0" in metrics())
    assert b'pixmill_open_shards{state="waiting"} 0.0' in metrics()
    assert (await app.client.get("/cluster")).json()["queues"] is None
    page = (await app.client.get("/cluster", headers=PAGE)).text
    assert "The broker does not answer just now" in page
    assert page.count(">unknown</dd>") == 3
    assert "UTC</time>, 3 times, one: its worker died" in page
    assert "pixmill jobs redrive" in page


def test_the_depths_of_queues_are_known_for_a_while():
    now = 100.0
    watch = Watch(lambda: now)
    assert watch.queues() is None
    watch.saw(Look({"bulk": 3}, {}, 0, 0.0))
    now += 14
    assert watch.queues() == {"bulk": 3}
    now += 2  # as where the broker hangs, and the relay with it
    assert watch.queues() is None
    watch.saw(Look(None, {}, 0, 0.0))
    assert watch.queues() is None


async def test_whoever_may_not_see_the_cluster_is_refused(app):
    for scope, status in (("jobs", 403), ("metrics", 200), ("admin", 200)):
        _, text = app.catalog.keys.add(f"of-{scope}", [scope])
        own = {"auth": (f"of-{scope}", text)}
        assert (await app.client.get("/cluster", **own)).status_code == status
        page = (await app.client.get("/", headers=PAGE, **own)).text
        assert ('href="/cluster"' in page) == (status == 200)
        page = (await app.client.get("/cluster", headers=PAGE, **own)).text
        assert ("data-action" in page) is False


async def test_a_service_without_a_broker_says_how_to_add_workers(tmp_path):
    async with running(tmp_path, jobs=0, workers=1) as app:
        assert (await app.client.get("/cluster")).json() == {
            "broker": False,
            "workers": [],
            "queues": None,
            "shards": numbers(0, 0, 0, 0),
            "dead": [],
            "commands": [],
        }
        page = (await app.client.get("/cluster", headers=PAGE)).text
        assert "This service works alone" in page
        assert "pixmill worker" in page
        assert 'href="/cluster"' not in page
