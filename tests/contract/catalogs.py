"""What the tests of the catalog share: a clock, races, hostile names, a look into the file."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 10, 31, tzinfo=UTC)
HOSTILE = ["", " ", "a b", "é", "\x00", "a\n", "x" * 101, "../a", "\ud800", "a'--", "x" * 10**6]


class Clock:
    """A clock that stands still until it is moved; every reading is a little later."""

    def __init__(self):
        self.now = START

    def __call__(self):
        self.now += timedelta(microseconds=1)
        return self.now

    def forward(self, seconds):
        self.now += timedelta(seconds=seconds)


def race(*attempts):
    """What each of the calls gives, all begun at one moment in threads of their own."""
    gate = threading.Barrier(len(attempts))
    results = [None] * len(attempts)

    def run(place, attempt):
        gate.wait()
        results[place] = attempt()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(attempts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def query(path, text):
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(text).fetchall()


def plan(shards, job_id, owner, new, *, complete):
    """Add shards behind those that there are."""
    first = shards.planned(job_id).shards
    return shards.plan(job_id, owner, first, new, complete=complete)
