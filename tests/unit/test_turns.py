"""Turns at work: any number together, or one alone, who is not kept waiting."""

from __future__ import annotations

import threading
import time

import pytest

from pixmill.jobs.turns import Turns


class Crowd:
    """Threads that take turns; `at_work` are the names of those whose turn it is."""

    def __init__(self):
        self.turns = Turns()
        self.at_work, self.seen = set(), []
        self._ends, self._threads = {}, []

    def come(self, name, *, alone=False):
        self._ends[name] = threading.Event()

        def work():
            with self.turns.taken(alone=alone):
                self.at_work.add(name)
                self.seen.append(frozenset(self.at_work))
                assert self._ends[name].wait(30)
                self.at_work.discard(name)

        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def go(self, name):
        self._ends[name].set()

    def until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def end(self):
        for end in self._ends.values():
            end.set()
        for thread in self._threads:
            thread.join(30)


@pytest.fixture
def turns():
    turns = Crowd()
    yield turns
    turns.end()


def test_one_alone_waits_for_all_and_is_not_kept_waiting_by_those_who_come(turns):
    for name in "ab":
        turns.come(name)
    turns.until(lambda: turns.at_work == {"a", "b"})
    turns.come("alone", alone=True)
    turns.until(lambda: turns.turns._alone == 1)
    turns.come("late")
    turns.go("a")
    turns.until(lambda: turns.at_work == {"b"})
    turns.go("b")
    turns.until(lambda: turns.at_work == {"alone"})
    turns.go("alone")
    turns.until(lambda: turns.at_work == {"late"})
    turns.end()
    assert not [names for names in turns.seen if "alone" in names and len(names) > 1]


def test_two_that_are_to_be_alone_come_one_after_the_other(turns):
    for name in "abc":
        turns.come(name, alone=True)
    turns.until(lambda: turns.turns._alone == 3 and turns.at_work)
    for _ in range(3):
        turns.until(lambda: turns.at_work)
        (name,) = turns.at_work
        turns.go(name)
        turns.until(lambda name=name: name not in turns.at_work)
    turns.end()
    assert sorted(map(sorted, turns.seen)) == [["a"], ["b"], ["c"]]
    turns.come("d")
    turns.until(lambda: turns.at_work == {"d"})


@pytest.mark.parametrize("alone", [False, True])
def test_a_turn_ends_however_it_ends(alone):
    turns = Turns()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), turns.taken(alone=alone):
            raise ZeroDivisionError
    with turns.taken(alone=True):
        pass
    with turns.taken(alone=False), turns.taken(alone=False):
        pass
