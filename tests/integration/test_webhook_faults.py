"""Receivers that hang, flood or must not be asked, and a catalog or a process that goes away."""

from __future__ import annotations

import threading
from ipaddress import ip_network

import pytest

from pixmill.errors import OutputError
from pixmill.fetch.poster import ANSWER_BYTES
from pixmill.web import webhooks
from pixmill.web.webhooks import AT_ONCE_OF_ONE, LEASE_S
from tests import origin as o
from tests.contract.catalogs import Clock
from tests.integration.webhook_sending import (
    attempted,
    be_quick,
    canceled,
    catalog_of_one_key,
    sending,
    state,
    until,
)
from tests.receivers import told


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
    "reply",
    [o.hang(), o.slow_headers(0.05), o.hang(b"HTTP/1.1 200 OK\r\n")],
    ids=["all", "headers", "body"],
)
async def test_a_receiver_that_hangs_costs_an_attempt(catalog, receiver, reply):
    canceled(catalog, receiver.on("/told", reply))
    async with sending(catalog, timeout_s=0.3) as sent:
        await until(lambda: sent.said("webhook failed"))
    (line,) = sent.said("webhook failed")
    assert line["came"] == "timeout: no answer within 0.3 s"


@pytest.mark.parametrize(
    "reply",
    [
        o.stall_after_headers(),
        o.answer(bytes(100 * ANSWER_BYTES)),
        o.gzip_bomb(2**20),
        o.lying(b"x", 1000),
        o.chunked(b"x", cut=True),
    ],
    ids=["stalled", "large", "bomb", "lying", "cut"],
)
async def test_what_follows_a_status_of_success_does_not_count(catalog, receiver, reply):
    job = canceled(catalog, receiver.on("/told", reply))
    async with sending(catalog, timeout_s=2):
        await attempted(catalog, job, 1)
    assert state(catalog, job) == (1, "delivered")


async def test_receivers_that_do_not_answer_keep_no_other_waiting(catalog, receiver):
    slow = [canceled(catalog, receiver.on("/slow", o.hang())) for _ in range(40)]
    with o.Origin(host="127.0.0.2") as other:
        job = canceled(catalog, other.serve("/told", b""))
        async with sending(catalog):
            await attempted(catalog, job, 1)
            await until(lambda: receiver.hits("/slow") == AT_ONCE_OF_ONE)
            await attempted(catalog, canceled(catalog, other.url("/told")), 1)
            assert receiver.peak == receiver.hits("/slow") == AT_ONCE_OF_ONE
    assert {state(catalog, each) for each in slow} == {(0, "due")}


@pytest.mark.soak
async def test_many_are_told_once_by_two(catalog, receiver):
    url = receiver.serve("/told", b"")
    made = [canceled(catalog, url) for _ in range(50)]
    async with sending(catalog), sending(catalog):
        await until(lambda: {state(catalog, job) for job in made} == {(1, "delivered")})
    assert sorted(told(request)["id"] for request in receiver.requests) == sorted(
        job.id for job in made
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
async def test_no_private_address_is_told_unless_it_may_be(catalog, host):
    with o.Canary() as canary:
        job = canceled(catalog, f"http://{host}:{canary.port}/told")
        async with sending(catalog, allow_networks=()) as sent:
            await until(lambda: sent.counted("given_up") == 1)
        assert canary.hits == 0
    assert state(catalog, job) == (1, "given_up")
    assert sent.said("webhook given up")[0]["came"].startswith("blocked_address")


async def test_a_redirect_leads_nowhere(catalog):
    allowed = (ip_network("127.0.0.3/32"),)
    with o.Canary() as canary, o.Origin(host="127.0.0.3") as receiver:
        to = f"http://127.0.0.1:{canary.port}/"
        job = canceled(catalog, receiver.on("/told", o.redirect(to, 307)))
        async with sending(catalog, allow_networks=allowed):
            await attempted(catalog, job, 1)
        assert canary.hits == 0
    assert state(catalog, job) == (1, "due")


async def test_the_end_of_the_process_waits_for_nobody_and_loses_nothing(catalog, receiver, clock):
    job = canceled(catalog, receiver.on("/told", o.hang(), o.answer()))
    async with sending(catalog):
        await until(lambda: receiver.hits("/told") == 1)
    assert state(catalog, job) == (0, "due")
    async with sending(catalog):
        marker = canceled(catalog, receiver.serve("/marker", b""))
        await attempted(catalog, marker, 1)
        assert receiver.hits("/told") == 1  # it may still be under way
        clock.forward(LEASE_S + 1)
        await attempted(catalog, job, 1)
    assert state(catalog, job) == (1, "delivered")


async def test_what_can_not_be_noted_is_told_again(catalog, receiver, clock, monkeypatch):
    job = canceled(catalog, receiver.serve("/told", b""))
    port = catalog.webhooks

    def full(*_, **__):
        raise OutputError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(port, "told", full)
        async with sending(catalog) as sent:
            await until(lambda: sent.said("a webhook can not be noted"))
    async with sending(catalog):
        clock.forward(LEASE_S + 1)
        await attempted(catalog, job, 1)
    assert receiver.hits("/told") == 2


async def test_a_catalog_that_is_gone_for_a_while_costs_nothing(catalog, receiver, monkeypatch):
    job = canceled(catalog, receiver.serve("/told", b""))

    def gone(*_):
        raise OutputError("it is gone")

    async with sending(catalog) as sent:
        with monkeypatch.context() as patched:
            patched.setattr(catalog.webhooks, "claim", gone)
            await until(lambda: sent.said("webhooks can not be looked for"))
        await attempted(catalog, job, 1)


async def test_a_catalog_that_hangs_holds_up_no_end(catalog, receiver, monkeypatch):
    canceled(catalog, receiver.serve("/told", b""))
    goes_on, asked = threading.Event(), threading.Event()

    def hang(*_):
        asked.set()
        goes_on.wait(60)

    monkeypatch.setattr(catalog.webhooks, "claim", hang)
    async with sending(catalog):
        await until(asked.is_set)
    assert not goes_on.is_set()
    goes_on.set()


async def test_a_defect_counts_as_a_failed_attempt(catalog, receiver, clock, monkeypatch):
    job = canceled(catalog, receiver.serve("/told", b""))

    def trip(_):
        raise ZeroDivisionError("hidden")

    async with sending(catalog) as sent:
        with monkeypatch.context() as patched:
            patched.setattr(webhooks, "job_as_json", trip)
            await attempted(catalog, job, 1)
        (line,) = sent.said("a webhook failed by a defect")
        assert "hidden" in line["traceback"]
        clock.forward(60)
        await attempted(catalog, job, 2)
    assert state(catalog, job) == (2, "delivered")
