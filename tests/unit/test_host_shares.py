"""The permits of one worker, over a catalog that is told what to give."""

from __future__ import annotations

import threading

import pytest

from pixmill.errors import OutputError
from pixmill.jobs.host_shares import HostShares

HOST = "http://example.org:80"


class Hosts:
    """A catalog's shares of servers: gives what `given` says, and keeps what it was asked."""

    def __init__(self):
        self.given = {HOST: 2}
        self.asked = []
        self.left = []
        self.broken = False

    def share(self, owner, asks, idle, limit, lease_s):
        if self.broken:
            raise OutputError("away")
        self.asked.append((dict(asks), list(idle)))
        return {host: self.given.get(host, 0) for host in asks}

    def leave(self, owner):
        self.left.append(owner)


@pytest.fixture
def hosts():
    return Hosts()


@pytest.fixture
def told():
    return []


@pytest.fixture
def shares(hosts, told):
    opened = HostShares(
        hosts, "me", limit=2, lease_s=30, told=lambda what, error: told.append(str(error))
    )
    opened.start()
    yield opened
    opened.stop()
    assert hosts.left == ["me"]


def wait_for_permit(shares):
    free = threading.Event()
    shares.when_free(HOST, free.set)
    assert free.wait(10)


def test_a_permit_is_there_once_the_catalog_gave_one(shares, hosts):
    assert not shares.take(HOST)
    wait_for_permit(shares)
    assert shares.take(HOST)
    assert shares.take(HOST)
    assert not shares.take(HOST)
    assert hosts.asked[0] == ({HOST: 0}, [])


def test_who_waits_is_woken_by_who_leaves(shares):
    shares.take(HOST)
    wait_for_permit(shares)
    assert shares.take(HOST)
    assert shares.take(HOST)
    free = threading.Event()
    shares.when_free(HOST, free.set)
    assert not free.is_set()
    shares.give_back(HOST)
    assert free.is_set()
    assert shares.take(HOST)


def test_who_asks_to_be_woken_where_one_is_free_is_woken_at_once(shares):
    shares.take(HOST)
    wait_for_permit(shares)
    free = threading.Event()
    shares.when_free(HOST, free.set)
    assert free.is_set()


def test_a_catalog_that_is_away_is_told_and_asked_again(hosts, told):
    hosts.broken = True
    shares = HostShares(
        hosts, "me", limit=2, lease_s=30, told=lambda what, error: told.append(str(error))
    )
    shares.start()
    assert not shares.take(HOST)
    free = threading.Event()
    shares.when_free(HOST, free.set)
    while not told:
        assert not free.wait(0.01)
    hosts.broken = False
    assert free.wait(10)
    shares.stop()
    assert told[0] == "away"


def test_what_was_not_renewed_in_time_is_used_no_more(hosts):
    shares = HostShares(hosts, "me", limit=2, lease_s=0.6, told=lambda *_: None)
    shares.start()
    shares.take(HOST)
    wait_for_permit(shares)
    hosts.broken = True
    deadline = threading.Event()
    while shares.take(HOST):
        shares.give_back(HOST)
        assert not deadline.wait(0.02)
    hosts.broken = False
    wait_for_permit(shares)
    shares.stop()
