"""Ends of jobs told to real receivers: what is said, who signed it, how often it is tried."""

from __future__ import annotations

import base64
import time

import pytest

from pixmill.jobs.webhooks import MAX_ATTEMPTS
from pixmill.signing import webhook_secret_text
from pixmill.store.jobs import Outcome, Progress, Result
from pixmill.web.job_views import job_as_json
from tests import origin as o
from tests.contract.catalogs import Clock
from tests.integration.webhook_sending import (
    DAY_S,
    add,
    attempted,
    be_quick,
    canceled,
    catalog_of_one_key,
    sending,
    state,
    until,
)
from tests.receivers import is_signed, told

DONE = Outcome(Result("results/2026-11-20/cam/1-2.png", 7, "image/png"))
BROKEN = Outcome(code="corrupt_image", message="it is broken")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    be_quick(monkeypatch)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def catalog(tmp_path, clock):
    with catalog_of_one_key(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def receiver():
    with o.Origin() as running:
        yield running


@pytest.mark.parametrize(
    ("event", "outcome", "name"),
    [("succeed", DONE, "succeeded"), ("fail", BROKEN, "failed"), ("stall", BROKEN, "stalled")],
)
async def test_each_end_is_told_as_the_job_is(catalog, receiver, event, outcome, name):
    job = add(catalog, receiver.serve("/told", b""))
    catalog.jobs.claim("me", 30, ("operations",))
    ended = catalog.jobs.end(job.id, "me", event, outcome, Progress(1, 0, 1))
    async with sending(catalog) as sent:
        await attempted(catalog, job, 1)
        await until(lambda: sent.counted("delivered") == 1)
    (request,) = receiver.requests
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert request.headers["user-agent"].startswith("pixmill/")
    assert told(request) == job_as_json(ended)
    assert told(request)["state"] == name
    assert state(catalog, job) == (1, "delivered")
    (line,) = sent.said("webhook delivered")
    assert (line["job"], line["attempts"]) == (job.id, 1)
    assert line["receiver"] == receiver.url("/")


async def test_who_knows_the_secret_can_tell_what_is_ours(catalog, receiver):
    job = canceled(catalog, receiver.serve("/told", b""))
    async with sending(catalog):
        await attempted(catalog, job, 1)
    (request,) = receiver.requests
    (secret,) = catalog.webhook_secrets.live()
    text = webhook_secret_text(secret)
    assert text.startswith("whsec_")
    assert is_signed(request, text)
    assert not is_signed(request, base64.b64encode(catalog.secrets.live()[0]).decode())
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 300
    assert "." not in request.headers["webhook-id"]


async def test_old_and_new_secrets_sign_until_the_old_one_ends(catalog, receiver, clock):
    (old,) = map(webhook_secret_text, catalog.webhook_secrets.live())
    catalog.webhook_secrets.rotate(1000)
    new = webhook_secret_text(catalog.webhook_secrets.live()[0])
    url = receiver.serve("/told", b"")
    async with sending(catalog):
        await attempted(catalog, canceled(catalog, url), 1)
        clock.forward(1001)
        await attempted(catalog, canceled(catalog, url), 1)
    both, after = receiver.requests
    assert is_signed(both, old)
    assert is_signed(both, new)
    assert not is_signed(after, old)
    assert is_signed(after, new)


async def test_what_fails_is_told_again_under_the_same_id(catalog, receiver, clock):
    replies = (o.answer(status=500), o.reset(), o.redirect(receiver.url("/other")), o.answer())
    job = canceled(catalog, receiver.on("/told", *replies))
    async with sending(catalog) as sent:
        for attempts in range(1, 4):
            await attempted(catalog, job, attempts)
            assert state(catalog, job) == (attempts, "due")
            clock.forward(DAY_S)
        await attempted(catalog, job, 4)
        await until(lambda: sent.counted("delivered") == 1)
        await until(lambda: sent.counted("failed") == 3)
    assert state(catalog, job) == (4, "delivered")
    assert [line["came"].split(":")[0] for line in sent.said("webhook failed")] == [
        "status 500",
        "connect_failed",
        "status 302",
    ]
    assert receiver.hits("/other") == 0
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


async def test_a_job_that_is_done_again_tells_another_end(catalog, receiver, clock):
    job = add(catalog, receiver.serve("/told", b""))
    async with sending(catalog):
        for _ in range(2):
            catalog.jobs.claim("me", 30, ("operations",))
            clock.forward(1)
            catalog.jobs.end(job.id, "me", "fail", BROKEN, Progress(1, 1, 1))
            await attempted(catalog, job, 1)
            catalog.jobs.move(job.id, "retry")
    first, second = receiver.requests
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


async def test_a_receiver_that_never_takes_it_is_given_up(catalog, receiver, clock):
    job = canceled(catalog, receiver.on("/told", o.answer(status=404)))
    async with sending(catalog) as sent:
        for attempts in range(1, MAX_ATTEMPTS + 1):
            await attempted(catalog, job, attempts)
            clock.forward(2 * DAY_S)
        await until(lambda: sent.counted("given_up") == 1)
    assert state(catalog, job) == (MAX_ATTEMPTS, "given_up")
    assert len(receiver.requests) == MAX_ATTEMPTS


async def test_a_receiver_that_is_gone_for_good_is_not_asked_again(catalog, receiver):
    job = canceled(catalog, receiver.on("/told", o.answer(status=410)))
    async with sending(catalog) as sent:
        await until(lambda: sent.counted("given_up") == 1)
    assert state(catalog, job) == (1, "given_up")


async def test_a_receiver_is_left_alone_for_as_long_as_it_asks_for(catalog, receiver, clock):
    job = canceled(catalog, receiver.on("/told", o.retry_after(3600, 503), o.answer()))
    async with sending(catalog) as sent:
        await until(lambda: sent.said("webhook failed"))
        (line,) = sent.said("webhook failed")
        assert line["again_s"] == 3600
        clock.forward(3500)
        marker = canceled(catalog, receiver.serve("/marker", b""))
        await attempted(catalog, marker, 1)
        assert receiver.hits("/told") == 1
        clock.forward(101)
        await attempted(catalog, job, 2)
    assert state(catalog, job) == (2, "delivered")
