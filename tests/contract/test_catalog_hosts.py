"""The contract of the catalog, over every adapter: how many requests at once who may make where."""

from __future__ import annotations

import random

import pytest

from pixmill.store import open_catalog
from tests.contract.catalogs import Clock, race

HOST = "https://example.org:443"
LEASE_S = 30.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def hosts(request, tmp_path, clock):
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        yield opened.hosts


def share(hosts, owner, used=0, *, host=HOST, limit=8):
    return hosts.share(owner, {host: used}, [], limit, LEASE_S)[host]


def test_who_is_alone_has_all(hosts):
    assert share(hosts, "a") == 8
    assert share(hosts, "a", 8) == 8


def test_two_have_halves_once_both_have_asked_again(hosts):
    assert share(hosts, "a") == 8
    assert share(hosts, "b") == 0  # all are the other's still
    assert share(hosts, "a", 8) == 8  # and in use
    assert share(hosts, "b") == 0
    assert share(hosts, "a", 5) == 5
    assert share(hosts, "b") == 3
    assert share(hosts, "a", 2) == 4
    assert share(hosts, "b", 3) == 4


def test_of_more_than_there_are_permits_each_has_one_or_none(hosts):
    given = [share(hosts, str(number), limit=3) for number in range(5)]
    assert given == [3, 0, 0, 0, 0]
    for _ in range(3):
        given = [share(hosts, str(number), limit=3) for number in range(5)]
    assert sorted(given) == [0, 0, 1, 1, 1]


def test_servers_are_apart_and_asked_for_together(hosts):
    asks = {f"http://{number}.example:80": number for number in range(300)}
    given = hosts.share("a", asks, [], 8, LEASE_S)
    assert given == {host: max(8, used) for host, used in asks.items()}
    assert share(hosts, "b", host="http://other.example:80") == 8


def test_idle_ones_are_given_back(hosts):
    share(hosts, "a")
    assert hosts.share("a", {}, [HOST], 8, LEASE_S) == {}
    assert share(hosts, "b") == 8


def test_who_leaves_gives_all_back(hosts):
    share(hosts, "a")
    hosts.leave("a")
    hosts.leave("a")
    assert share(hosts, "b") == 8


def test_who_is_not_heard_of_any_more_has_nothing(hosts, clock):
    share(hosts, "a")
    clock.forward(LEASE_S - 1)
    assert share(hosts, "b") == 0
    clock.forward(2)
    assert share(hosts, "b") == 8


def test_names_of_any_length_are_servers(hosts):
    host = "http://" + "x" * 1000 + ":80"
    assert hosts.share("a", {host: 0}, [], 8, LEASE_S) == {host: 8}
    assert hosts.share("b", {host: 0}, [], 8, LEASE_S) == {host: 0}


def test_all_who_ask_at_once_have_no_more_than_there_are(hosts):
    names = [f"http://{number}.example:80" for number in range(20)]

    def attempt(owner):
        rng = random.Random(owner)
        return lambda: hosts.share(owner, dict.fromkeys(rng.sample(names, 15), 0), [], 8, LEASE_S)

    given = race(*[attempt(str(number)) for number in range(6)])
    for name in names:
        assert sum(each.get(name, 0) for each in given) <= 8
