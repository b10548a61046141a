"""The contract of the catalog, over every adapter: jobs, from their request to their end."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from pixmill.errors import UsageError
from pixmill.store import open_catalog
from pixmill.store.jobs import (
    FINISHED,
    MAX_DEATHS,
    STATES,
    TRANSITIONS,
    NewJob,
    OtherRequest,
    Outcome,
    Progress,
    Result,
    TooManyJobs,
    sources_of,
    target_of,
)
from pixmill.store.sql import postgres
from tests.contract.catalogs import HOSTILE, START, Clock, race

ANY = ("operations",)
ID = "0123456789abcdef" * 2
DONE = Outcome(Result("results/2026-11-20/cam/1-2.png", 7, "image/png"))
BROKEN = Outcome(code="corrupt_image", message="it is broken")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path, clock):
    """A catalog of each adapter with two keys, of ids 1 and 2."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        for name in ("one", "other"):
            opened.keys.add(name, ["jobs"])
        yield opened


@pytest.fixture
def jobs(catalog):
    return catalog.jobs


def wish(key_id=1, number=0, **more):
    return NewJob(key_id=key_id, kind="operations", spec={"number": number}, **more)


def add(jobs, *arguments, **more):
    return jobs.add(wish(*arguments, **more))[0]


def claim(jobs, owner="me", lease_s=30.0, kinds=ANY):
    return jobs.claim(owner, lease_s, kinds)


def command(id_, **more):
    """The job of a command, which is of no key."""
    return NewJob(key_id=None, kind="command", spec={"output": "o.csv"}, id=id_, **more)


def sent(jobs, kinds=ANY, most=1000):
    """The ids of the jobs that are sent now."""
    told = []
    assert jobs.publish(kinds, most, told.extend) == len(told)
    return told


def reach(jobs, state):
    """A job in a state."""
    job = add(jobs, webhook=None)
    if state == "queued":
        return job
    if state == "canceled":
        return jobs.move(job.id, "cancel")
    claim(jobs)
    if state == "running":
        return jobs.find(job.id)
    event = {"succeeded": "succeed", "failed": "fail", "stalled": "stall", "expired": "fail"}[state]
    ended = jobs.end(job.id, "me", event, BROKEN, Progress(1, 1, 1))
    return jobs.move(job.id, "expire") if state == "expired" else ended


def test_a_job_is_kept_with_what_it_is_to_do(jobs):
    job, is_new = jobs.add(wish(number=7, total=3, webhook="https://example.org/told"))
    assert is_new
    assert (job.state, job.kind, job.spec) == ("queued", "operations", {"number": 7})
    assert (job.progress, job.outcome, job.attempts) == (Progress(0, 0, 3), Outcome(), 0)
    assert START < job.created_at < START + timedelta(seconds=1)
    assert (job.started_at, job.finished_at) == (None, None)
    assert job.webhook.url == "https://example.org/told"
    assert jobs.find(job.id) == job


def test_jobs_of_others_are_not_there(jobs):
    job = add(jobs, 1)
    assert jobs.find(job.id, 1) == job
    assert jobs.find(job.id, 2) is None
    assert jobs.page(10, 2) == []
    for event in ("cancel", "retry", "expire"):
        assert jobs.move(job.id, event, 2) is None
    assert jobs.find(job.id) == job
    for id_ in HOSTILE:
        assert jobs.find(id_) is None
        assert jobs.move(id_, "cancel") is None


def test_pages_tell_the_newest_first(jobs):
    made = [add(jobs, 1 + number % 2, number) for number in range(7)]
    assert jobs.page(10) == made[::-1]
    first = jobs.page(2, 1)
    assert first == [made[6], made[4]]
    assert jobs.page(2, 1, first[-1].place) == [made[2], made[0]]
    assert jobs.page(2, 1, made[0].place) == []


def test_the_same_request_again_is_the_same_job(jobs):
    job, _ = jobs.add(wish(word="frame-1", number=1))
    claim(jobs)
    again, is_new = jobs.add(wish(word="frame-1", number=1))
    assert (again.id, again.state, is_new) == (job.id, "running", False)
    for other in (wish(word="frame-1", number=2), wish(word="frame-1", number=1, webhook="x")):
        with pytest.raises(OtherRequest):
            jobs.add(other)
    assert jobs.add(wish(2, word="frame-1", number=2))[1]
    assert len({jobs.add(wish(number=1))[0].id for _ in range(2)}) == 2


def test_of_many_that_ask_for_the_same_at_once_one_makes_the_job(jobs):
    found = race(*[lambda: jobs.add(wish(word="frame-1"))] * 8)
    assert len({job.id for job, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1


@pytest.mark.parametrize("word", ["", "a b", "x" * 201, "é", "a\n"])
def test_a_word_that_no_header_can_hold_is_refused(jobs, word):
    with pytest.raises(UsageError):
        add(jobs, word=word)


def test_what_a_key_may_have_waiting_and_a_job_may_say_is_bounded(jobs, monkeypatch):
    with pytest.raises(UsageError, match="more than 65536 bytes"):
        jobs.add(NewJob(key_id=1, kind="operations", spec={"text": "x" * 70_000}))
    monkeypatch.setattr("pixmill.store.sql.jobs.MAX_QUEUED", 2)
    first, _ = (add(jobs, word=f"{number}") for number in range(2))
    with pytest.raises(TooManyJobs):
        add(jobs)
    assert add(jobs, word="0") == first
    add(jobs, 2)
    claim(jobs)
    with pytest.raises(TooManyJobs):
        add(jobs)
    jobs.end(first.id, "me", "succeed", DONE, Progress(1, 0, 1))
    add(jobs)


def test_what_is_done_again_counts_as_what_is_new(jobs, monkeypatch):
    monkeypatch.setattr("pixmill.store.sql.jobs.MAX_QUEUED", 2)
    first = add(jobs)
    claim(jobs)
    jobs.end(first.id, "me", "fail", Outcome(code="not_found", message="gone"), Progress(1, 1, 1))
    second, _ = add(jobs, word="a"), add(jobs, word="b")
    with pytest.raises(TooManyJobs):
        jobs.move(first.id, "retry", 1)
    assert jobs.find(first.id).state == "failed"
    jobs.move(second.id, "cancel")
    assert jobs.move(first.id, "retry", 1).state == "queued"


def test_the_oldest_is_claimed_first_and_once(jobs):
    made = [add(jobs, 1, number) for number in range(3)]
    claimed = [claim(jobs) for _ in range(4)]
    assert [each and each.id for each in claimed] == [*(job.id for job in made), None]
    assert {(each.state, each.attempts) for each in claimed[:3]} == {("running", 1)}
    assert all(each.started_at > each.created_at for each in claimed[:3])


def test_other_kinds_are_left_alone(jobs):
    add(jobs)
    assert claim(jobs, kinds=("colors", "match")) is None
    assert claim(jobs, kinds=("colors", "operations"))


def test_a_key_with_few_jobs_at_work_comes_before_one_with_many(jobs):
    many = [add(jobs, 1, number) for number in range(4)]
    few = [add(jobs, 2, number) for number in range(2)]
    order = [claim(jobs).id for _ in range(6)]
    assert order == [each.id for each in (many[0], few[0], many[1], few[1], many[2], many[3])]


def test_of_many_who_claim_at_once_each_has_another(jobs):
    made = {add(jobs, 1, number).id for number in range(6)}
    claimed = race(*[lambda owner=f"p{n}": claim(jobs, owner) for n in range(8)])
    ids = [each.id for each in claimed if each]
    assert len(ids) == len(set(ids))
    while (more := claim(jobs)) is not None:  # who found another at the same row has none
        ids.append(more.id)
    assert sorted(ids) == sorted(made)


def test_a_lease_that_is_renewed_is_nobody_elses(jobs, clock):
    job = add(jobs, total=10)
    claim(jobs, "first", lease_s=30)
    for done in range(1, 4):
        clock.forward(20)
        assert jobs.renew(job.id, "first", 30, Progress(done, 0, 10))
        assert claim(jobs, "second") is None
    assert jobs.find(job.id).progress == Progress(3, 0, 10)


def test_a_lease_that_is_over_goes_to_another_and_the_first_is_not_heard_any_more(jobs, clock):
    job = add(jobs)
    claim(jobs, "first", lease_s=30)
    clock.forward(31)
    assert jobs.renew(job.id, "first", 30, Progress())  # late, but nobody has taken it
    clock.forward(31)
    taken = claim(jobs, "second")
    assert (taken.id, taken.attempts, taken.state) == (job.id, 2, "running")
    assert not jobs.renew(job.id, "first", 30, Progress(1, 0, 1))
    assert jobs.end(job.id, "first", "succeed", DONE, Progress(1, 0, 1)) is None
    assert jobs.find(job.id) == taken
    ended = jobs.end(job.id, "second", "succeed", DONE, Progress(1, 0, 1))
    assert (ended.state, ended.outcome, ended.progress) == ("succeeded", DONE, Progress(1, 0, 1))
    assert jobs.end(job.id, "second", "fail", BROKEN, Progress()) is None
    assert jobs.find(job.id) == ended


def test_the_revision_grows_with_what_is_to_be_told_and_not_with_a_lease(jobs):
    job = add(jobs, total=2)
    seen = [job.revision, claim(jobs).revision]
    jobs.renew(job.id, "me", 30, Progress(1, 0, 2))
    seen.append(jobs.find(job.id).revision)
    jobs.renew(job.id, "me", 30, Progress(1, 0, 2))
    assert jobs.find(job.id).revision == seen[-1]
    seen.append(jobs.end(job.id, "me", "succeed", DONE, Progress(2, 0, 2)).revision)
    assert seen == sorted(set(seen))


def test_a_job_whose_process_died_too_often_alone_is_not_begun_again(jobs, clock):
    job = add(jobs)
    for number in range(1, MAX_DEATHS + 1):
        assert claim(jobs, f"process-{number}").attempts == number
        clock.forward(31)
    assert claim(jobs, "last") is None
    found = jobs.find(job.id)
    assert (found.state, found.outcome.code) == ("failed", "internal")
    assert "3 times" in found.outcome.message
    assert jobs.move(job.id, "retry").attempts == 0
    assert claim(jobs).id == job.id


def test_a_job_that_got_further_is_begun_again_however_often_its_process_died(jobs, clock):
    job = add(jobs)
    for number in range(1, MAX_DEATHS + 3):
        assert claim(jobs, f"process-{number}").attempts == number
        assert jobs.renew(job.id, f"process-{number}", 30.0, Progress(number, 0, 99))
        clock.forward(31)
    assert claim(jobs, "next").id == job.id


def test_a_job_beside_others_is_not_held_to_their_death(jobs, clock):
    made = [add(jobs, 1, number) for number in range(2)]
    for number in range(MAX_DEATHS + 3):
        assert {claim(jobs, f"process-{number}").id for _ in made} == {job.id for job in made}
        clock.forward(31)
    assert claim(jobs).state == "running"


def test_a_job_that_is_handed_back_is_claimed_again_at_once(jobs):
    job = add(jobs)
    claim(jobs, "first")
    back = jobs.end(job.id, "first", "release", Outcome(), Progress(3, 1, 9))
    assert (back.state, back.finished_at) == ("queued", None)
    assert back.progress == Progress(3, 1, 9)
    assert claim(jobs, "second").id == job.id


@pytest.mark.parametrize("event", ["cancel", "retry", "redrive", "expire"])
def test_only_the_changes_in_the_table_are_made(jobs, event):
    for state in STATES:
        job = reach(jobs, state)
        moved = jobs.move(job.id, event)
        if (state, event) in TRANSITIONS:
            assert moved.state == TRANSITIONS[state, event] == target_of(event)
            assert state in sources_of(event)
            assert (moved.finished_at is None) == (moved.state not in FINISHED)
        else:
            assert moved is None
            moved = job
        assert jobs.find(job.id) == moved
        claimed = claim(jobs)
        assert (claimed is not None) == (moved.state == "queued")
        jobs.move(job.id, "cancel")


def test_a_job_that_is_canceled_while_it_runs_is_lost_to_who_runs_it(jobs):
    job = add(jobs)
    claim(jobs)
    assert jobs.move(job.id, "cancel", 1).state == "canceled"
    assert not jobs.renew(job.id, "me", 30, Progress())
    assert jobs.end(job.id, "me", "succeed", DONE, Progress(1, 0, 1)) is None
    assert jobs.find(job.id).outcome == Outcome()


def test_what_ended_long_ago_expires_and_is_forgotten(jobs, clock):
    old = reach(jobs, "failed")
    running = add(jobs)
    clock.forward(100)
    moment = clock()
    reach(jobs, "canceled")
    assert [job.id for job in jobs.finished_before(moment, 10)] == [old.id]
    assert jobs.forget(moment) == 0
    jobs.move(old.id, "expire")
    assert jobs.finished_before(moment, 10) == []
    assert jobs.forget(moment) == 1
    assert jobs.find(old.id) is None
    assert jobs.find(running.id)


def test_this_job_is_claimed_if_it_waits_or_its_lease_is_over(jobs, clock):
    first, second = (add(jobs, 1, number) for number in range(2))
    taken = jobs.claim_this(second.id, "me", 30.0)
    assert (taken.id, taken.state, taken.attempts) == (second.id, "running", 1)
    assert jobs.claim_this(second.id, "other", 30.0) is None
    assert jobs.claim_this(second.id, "me", 30.0) is None
    clock.forward(31)
    assert jobs.claim_this(second.id, "other", 30.0).attempts == 2
    assert not jobs.renew(second.id, "me", 30, Progress())
    assert claim(jobs).id == first.id


def test_only_what_waits_is_claimed_by_its_id(jobs):
    for state in STATES:
        job = reach(jobs, state)
        assert (jobs.claim_this(job.id, "me", 30.0) is not None) == (state == "queued")
    for id_ in [*HOSTILE, ID]:
        assert jobs.claim_this(id_, "me", 30.0) is None


def test_of_many_who_claim_this_job_one_has_it(jobs):
    job = add(jobs)
    owners = [f"owner {number}" for number in range(8)]
    found = race(*[lambda owner=owner: jobs.claim_this(job.id, owner, 30.0) for owner in owners])
    (taken,) = [each for each in found if each]
    winner = owners[found.index(taken)]
    assert (jobs.find(job.id), taken.attempts) == (taken, 1)
    assert jobs.renew(job.id, winner, 30.0, Progress())


def test_a_job_that_its_processes_died_of_is_not_claimed_by_its_id_either(jobs, clock):
    job = add(jobs)
    for number in range(MAX_DEATHS):
        assert jobs.claim_this(job.id, f"process-{number}", 30.0)
        clock.forward(31)
    assert jobs.claim_this(job.id, "last", 30.0) is None
    assert jobs.find(job.id).state == "failed"


def test_what_waits_is_sent_once_that_of_all_keys_in_turn(jobs):
    made = [add(jobs, 1 + number % 2, number).id for number in range(5)]
    claim(jobs)
    jobs.move(made[2], "cancel")
    jobs.add(command(ID))
    assert sent(jobs) == [made[1], made[4], made[3]]
    assert sent(jobs) == []
    assert sent(jobs, ("command", "operations")) == [ID]
    assert sent(jobs, ()) == []


def test_more_jobs_than_one_sending_takes_are_sent_by_several(jobs, monkeypatch):
    monkeypatch.setattr("pixmill.store.sql.job_leases._SENT_TOGETHER", 2)
    made = [add(jobs, 1, number).id for number in range(3)]
    assert [sent(jobs) for _ in range(3)] == [made[:2], made[2:], []]


def test_no_more_is_sent_than_is_soon_begun(jobs):
    made = [add(jobs, 1, number).id for number in range(5)]
    late = add(jobs, 2).id  # which does not wait for all of the other key
    assert sent(jobs, most=3) == [made[0], late, made[1]]
    assert sent(jobs, most=3) == []
    jobs.claim_this(made[0], "me", 30.0)
    jobs.move(late, "cancel")
    assert sent(jobs, most=3) == made[2:4]
    assert sent(jobs, most=0) == []


def test_what_could_not_be_sent_is_sent_again(jobs):
    job = add(jobs)

    def fail(ids):
        assert list(ids) == [job.id]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jobs.publish(ANY, 10, fail)
    assert sent(jobs) == [job.id]


def test_of_two_who_send_at_once_one_does(jobs):
    job = add(jobs)
    inner = []

    def send(ids):
        assert list(ids) == [job.id]
        inner.append(jobs.publish(ANY, 10, lambda _: pytest.fail("another sends just now")))

    assert jobs.publish(ANY, 10, send) == 1
    assert inner == [0]
    assert sent(jobs) == []


@pytest.mark.parametrize("catalog", ["postgres"], indirect=True)
def test_who_stands_still_while_it_sends_has_lost_its_turn(jobs, catalog, monkeypatch):
    """As a machine that was halted: nobody else would send for as long."""
    monkeypatch.setattr(postgres, "TURN_S", 1)
    made = [add(jobs, 1, number).id for number in range(2)]
    inner = []

    def send(ids):
        assert list(ids) == made
        assert jobs.publish(ANY, 10, inner.extend) == 0
        deadline = time.monotonic() + 20
        while not jobs.publish(ANY, 10, inner.extend):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    assert jobs.publish(ANY, 10, send) == 2
    assert inner == made
    assert sent(jobs) == []
    assert catalog._database._engine.pool.checkedout() == 0


@pytest.mark.parametrize("what", ["cancel", "claim", "add"])
def test_nothing_waits_for_one_who_sends(jobs, what):
    """The broker may let him wait for long, and gives out what it has before he is done."""
    job = add(jobs)
    acts = {
        "cancel": lambda: jobs.move(job.id, "cancel"),
        "claim": lambda: jobs.claim_this(job.id, "me", 30.0),
        "add": lambda: add(jobs, 1, 1),
    }
    results = []

    def send(ids):
        assert list(ids) == [job.id]
        acting = threading.Thread(target=lambda: results.append(acts[what]()), daemon=True)
        acting.start()
        acting.join(4)
        results.append("after")

    jobs.publish(ANY, 10, send)
    assert results[-1] == "after"
    assert len(results) == 2
    assert results[0]


def test_what_was_begun_and_handed_back_while_it_was_sent_is_sent_again(jobs):
    back, begun, told = (add(jobs, 1, number).id for number in range(3))

    def send(ids):
        assert list(ids) == [back, begun, told]
        assert jobs.claim_this(back, "me", 30.0)
        assert jobs.end(back, "me", "release", Outcome(), Progress())
        assert jobs.claim_this(begun, "me", 30.0)

    assert jobs.publish(ANY, 10, send) == 3
    assert sent(jobs) == [back]


@pytest.mark.parametrize("catalog", ["postgres"], indirect=True)
def test_whoever_takes_this_job_waits_for_one_who_notes_something_of_it(jobs, catalog):
    """It is told of once; SQLite lets nobody write meanwhile anyway."""
    job = add(jobs)
    with catalog._database.writing() as connection:
        connection.execute(text("UPDATE jobs SET published_at = now()"))
        taken = []
        taking = threading.Thread(target=lambda: taken.append(jobs.claim_this(job.id, "me", 30.0)))
        taking.start()
        taking.join(0.5)
        assert taking.is_alive()
    taking.join(10)
    assert [each.id for each in taken] == [job.id]


def test_what_is_handed_back_or_left_by_the_dead_is_sent_again(jobs, clock):
    back, left = (add(jobs, 1, number) for number in range(2))
    assert sent(jobs) == [back.id, left.id]
    for job in (back, left):
        jobs.claim_this(job.id, "me", 30.0)
    assert sent(jobs) == []
    jobs.end(back.id, "me", "release", Outcome(), Progress())
    assert sent(jobs) == [back.id]
    clock.forward(31)
    assert sent(jobs) == [left.id]
    assert sent(jobs) == []


@pytest.mark.parametrize("end", ["fail", "die"])
def test_what_is_to_be_done_again_is_sent_again(jobs, clock, end):
    job = add(jobs)
    for number in range(MAX_DEATHS if end == "die" else 1):
        assert sent(jobs) == [job.id]
        assert jobs.claim_this(job.id, f"process-{number}", 30.0)
        clock.forward(31)
    assert sent(jobs) == [job.id]
    if end == "fail":
        jobs.end(job.id, "process-0", "fail", BROKEN, Progress(1, 1, 1))
    else:
        assert jobs.claim_this(job.id, "last", 30.0) is None
    assert sent(jobs) == []
    assert jobs.move(job.id, "retry").state == "queued"
    assert sent(jobs) == [job.id]


def test_a_message_that_got_lost_is_sent_again(jobs, clock):
    lost, begun = (add(jobs, 1, number) for number in range(2))
    sent(jobs)
    jobs.claim_this(begun.id, "me", 30.0)
    clock.forward(60)
    moment = clock()
    late = add(jobs)
    jobs.renew(begun.id, "me", 30.0, Progress())
    assert sent(jobs) == [late.id]
    assert jobs.recall(moment) == 1
    assert jobs.recall(moment) == 0
    assert sent(jobs) == [lost.id]


def test_of_many_who_send_at_once_each_job_is_sent_by_one(jobs):
    made = [add(jobs, 1, number).id for number in range(6)]
    told = [id_ for some in race(*[lambda: sent(jobs)] * 4) for id_ in some]
    assert sorted(told + sent(jobs)) == sorted(made)


def test_a_job_of_no_key_is_the_same_whenever_it_comes_with_its_id(jobs):
    job, is_new = jobs.add(command(ID))
    assert (job.id, job.key_id, is_new) == (ID, None, True)
    again, is_new = jobs.add(command(ID))
    assert (again, is_new) == (job, False)
    jobs.move(ID, "cancel")
    assert jobs.add(command(ID))[0].state == "canceled"
    with pytest.raises(OtherRequest):
        jobs.add(NewJob(key_id=None, kind="command", spec={"output": "other.csv"}, id=ID))
    assert jobs.find(ID, 1) is None
    assert [each.id for each in jobs.page(10)] == [ID]
    assert jobs.page(10, 1) == []


def test_of_many_commands_at_once_one_makes_the_job(jobs):
    found = race(*[lambda: jobs.add(command(ID))] * 8)
    assert {job.id for job, _ in found} == {ID}
    assert sum(is_new for _, is_new in found) == 1


def test_jobs_of_no_key_are_claimed_in_their_turn(jobs):
    jobs.add(command(ID))
    add(jobs)
    kinds = (*ANY, "command")
    assert [claim(jobs, kinds=kinds).key_id for _ in range(2)] == [None, 1]
    assert claim(jobs, kinds=kinds) is None


def test_a_job_that_is_dropped_was_never_there(jobs):
    for state in STATES:
        job = reach(jobs, state)
        jobs.drop(job.id)
        assert jobs.find(job.id) is None
        assert not jobs.renew(job.id, "me", 30.0, Progress())
        assert jobs.end(job.id, "me", "succeed", DONE, Progress()) is None
    for id_ in [*HOSTILE, ID]:
        jobs.drop(id_)
    jobs.add(command(ID))
    jobs.drop(ID)
    assert jobs.add(command(ID))[1]
