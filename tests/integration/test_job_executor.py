"""Jobs at work in threads of a process: held, ended, canceled, handed back, taken over."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from pixmill.errors import CorruptImage, OutputError
from pixmill.jobs.executor import Executor
from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob, Outcome, Progress, Result

DONE = Outcome(Result("results/2026-11-20/cam/1-2.png", 7, "image/png"))
LEASE_S = 2.0


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened


@pytest.fixture
def jobs(catalog):
    return catalog.jobs


class Bench:
    """A runner that does what each job's `spec` says, and notes it."""

    def __init__(self):
        self.begun, self.dropped_jobs = [], []
        self.begins = threading.Semaphore(0)
        self.may_end = threading.Event()

    def run(self, job, hold):
        self.begun.append(job.id)
        self.begins.release()
        what = job.spec["what"]
        if isinstance(what, str):
            return getattr(self, what)(hold)
        raise what

    def end(self, hold):
        hold.advance(Progress(1, 0, 1))
        return DONE

    def wait(self, hold):
        while not self.may_end.wait(0.01):
            hold.check()
        return DONE

    def half(self, hold):
        hold.advance(Progress(1, 0, 2))
        return self.wait(hold)

    def hang(self, hold):
        assert self.may_end.wait(30)
        return DONE

    def break_(self, hold):
        raise CorruptImage("the image is broken")

    def trip(self, hold):
        raise ZeroDivisionError("hidden")

    def fill(self, hold):
        if len(self.begun) < 2:
            raise OutputError("its disk is full")
        return DONE

    def dropped(self, job):
        self.dropped_jobs.append(job.id)


@pytest.fixture
def bench():
    return Bench()


@contextmanager
def working(jobs, bench, at_once=1, lease_s=LEASE_S, patience_s=0.0):
    told = []
    executor = Executor(
        jobs, {"test": bench}, at_once=at_once, lease_s=lease_s,
        told=lambda sentence, error: told.append((sentence, str(error))),
    )  # fmt: skip
    executor.told = told
    executor.start()
    try:
        yield executor
    finally:
        executor.stop(patience_s)


def add(jobs, what, executor=None):
    job, _ = jobs.add(NewJob(key_id=1, kind="test", spec={"what": what}))
    if executor:
        executor.wake()
    return job


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def state(jobs, job):
    return jobs.find(job.id).state


def test_progress_is_told_long_before_the_lease_is_to_be_renewed(jobs, bench):
    with working(jobs, bench, lease_s=1000) as executor:
        job = add(jobs, "half", executor)
        until(lambda: jobs.find(job.id).progress == Progress(1, 0, 2))
        bench.may_end.set()
        until(lambda: state(jobs, job) == "succeeded")


def test_a_job_that_waits_and_one_that_comes_are_done(jobs, bench):
    before = add(jobs, "end")
    with working(jobs, bench) as executor:
        after = add(jobs, "end", executor)
        until(lambda: state(jobs, after) == "succeeded")
        found = jobs.find(before.id)
        assert (found.state, found.outcome, found.progress) == (
            "succeeded",
            DONE,
            Progress(1, 0, 1),
        )


def test_a_job_that_another_process_was_given_is_found(jobs, bench):
    with working(jobs, bench):
        job = add(jobs, "end")
        until(lambda: state(jobs, job) == "succeeded")


def test_failures_are_told_by_their_code_and_defects_by_a_sentence(jobs, bench):
    with working(jobs, bench) as executor:
        broken, tripped = (add(jobs, what, executor) for what in ("break_", "trip"))
        until(lambda: state(jobs, broken) == state(jobs, tripped) == "failed")
        assert jobs.find(broken.id).outcome == Outcome(None, "corrupt_image", "the image is broken")
        assert jobs.find(tripped.id).outcome.code == "internal"
        assert "hidden" not in jobs.find(tripped.id).outcome.message
        assert executor.told == [("a job failed by a defect", "hidden")]


def test_a_job_is_held_for_as_long_as_it_takes(jobs, bench):
    job = add(jobs, "wait")
    with working(jobs, bench), working(jobs, bench):
        time.sleep(1.5 * LEASE_S)
        assert bench.begun == [job.id]
        bench.may_end.set()
        until(lambda: state(jobs, job) == "succeeded")


def test_a_job_that_is_canceled_stops_and_what_it_made_is_dropped(jobs, bench):
    job = add(jobs, "wait")
    with working(jobs, bench):
        bench.begins.acquire()
        jobs.move(job.id, "cancel")
        until(lambda: bench.dropped_jobs == [job.id])
        assert state(jobs, job) == "canceled"


def test_a_job_that_is_canceled_in_its_last_moment_is_dropped_too(jobs, bench):
    job = add(jobs, "hang")
    with working(jobs, bench, lease_s=100):
        bench.begins.acquire()
        jobs.move(job.id, "cancel")
        bench.may_end.set()
        until(lambda: bench.dropped_jobs == [job.id])
        assert state(jobs, job) == "canceled"


def test_what_can_not_be_cleared_away_is_told_and_the_next_job_is_done(jobs, bench):
    def fail(job):
        raise OutputError("the disk is gone")

    bench.dropped = fail
    job = add(jobs, "wait")
    with working(jobs, bench) as executor:
        bench.begins.acquire()
        jobs.move(job.id, "cancel")
        later = add(jobs, "end", executor)
        until(lambda: state(jobs, later) == "succeeded")
        sentence = "what was made for a job that is over can not be cleared away"
        assert executor.told == [(sentence, "the disk is gone")]


def test_the_end_of_the_process_lets_a_job_end(jobs, bench):
    job = add(jobs, "hang")
    with working(jobs, bench, patience_s=30):
        bench.begins.acquire()
        threading.Timer(0.2, bench.may_end.set).start()
    assert state(jobs, job) == "succeeded"


def test_what_the_end_of_the_process_can_not_wait_for_is_handed_back(jobs, bench):
    job, waiting = add(jobs, "wait"), add(jobs, "end")
    with working(jobs, bench):
        bench.begins.acquire()
    assert state(jobs, job) == state(jobs, waiting) == "queued"
    assert bench.dropped_jobs == []
    bench.may_end.set()
    with working(jobs, bench):
        until(lambda: state(jobs, job) == state(jobs, waiting) == "succeeded")


def test_a_job_that_was_taken_over_is_ended_by_the_other_alone(jobs, bench):
    """A process that was asleep for longer than its lease drops nothing of the other's."""
    job = add(jobs, "hang")
    with working(jobs, bench, lease_s=0.3) as sleeper:
        bench.begins.acquire()
        sleeper._jobs = Absent(jobs)  # nothing is renewed any more
        until(lambda: (taken := jobs.claim("other", 100, ("test",))) and taken.id == job.id)
        sleeper._jobs = jobs
        bench.may_end.set()
        until(lambda: not sleeper._holds)
        assert state(jobs, job) == "running"
        assert bench.dropped_jobs == []
        assert jobs.end(job.id, "other", "succeed", DONE, Progress(1, 0, 1))


class Absent:
    """A catalog that can not be used."""

    def __init__(self, jobs):
        self._jobs = jobs

    def __getattr__(self, name):
        def fail(*_, **__):
            raise OutputError("it is gone")

        return fail


def test_where_this_machine_can_not_do_it_now_it_is_done_later(jobs, bench, monkeypatch):
    monkeypatch.setattr("pixmill.jobs.executor._PAUSE_S", 0.05)
    job = add(jobs, "fill")
    with working(jobs, bench) as executor:
        until(lambda: state(jobs, job) == "succeeded")
        assert bench.begun == [job.id] * 2
        assert executor.told == [("a job was handed back", "its disk is full")]


def test_a_catalog_that_is_gone_for_a_while_costs_no_job(jobs, bench, monkeypatch):
    monkeypatch.setattr("pixmill.jobs.executor._PAUSE_S", 0.05)
    job, later = add(jobs, "hang"), add(jobs, "end")
    with working(jobs, bench, lease_s=30) as executor:
        bench.begins.acquire()
        executor._jobs = Absent(jobs)
        bench.may_end.set()
        until(
            lambda: ("the end of a job can not be written down yet", "it is gone") in executor.told
        )
        executor._jobs = jobs
        until(lambda: state(jobs, job) == state(jobs, later) == "succeeded")
        assert bench.begun == [job.id, later.id]


def test_as_many_jobs_are_at_work_at_once_as_there_may_be(jobs, bench):
    with working(jobs, bench, at_once=3) as executor:
        made = [add(jobs, "wait", executor) for _ in range(5)]
        for _ in range(3):
            bench.begins.acquire()
        time.sleep(0.2)
        assert len(bench.begun) == 3
        bench.may_end.set()
        until(lambda: {state(jobs, job) for job in made} == {"succeeded"})
        assert sorted(bench.begun) == sorted(job.id for job in made)
