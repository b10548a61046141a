"""The contract of the catalog, over every adapter: ends of jobs that are to be told."""

from __future__ import annotations

import pytest

from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob, Outcome, Progress
from tests.contract.catalogs import Clock, race

URL = "https://example.org/told"
BROKEN = Outcome(code="corrupt_image", message="it is broken")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path, clock):
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened


@pytest.fixture
def jobs(catalog):
    return catalog.jobs


@pytest.fixture
def webhooks(catalog):
    return catalog.webhooks


def add(jobs, webhook=URL):
    return jobs.add(NewJob(key_id=1, kind="operations", spec={}, webhook=webhook))[0]


def canceled(jobs, webhook=URL):
    return jobs.move(add(jobs, webhook).id, "cancel")


def end(jobs, job, event="fail"):
    assert jobs.claim("me", 30, ("operations",)).id == job.id
    return jobs.end(job.id, "me", event, BROKEN, Progress(1, 1, 1))


def test_the_end_of_a_job_is_told_once_at_a_time_until_it_is_heard(jobs, webhooks, clock):
    quiet, told = add(jobs, None), add(jobs)
    for job in (quiet, told):
        jobs.claim("me", 30, ("operations",))
        assert webhooks.claim(10) is None
        jobs.end(job.id, "me", "fail", BROKEN, Progress(1, 1, 1))
    due = webhooks.claim(10)
    assert (due.id, due.webhook) == (told.id, (URL, 0, "due"))
    assert webhooks.claim(10) is None
    clock.forward(11)  # who had it is gone
    due = webhooks.claim(10)
    assert due.id == told.id
    webhooks.told(due, delivered=False, again_s=60)
    clock.forward(59)
    assert webhooks.claim(10) is None
    clock.forward(2)
    due = webhooks.claim(10)
    assert due.webhook.attempts == 1
    webhooks.told(due, delivered=True)
    clock.forward(1000)
    assert webhooks.claim(10) is None
    assert jobs.find(told.id).webhook == (URL, 2, "delivered")
    assert jobs.find(told.id).revision > due.revision


def test_an_end_that_nobody_hears_is_given_up(jobs, webhooks):
    job = canceled(jobs)
    webhooks.told(webhooks.claim(10), delivered=False)
    assert jobs.find(job.id).webhook == (URL, 1, "given_up")
    assert webhooks.claim(10) is None


def test_of_many_who_would_tell_an_end_one_does(jobs, webhooks):
    job = canceled(jobs)
    found = race(*[lambda: webhooks.claim(10)] * 6)
    assert [each.id for each in found if each] == [job.id]


def test_receivers_that_are_busy_are_passed_over(jobs, webhooks):
    busy = canceled(jobs, "https://busy.example/a_b%/1")
    other = canceled(jobs, "https://busy.example/axb%/2")
    free = canceled(jobs, "https://busy.example.org/told")
    assert webhooks.claim(10, ["https://busy.example/"]).id == free.id
    assert webhooks.claim(10, ["https://busy.example/"]) is None
    assert webhooks.claim(10, ["https://busy.example/a_b%/"]).id == other.id
    assert webhooks.claim(10, ["https://another.example/"]).id == busy.id


def test_a_job_that_stalled_tells_it_and_its_later_end_too(jobs, webhooks):
    job = add(jobs)
    end(jobs, job, "stall")
    due = webhooks.claim(10)
    assert (due.id, due.state) == (job.id, "stalled")
    webhooks.told(due, delivered=True)
    assert jobs.move(job.id, "redrive").webhook == (URL, 0, "waiting")
    assert webhooks.claim(10) is None
    end(jobs, job, "succeed")
    due = webhooks.claim(10)
    assert (due.state, due.webhook) == ("succeeded", (URL, 0, "due"))


def test_what_came_of_an_end_is_not_noted_of_a_later_one(jobs, webhooks):
    """Who told the first end was slow; the job was done again meanwhile."""
    job = add(jobs)
    end(jobs, job)
    first = webhooks.claim(10)
    jobs.move(job.id, "retry")
    webhooks.told(first, delivered=True)
    assert jobs.find(job.id).webhook == (URL, 0, "waiting")
    end(jobs, job)
    webhooks.told(first, delivered=True)
    assert jobs.find(job.id).webhook == (URL, 0, "due")
    assert webhooks.claim(10).id == job.id


def test_what_two_tell_of_the_same_end_is_noted_once(jobs, webhooks, clock):
    job = canceled(jobs)
    slow = webhooks.claim(10)
    clock.forward(11)
    quick = webhooks.claim(10)
    webhooks.told(quick, delivered=True)
    webhooks.told(slow, delivered=False, again_s=60)
    assert jobs.find(job.id).webhook == (URL, 1, "delivered")


def test_an_expired_job_tells_nothing(jobs, webhooks):
    due, told = canceled(jobs), canceled(jobs)
    webhooks.told(webhooks.claim(10), delivered=False, again_s=0)
    webhooks.told(webhooks.claim(10), delivered=True)
    found = {jobs.move(job.id, "expire").webhook for job in (due, told)}
    assert found == {(URL, 1, "given_up"), (URL, 1, "delivered")}
    assert webhooks.claim(10) is None
