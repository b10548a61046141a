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
    assert share(hosts, "a", 8) == 4  # and in use
    assert share(hosts, "b") == 0
    assert share(hosts, "a", 5) == 4
    assert share(hosts, "b") == 3
    assert share(hosts, "a", 2) == 4
    assert share(hosts, "b", 3) == 4


def test_what_does_not_divide_is_had_by_some_and_nobody_has_nothing(hosts):
    for _ in range(3):
        given = [share(hosts, str(number)) for number in range(3)]
    assert sorted(given) == [2, 3, 3]


def test_of_more_than_there_are_permits_each_has_one_or_none(hosts):
    given = [share(hosts, str(number), limit=3) for number in range(5)]
    assert given == [3, 0, 0, 0, 0]
    for _ in range(3):
        given = [share(hosts, str(number), limit=3) for number in range(5)]
    assert sorted(given) == [0, 0, 1, 1, 1]


def test_who_has_waited_longest_is_next_once_a_turn_is_over(hosts, clock):
    for _ in range(2):
        given = [share(hosts, owner, limit=1) for owner in "abc"]
        assert given == [1, 0, 0]
    clock.forward(LEASE_S / 3)
    assert share(hosts, "c", limit=1) == 0  # the other was there before
    assert share(hosts, "b", limit=1) == 0  # it is in use
    assert share(hosts, "a", 1, limit=1) == 0
    assert share(hosts, "b", limit=1) == 0  # it still is
    assert share(hosts, "a", 0, limit=1) == 0
    assert share(hosts, "c", limit=1) == 0
    assert share(hosts, "b", limit=1) == 1
    clock.forward(LEASE_S / 3)
    assert [share(hosts, owner, limit=1) for owner in "bac"] == [0, 0, 1]


def test_a_turn_goes_on_while_nobody_waits(hosts, clock):
    for _ in range(2):
        share(hosts, "a", 0, limit=2)
        share(hosts, "b", 0, limit=2)
    for _ in range(9):
        assert [share(hosts, owner, 1, limit=2) for owner in "ab"] == [1, 1]
        clock.forward(LEASE_S / 3 + 1)


ROUND_S = 2.0
LONGEST = 4  # rounds that a request takes


class Worker:
    """One who uses all it may, by requests that take a while."""

    def __init__(self, name, rng):
        self.name, self.rng = name, rng
        self.granted, self.ends, self.waited = 0, [], 0

    @property
    def used(self):
        return len(self.ends)

    def go_on(self, now):
        self.ends = [end for end in self.ends if end > now]
        while self.used < self.granted:
            self.ends.append(now + self.rng.randint(1, LONGEST))

    def ask(self, hosts, limit, now):
        said = self.used
        self.granted = share(hosts, self.name, said, limit=limit)
        self.go_on(now)
        self.waited = 0 if self.used else self.waited + 1


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_there_are_no_more_than_all_have_and_everybody_has_a_turn(
    hosts, clock, seed
):
    rng = random.Random(seed)
    limit, most = rng.randint(1, 4), rng.randint(2, 7)
    workers, made = [], 0
    turn = LEASE_S / 3 / ROUND_S + LONGEST + 3  # rounds, with giving back and asking
    bound = turn * (-(-most // limit) + 1)
    for now in range(250):
        clock.forward(ROUND_S)
        if len(workers) < most and rng.random() < (0.5 if now < 20 else 0.05):
            made += 1
            workers.append(Worker(str(rng.randrange(10**6)), rng))
        idle = [each for each in workers if not each.used]
        if idle and rng.random() < 0.03:
            gone = rng.choice(idle)
            workers.remove(gone)
            if rng.random() < 0.7:  # else it has died, of which its lease tells
                hosts.leave(gone.name)
        rng.shuffle(workers)
        for each in workers:
            each.go_on(now)
            if rng.random() < 0.9:
                each.ask(hosts, limit, now)
            assert sum(one.used for one in workers) <= limit
            assert each.waited <= bound + LEASE_S / ROUND_S
    assert made > 1


def test_servers_are_apart_and_asked_for_together(hosts):
    asks = {f"http://{number}.example:80": number for number in range(300)}
    given = hosts.share("a", asks, [], 8, LEASE_S)
    assert given == dict.fromkeys(asks, 8)
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
