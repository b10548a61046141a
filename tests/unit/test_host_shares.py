"""The permits of one worker, over a catalog that is told what to give."""

from __future__ import annotations

import threading
import time

import pytest

from pixmill.errors import OutputError
from pixmill.jobs import host_shares as module
from pixmill.jobs.host_shares import HostShares
from pixmill.store import open_catalog

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


class Taker:
    """One who takes permits, and is woken when there is one for it."""

    def __init__(self, shares, there=True):
        self.shares, self.there = shares, there
        self.woken = threading.Event()

    def wake(self):
        self.woken.set()
        return self.there

    def take(self):
        self.woken.clear()
        return self.shares.take(HOST, self.wake)

    def wait(self):
        while not self.take():
            assert self.woken.wait(10)


def test_a_permit_is_there_once_the_catalog_gave_one(shares, hosts):
    taker = Taker(shares)
    assert not taker.take()
    taker.wait()
    assert taker.take()
    assert not taker.take()
    assert hosts.asked[0] == ({HOST: 0}, [])


def test_those_who_wait_have_their_turns_in_order(shares):
    first, second, third = (Taker(shares) for _ in range(3))
    first.wait()
    assert first.take()
    assert not second.take()
    assert not third.take()
    assert not first.take()
    turns = ((first, second, (third, first)), (first, third, (first,)), (second, first, ()))
    for giver, taker, others in turns:
        shares.give_back(HOST, giver.wake)
        assert taker.woken.is_set()
        assert not any(other.woken.is_set() for other in others)
        assert not any(other.take() for other in others)  # it is kept for the one who was woken
        assert taker.take()


def test_who_gives_a_permit_back_has_it_again_while_it_has_no_more_than_others(shares, hosts):
    """So that no other is woken for it: the two of them have as many all the time."""
    hosts.given[HOST] = 4
    one, two = Taker(shares), Taker(shares)
    one.wait()
    assert one.take()
    assert two.take()
    assert two.take()
    for taker in (one, two) * 3:
        assert not one.take()
        assert not two.take()
        shares.give_back(HOST, taker.wake)
        assert not one.woken.is_set()
        assert not two.woken.is_set()
        other = two if taker is one else one
        assert not other.take()
        assert taker.take()


@pytest.mark.parametrize("gone", ["forgets", "is not there"])
def test_who_does_not_wait_any_more_holds_nobody_up(shares, gone):
    first, second, third = Taker(shares), Taker(shares, there=gone == "forgets"), Taker(shares)
    first.wait()
    assert first.take()
    assert not second.take()
    assert not third.take()
    if gone == "forgets":
        shares.forget(HOST, second.wake)
        shares.forget(HOST, second.wake)
    shares.give_back(HOST, first.wake)
    assert third.woken.is_set()
    assert third.take()


def test_who_is_woken_and_does_not_come_is_passed_over_and_comes_later(shares, monkeypatch):
    monkeypatch.setattr(module, "_KEPT_S", 0.0)
    first, busy, third = (Taker(shares) for _ in range(3))
    first.wait()
    assert first.take()
    assert not busy.take()
    assert not third.take()
    shares.give_back(HOST, first.wake)
    shares.give_back(HOST, first.wake)
    assert busy.woken.is_set()
    assert third.woken.is_set()
    assert third.take()
    busy.wait()


def test_who_uses_more_than_it_has_takes_none_and_tells_when_it_does_not(
    shares, hosts, monkeypatch
):
    monkeypatch.setattr(module, "_EVERY_S", 0.05)
    taker, other = Taker(shares), Taker(shares)
    taker.wait()
    assert taker.take()
    hosts.given[HOST] = 1
    until(lambda: not shares._known[HOST].permits > 1)
    monkeypatch.setattr(module, "_EVERY_S", 3600.0)
    until(lambda: hosts.asked[-1] == ({HOST: 2}, []))
    assert not other.take()
    until(lambda: shares._known[HOST].is_over)
    number = len(hosts.asked)
    shares.give_back(HOST, taker.wake)
    assert not other.take()
    until(lambda: len(hosts.asked) > number)  # at once, since others wait for it
    assert hosts.asked[-1] == ({HOST: 1}, [])
    hosts.given[HOST] = 2


def test_no_more_are_taken_than_were_told_while_the_catalog_is_asked(hosts):
    """It may give the others away at this moment."""
    shares = HostShares(hosts, "me", limit=2, lease_s=30, told=lambda *_: None)
    taker = Taker(shares)
    shares._ask(*_gathered(shares, taker))
    assert taker.take()
    asks, idle = shares._gathered(all_of_them=True)
    assert asks == {HOST: 1}
    assert not taker.take()
    shares.give_back(HOST, taker.wake)
    assert taker.take()
    assert not taker.take()
    shares._ask(asks, idle)
    assert taker.woken.is_set()
    assert taker.take()


def _gathered(shares, taker):
    assert not taker.take()
    return shares._gathered(all_of_them=True)


def until(is_so, within_s=10):
    pause, deadline = threading.Event(), time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        pause.wait(0.01)


def test_a_catalog_that_is_away_is_told_and_asked_again(hosts, told):
    hosts.broken = True
    shares = HostShares(
        hosts, "me", limit=2, lease_s=30, told=lambda what, error: told.append(str(error))
    )
    shares.start()
    taker = Taker(shares)
    assert not taker.take()
    while not told:
        assert not taker.woken.wait(0.01)
    hosts.broken = False
    assert taker.woken.wait(10)
    shares.stop()
    assert told[0] == "away"


def test_what_was_not_renewed_in_time_is_used_no_more(hosts):
    shares = HostShares(hosts, "me", limit=2, lease_s=0.6, told=lambda *_: None)
    shares.start()
    taker = Taker(shares)
    taker.wait()
    shares.give_back(HOST, taker.wake)
    hosts.broken = True
    until(lambda: not _tries(taker, shares))
    hosts.broken = False
    taker.wait()
    shares.stop()


def _tries(taker, shares):
    is_taken = taker.take()
    if is_taken:
        shares.give_back(HOST, taker.wake)
    return is_taken


def test_of_more_workers_than_permits_each_has_turns_and_never_are_there_more(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_EVERY_S", 0.1)
    monkeypatch.setattr(module, "_GATHER_S", 0.01)
    lock, done, stopping = threading.Lock(), dict.fromkeys("abc", 0), threading.Event()
    in_use, most = 0, 0

    def work(name, shares):
        nonlocal in_use, most
        taker = Taker(shares)
        while not stopping.is_set():
            if not taker.take():
                taker.woken.wait(0.05)
                continue
            with lock:
                in_use += 1
                most = max(most, in_use)
            stopping.wait(0.005)
            with lock:
                in_use -= 1
                done[name] += 1
            shares.give_back(HOST, taker.wake)

    with open_catalog(None, tmp_path) as catalog:
        workers = [
            HostShares(catalog.hosts, name, limit=2, lease_s=4.5, told=lambda *_: None)
            for name in done
        ]
        threads = [
            threading.Thread(target=work, args=(name, shares))
            for name, shares in zip(done, workers, strict=True)
            for _ in range(2)  # who always have work, as the next of a list
        ]
        for each in (*workers, *threads):
            each.start()
        try:
            until(lambda: min(done.values()) > 20, 30)
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
            for shares in workers:
                shares.stop()
    assert most == 2
