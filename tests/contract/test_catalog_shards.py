"""The contract of the catalog, over every adapter: shards of jobs, from their plan to their end."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob, Outcome, Progress
from pixmill.store.shards import (
    MAX_DEATHS,
    MAX_FAILURES,
    MOST_TOLD,
    Counts,
    NewShard,
    Plan,
    ShardId,
    Standing,
)
from tests.contract.catalogs import Clock, plan, race

PLANNER = "planner"
LEASE_S = 3600.0
NOBODY = "0" * 32


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path, clock):
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        yield opened


@pytest.fixture
def shards(catalog):
    return catalog.shards


def running_job(catalog, owner=PLANNER):
    """The id of a job that an owner has."""
    job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
    assert catalog.jobs.claim_this(job.id, owner, LEASE_S)
    return job.id


def lines(number, items=10):
    """A shard of so many lines, the one with a number in a list of such."""
    first = 1 + number * items
    return NewShard(items, first, first + items - 1, (0, first * 100))


def planned_job(catalog, number, *, complete=True):
    """The id of a job of so many shards."""
    id_ = running_job(catalog)
    new = [lines(each) for each in range(number)]
    assert plan(catalog.shards, id_, PLANNER, new, complete=complete)
    return id_


@pytest.fixture
def job_id(catalog):
    """A job of three shards."""
    return planned_job(catalog, 3)


def claim(shards, job_id, number=0, owner="me"):
    return shards.claim(ShardId(job_id, number), owner, f"worker {owner}")


def die(shards, job_id, number=0, times=1):
    """Begin an attempt and let it die, so many times."""
    for time in range(times):
        shard = claim(shards, job_id, number)
        assert shards.hand_back(shard, f"death {time}", how="died")
    return shards.find(ShardId(job_id, number))


def sent(shards, most=100):
    """What is sent now."""
    told = []
    assert shards.publish(most, told.extend) == len(told)
    return told


def numbers(ids):
    return [id_.number for id_ in ids]


def end(catalog, job_id, event):
    if event == "cancel":
        return catalog.jobs.move(job_id, "cancel")
    return catalog.jobs.end(job_id, PLANNER, event, Outcome(), Progress())


def test_a_job_without_a_plan_has_none(catalog, shards):
    job_id = running_job(catalog)
    assert shards.planned(job_id) == Plan(0, None, False)
    assert shards.standing(job_id) == Standing({}, Counts())
    assert shards.following(job_id, 0, 10) == []
    assert catalog.jobs.find(job_id).shards is None
    assert shards.planned(NOBODY) == Plan(0, None, False)


def test_shards_are_numbered_on_from_those_that_there_are(catalog, shards):
    job_id = running_job(catalog)
    for some in ([0, 1], [], [2], [3, 4, 5]):
        assert plan(shards, job_id, PLANNER, [lines(n) for n in some], complete=False)
    assert shards.planned(job_id) == Plan(6, lines(5), False)
    found = shards.following(job_id, 0, 100)
    assert numbers(each.id for each in found) == list(range(6))
    assert [each.lines for each in found] == [lines(n) for n in range(6)]
    assert catalog.jobs.find(job_id).shards is None
    assert plan(shards, job_id, PLANNER, [lines(6)], complete=True)
    assert shards.planned(job_id) == Plan(7, lines(6), True)
    assert catalog.jobs.find(job_id).shards == 7


def test_a_plan_may_be_complete_with_what_was_planned_before_or_with_nothing(catalog, shards):
    job_id, empty = running_job(catalog), running_job(catalog)
    plan(shards, job_id, PLANNER, [lines(0)], complete=False)
    assert plan(shards, job_id, PLANNER, [], complete=True)
    assert shards.planned(job_id) == Plan(1, lines(0), True)
    assert plan(shards, empty, PLANNER, [], complete=True)
    assert shards.planned(empty) == Plan(0, None, True)
    assert catalog.jobs.find(empty).shards == 0


def test_what_was_planned_may_be_planned_again(catalog, shards):
    """As where it is not known whether a call that failed was carried out."""
    job_id = running_job(catalog)
    for first, some in ((0, [0, 1]), (0, [0, 1]), (2, [2]), (2, [2])):
        assert shards.plan(job_id, PLANNER, first, [lines(n) for n in some], complete=False)
    assert shards.plan(job_id, PLANNER, 2, [lines(2)], complete=True)
    assert shards.planned(job_id) == Plan(3, lines(2), True)
    for first, some in ((0, [0]), (1, [1]), (4, [4])):  # others follow, or some are missing
        assert not shards.plan(job_id, PLANNER, first, [lines(n) for n in some], complete=False)
    assert shards.planned(job_id) == Plan(3, lines(2), True)


def test_a_new_shard_waits_and_nothing_is_known_of_it(shards, job_id):
    shard = shards.find(ShardId(job_id, 1))
    assert (shard.id, shard.state, shard.lines) == (ShardId(job_id, 1), "waiting", lines(1))
    assert (shard.attempt, shard.attempts, shard.deaths, shard.alone) == (None, 0, 0, False)
    assert (shard.worker, shard.counts, shard.failed_attempts) == (None, Counts(), ())
    assert (shard.started_at, shard.finished_at) == (None, None)
    assert shards.find(ShardId(job_id, 3)) is None
    assert shards.find(ShardId(NOBODY, 0)) is None


def test_who_does_not_have_the_job_adds_nothing(catalog, shards, clock):
    job_id = running_job(catalog)
    assert not plan(shards, job_id, "another", [lines(0)], complete=True)
    assert not plan(shards, NOBODY, PLANNER, [lines(0)], complete=True)
    clock.forward(LEASE_S + 1)
    assert plan(shards, job_id, PLANNER, [lines(0)], complete=False)  # late, but it is still his
    clock.forward(LEASE_S + 1)
    assert catalog.jobs.claim_this(job_id, "next", LEASE_S)
    assert not plan(shards, job_id, PLANNER, [lines(1)], complete=True)
    assert shards.planned(job_id) == Plan(1, lines(0), False)
    assert plan(shards, job_id, "next", [lines(1)], complete=True)
    assert shards.planned(job_id) == Plan(2, lines(1), True)


@pytest.mark.parametrize("event", ["cancel", "release", "succeed", "fail", "stall"])
def test_nothing_is_added_to_a_job_that_is_not_at_work(catalog, shards, event):
    job_id = running_job(catalog)
    assert end(catalog, job_id, event)
    assert not plan(shards, job_id, PLANNER, [lines(0)], complete=True)
    assert shards.planned(job_id) == Plan(0, None, False)


def test_what_waits_is_sent_once_in_order(shards, job_id):
    assert sent(shards) == [ShardId(job_id, number) for number in range(3)]
    assert sent(shards) == []


def test_no_more_wait_to_be_begun_than_is_asked_for(shards, job_id):
    assert numbers(sent(shards, 0)) == []
    assert numbers(sent(shards, 2)) == [0, 1]
    assert sent(shards, 2) == []
    claim(shards, job_id, 0)
    assert numbers(sent(shards, 2)) == [2]
    assert sent(shards, 1) == []


def test_jobs_have_their_turns(catalog, shards):
    first, second, third = (planned_job(catalog, number) for number in (4, 1, 3))
    expected = [
        (first, 0), (second, 0), (third, 0), (first, 1), (third, 1), (first, 2), (third, 2),
    ]  # fmt: skip
    assert sent(shards, 7) == [ShardId(*each) for each in expected]
    assert sent(shards) == [ShardId(first, 3)]


def test_what_could_not_be_sent_is_sent_again(shards, job_id):
    def fail(ids):
        assert len(ids) == 3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shards.publish(100, fail)
    assert numbers(sent(shards)) == [0, 1, 2]


def test_where_nothing_waits_nothing_is_sent(catalog, shards, job_id):
    sent(shards)
    shards.publish(100, lambda _: pytest.fail("there was nothing to send"))
    catalog.jobs.move(job_id, "cancel")
    shards.publish(100, lambda _: pytest.fail("its job is over"))


@pytest.mark.parametrize("event", ["cancel", "fail", "succeed"])
def test_of_a_job_that_is_over_nothing_is_sent_and_nothing_is_begun(catalog, shards, event):
    over, other = planned_job(catalog, 2), planned_job(catalog, 1)
    end(catalog, over, event)
    assert sent(shards) == [ShardId(other, 0)]
    assert claim(shards, over) is None
    assert shards.find(ShardId(over, 0)).state == "waiting"


@pytest.mark.parametrize("event", ["release", "stall"])
def test_shards_go_on_while_nobody_is_at_their_job(catalog, shards, job_id, event):
    end(catalog, job_id, event)
    assert numbers(sent(shards)) == [0, 1, 2]
    shard = claim(shards, job_id)
    assert [each.id.number for each in shards.held("me")] == [0]
    assert shards.commit(shard, Counts(10))


def test_of_two_who_send_at_once_one_does(catalog, shards, job_id):
    told, inner = [], []

    def send(ids):
        told.extend(ids)
        inner.append(shards.publish(100, lambda _: pytest.fail("another sends just now")))

    assert shards.publish(2, send) == 2
    assert (numbers(told), inner) == ([0, 1], [0])
    assert numbers(sent(shards)) == [2]


@pytest.mark.parametrize("what", ["cancel", "drop", "claim", "plan", "recall"])
def test_nothing_waits_for_one_who_sends(catalog, shards, clock, job_id, what):
    """The broker may let him wait for long."""
    other = running_job(catalog)
    acts = {
        "cancel": lambda: catalog.jobs.move(job_id, "cancel"),
        "drop": lambda: shards.drop(job_id),
        "claim": lambda: claim(shards, job_id),
        "plan": lambda: plan(shards, other, PLANNER, [lines(0)], complete=True),
        "recall": lambda: shards.recall(clock()) or True,
    }
    results = []

    def send(ids):
        assert len(ids) == 3
        acting = threading.Thread(target=lambda: results.append(acts[what]()), daemon=True)
        acting.start()
        acting.join(4)
        results.append("after")

    shards.publish(100, send)
    assert results[-1] == "after"
    assert len(results) == 2
    assert results[0] or what == "drop"


def test_what_was_begun_and_handed_back_while_it_was_sent_is_sent_again(shards, job_id):
    """As a worker does that has the message before the sender is done."""

    def send(ids):
        assert numbers(ids) == [0, 1, 2]
        assert shards.hand_back(claim(shards, job_id, 1), "it was tired")
        claim(shards, job_id, 2)

    shards.publish(100, send)
    assert numbers(sent(shards)) == [1]


def test_shards_of_jobs_that_are_over_keep_no_others_waiting(catalog, shards):
    over = planned_job(catalog, 2)
    assert len(sent(shards, 2)) == 2
    other = planned_job(catalog, 3)
    assert sent(shards, 2) == []
    catalog.jobs.move(over, "cancel")
    assert sent(shards, 2) == [ShardId(other, 0), ShardId(other, 1)]
    assert sent(shards, 2) == []


def test_of_many_who_send_at_once_each_shard_is_sent_by_one(catalog, shards):
    job_id = planned_job(catalog, 30)
    told = race(*[lambda: sent(shards, 8)] * 4)
    found = [id_ for some in told for id_ in some]
    while more := sent(shards, 100):
        found += more
    assert sorted(found) == [ShardId(job_id, number) for number in range(30)]


def test_what_is_lost_by_the_broker_is_sent_again(shards, clock, job_id):
    sent(shards, 2)
    claim(shards, job_id, 0)
    clock.forward(60)
    moment = clock()
    sent(shards)
    assert shards.recall(moment) == 1  # the first has begun, the last was sent later
    assert shards.recall(moment) == 0
    assert numbers(sent(shards)) == [1]


def test_what_waits_is_begun_once_by_one_of_many(shards, job_id):
    owners = [f"owner {n}" for n in range(8)]
    found = race(*[lambda owner=owner: claim(shards, job_id, 0, owner) for owner in owners])
    (shard,) = [each for each in found if each]
    stands = shards.find(shard.id)
    assert stands == shard
    assert (shard.state, shard.attempts, bool(shard.attempt)) == ("running", 1, True)
    assert shard.worker == f"worker {owners[found.index(shard)]}"
    assert claim(shards, job_id, 0, "late") is None
    assert [each.id for owner in owners for each in shards.held(owner)] == [shard.id]


def test_what_is_not_there_is_not_begun(shards, job_id):
    assert claim(shards, job_id, 3) is None
    assert claim(shards, NOBODY) is None
    assert shards.claim(ShardId("../../etc", -1), "me", "me") is None


def test_what_was_never_sent_may_be_begun_and_is_not_sent_then(shards, job_id):
    claim(shards, job_id, 1)
    assert numbers(sent(shards)) == [0, 2]


def test_what_is_handed_back_waits_again_with_the_cause(shards, clock, job_id):
    sent(shards)
    before = claim(shards, job_id)
    assert shards.hand_back(before, "it was tired")
    shard = shards.find(before.id)
    assert (shard.state, shard.attempt, shard.attempts) == ("waiting", None, 1)
    assert (shard.deaths, shard.alone) == (0, False)
    (attempt,) = shard.failed_attempts
    assert (attempt.worker, attempt.cause) == ("worker me", "it was tired")
    assert attempt.ended_at.startswith("2026-11-20T10:31:00")
    assert attempt.ended_at.endswith("+00:00")
    assert shards.held("me") == []
    assert numbers(sent(shards)) == [0]
    again = claim(shards, job_id, 0, "other")
    assert (again.attempts, again.worker, again.failed_attempts) == (2, "worker other", (attempt,))
    assert again.attempt != before.attempt


def test_after_a_delay_it_is_sent_again_and_no_earlier(shards, clock, job_id):
    sent(shards)
    assert shards.hand_back(claim(shards, job_id), "later", delay_s=20.0)
    clock.forward(19)
    assert sent(shards) == []
    clock.forward(1)
    assert numbers(sent(shards)) == [0]
    # A delay is of one attempt alone, also where a message that came twice did not keep to it.
    assert shards.hand_back(claim(shards, job_id), "later", delay_s=1e6)
    assert shards.hand_back(claim(shards, job_id), "now")
    assert numbers(sent(shards)) == [0]


def test_an_attempt_that_is_over_is_not_given_up_again(shards, job_id):
    first = claim(shards, job_id)
    assert shards.hand_back(first, "once")
    assert not shards.hand_back(first, "twice", how="died")
    second = claim(shards, job_id)
    assert not shards.hand_back(first, "late", how="died")
    assert shards.find(first.id) == second
    assert shards.commit(second, Counts(10))
    done = shards.find(first.id)
    for attempt in (first, second):
        assert not shards.hand_back(attempt, "done", how="died")
    assert shards.find(first.id) == done


def test_of_many_who_give_an_attempt_up_one_does(shards, job_id):
    shard = claim(shards, job_id)
    given = race(*[lambda: shards.hand_back(shard, "it died", how="died")] * 6)
    assert sorted(given) == [False] * 5 + [True]
    assert len(shards.find(shard.id).failed_attempts) == shards.find(shard.id).deaths == 1


def test_what_died_is_done_alone_from_then_on(shards, job_id):
    shard = die(shards, job_id)
    assert (shard.state, shard.deaths, shard.alone) == ("waiting", 1, True)
    again = claim(shards, job_id)
    assert again.alone
    shards.hand_back(again, "no death")
    shard = shards.find(shard.id)
    assert (shard.deaths, shard.alone) == (1, True)
    assert not shards.find(ShardId(job_id, 1)).alone


def test_what_died_too_often_is_dead_until_it_is_redriven(catalog, shards, job_id):
    assert die(shards, job_id, 1, MAX_DEATHS - 1).state == "waiting"
    shard = die(shards, job_id, 1)
    assert (shard.state, shard.deaths, shard.attempts) == ("dead", MAX_DEATHS, MAX_DEATHS)
    assert numbers(sent(shards)) == [0, 2]
    assert claim(shards, job_id, 1) is None
    assert shards.dead(10) == shards.dead(10, job_id) == [shard]
    assert shards.dead(10, running_job(catalog)) == []
    assert shards.redrive(job_id) == 1
    assert shards.redrive(job_id) == 0
    assert shards.dead(10) == []
    shard = shards.find(shard.id)
    assert (shard.state, shard.deaths) == ("waiting", 0)
    assert numbers(sent(shards)) == [1]
    assert die(shards, job_id, 1, MAX_DEATHS - 1).state == "waiting"
    assert die(shards, job_id, 1).state == "dead"


def test_what_is_redriven_waits_for_no_delay(shards, job_id):
    for _ in range(MAX_DEATHS):
        shards.hand_back(claim(shards, job_id), "it died", how="died", delay_s=1e6)
    shards.redrive(job_id)
    assert numbers(sent(shards)) == [0, 1, 2]


def test_the_dead_are_told_in_order_and_no_more_than_asked_for(catalog, shards):
    ids = sorted(planned_job(catalog, 2) for _ in range(2))
    for id_ in ids[::-1]:
        for number in (1, 0):
            die(shards, id_, number, MAX_DEATHS)
    expected = [ShardId(id_, number) for id_ in ids for number in range(2)]
    assert [shard.id for shard in shards.dead(10)] == expected
    assert [shard.id for shard in shards.dead(3)] == expected[:3]
    assert [shard.id for shard in shards.dead(1, ids[1])] == expected[2:3]
    assert shards.redrive(ids[1]) == 2
    assert [shard.id for shard in shards.dead(10)] == expected[:2]


def test_only_the_last_attempts_are_told(shards, job_id):
    for number in range(MOST_TOLD + 3):
        shards.hand_back(claim(shards, job_id), f"cause {number}: " + "é" * 2000)
    shard = shards.find(ShardId(job_id, 0))
    assert shard.attempts == MOST_TOLD + 3
    told = [attempt.cause for attempt in shard.failed_attempts]
    assert [cause.partition(":")[0] for cause in told] == [
        f"cause {number}" for number in range(3, MOST_TOLD + 3)
    ]
    assert max(map(len, told)) <= 500


def test_a_cause_of_any_characters_can_be_told_as_the_end_of_its_job(catalog, shards, job_id):
    shards.hand_back(claim(shards, job_id), "a\x00b \ud800 \U0001f600 é")
    (attempt,) = shards.find(ShardId(job_id, 0)).failed_attempts
    told = f"shard 0: {attempt.cause}"
    ended = catalog.jobs.end(job_id, PLANNER, "stall", Outcome(None, "internal", told), Progress())
    assert ended.outcome.message == told
    assert "\U0001f600 é" in told


def test_a_part_counts_once_it_is_committed(shards, job_id):
    shard = claim(shards, job_id)
    counts = Counts(7, 2, {"timeout": 2, "dns_failed": 1})
    assert shards.commit(shard, counts)
    done = shards.find(shard.id)
    assert (done.state, done.counts, done.attempt) == ("done", counts, shard.attempt)
    assert done.finished_at > done.started_at
    assert shards.held("me") == []
    assert shards.commit(shard, Counts(1))  # as where the first answer was not heard
    assert shards.find(shard.id) == done
    assert claim(shards, job_id) is None
    assert numbers(sent(shards)) == [1, 2]


def test_of_twins_the_late_one_commits_nothing(shards, job_id):
    first = claim(shards, job_id, 0, "first")
    shards.hand_back(first, "it was held to be dead", how="died")
    assert not shards.commit(first, Counts(1))
    second = claim(shards, job_id, 0, "second")
    assert not shards.commit(first, Counts(1))
    assert shards.commit(second, Counts(2))
    assert not shards.commit(first, Counts(1))
    done = shards.find(first.id)
    assert (done.counts, done.attempt, done.worker) == (Counts(2), second.attempt, "worker second")


def test_a_commit_and_a_giving_up_at_once_have_one_winner(shards, job_id):
    for number in range(3):
        shard = claim(shards, job_id, number)
        committed, given_up = race(
            lambda shard=shard: shards.commit(shard, Counts(1)),
            lambda shard=shard: shards.hand_back(shard, "it died", how="died"),
        )
        assert committed != given_up
        assert shards.find(shard.id).state == ("done" if committed else "waiting")


def test_nothing_is_committed_of_a_job_that_was_forgotten(catalog, shards, job_id):
    shard, other = claim(shards, job_id, 0), claim(shards, job_id, 1)
    shards.drop(job_id)
    assert not shards.commit(shard, Counts(1))
    assert not shards.hand_back(other, "it died", how="died")
    assert shards.held("me") == []
    assert shards.find(shard.id) is None


def test_an_owner_has_what_it_began_and_did_not_end(catalog, shards, job_id):
    other_job = planned_job(catalog, 1)
    mine = [claim(shards, job_id, 0), claim(shards, other_job, 0)]
    claim(shards, job_id, 1, "other")
    assert sorted(shards.held("me"), key=lambda shard: shard.id) == sorted(
        mine, key=lambda shard: shard.id
    )
    assert shards.held("nobody") == []
    catalog.jobs.move(other_job, "cancel")
    assert shards.held("me") == [mine[0]]
    shards.commit(mine[0], Counts(1))
    assert shards.held("me") == []


def test_shards_behind_a_line_are_told_in_order(catalog, shards):
    job_id = planned_job(catalog, 12)
    planned_job(catalog, 3)
    for line, limit, expected in (
        (0, 3, [0, 1, 2]),
        (1, 3, [1, 2, 3]),  # the first begins with this line, so it is not behind it
        (10, 2, [1, 2]),
        (95, 100, [10, 11]),
        (110, 100, [11]),
        (111, 100, []),
    ):
        found = shards.following(job_id, line, limit)
        assert numbers(each.id for each in found) == expected


def test_the_standing_sums_up_what_is_done(catalog, shards):
    job_id = planned_job(catalog, 7)
    other = planned_job(catalog, 1)
    parts = [
        Counts(5, 1, {"timeout": 2}),
        Counts(6, 2, {"timeout": 2}),  # alike in what failed
        Counts(1, 0, {"timeout": 3, "dns_failed": 1}),
        Counts(9, 3),
    ]
    for number, counts in enumerate(parts):
        shards.commit(claim(shards, job_id, number), counts)
    claim(shards, job_id, 4)
    die(shards, job_id, 5, MAX_DEATHS)
    shards.commit(claim(shards, other), Counts(100, 50, {"timeout": 25}))
    standing = shards.standing(job_id)
    assert standing.states == {"done": 4, "running": 1, "dead": 1, "waiting": 1}
    assert standing.counts == Counts(21, 6, {"timeout": 7, "dns_failed": 1})
    behind = shards.standing(job_id, shards.find(ShardId(job_id, 1)).lines.first_line)
    assert behind.states == standing.states
    assert behind.counts == Counts(10, 3, {"timeout": 3, "dns_failed": 1})


def test_a_shard_that_fails_each_time_is_dead_with_its_cause(shards, job_id):
    for _ in range(MAX_FAILURES - 1):
        assert shards.hand_back(claim(shards, job_id), "the disk is full", how="failed")
        assert shards.hand_back(claim(shards, job_id), "its worker was stopped")
    shard = claim(shards, job_id)
    assert shards.hand_back(shard, "the disk is full", how="failed")
    dead = shards.find(shard.id)
    assert (dead.state, dead.failed_attempts[-1].cause) == ("dead", "the disk is full")
    assert shards.redrive(job_id) == 1
    for _ in range(MAX_FAILURES - 1):
        assert shards.hand_back(claim(shards, job_id), "the disk is full", how="failed")
        assert shards.find(shard.id).state == "waiting"
    assert shards.commit(claim(shards, job_id), Counts(1))


def test_a_shard_whose_part_is_gone_is_done_again(shards, job_id):
    claimed = claim(shards, job_id)
    assert not shards.redo(claimed)  # it is not done yet
    shards.commit(claimed, Counts(6, 2, {"timeout": 2}))
    done = shards.find(claimed.id)
    assert shards.redo(done)
    assert not shards.redo(done)
    again = shards.find(claimed.id)
    assert (again.state, again.counts, again.finished_at) == ("waiting", Counts(), None)
    sent = []
    shards.publish(1, sent.extend)
    assert sent == [claimed.id]
    second = claim(shards, job_id)
    assert second.attempt != done.attempt
    assert shards.commit(second, Counts(8))
    assert not shards.redo(done)
    assert shards.find(claimed.id).counts == Counts(8)


def test_a_job_is_planned_anew_once_its_shards_are_dropped(catalog, shards, job_id):
    other = planned_job(catalog, 2)
    claim(shards, job_id)
    shards.drop(job_id)
    assert shards.planned(job_id) == Plan(0, None, False)
    assert catalog.jobs.find(job_id).state == "running"
    assert catalog.jobs.find(job_id).shards is None
    assert plan(shards, job_id, PLANNER, [lines(0)], complete=True)
    assert shards.find(ShardId(job_id, 0)).state == "waiting"
    assert shards.planned(other) == Plan(2, lines(1), True)
    shards.drop(NOBODY)


def test_shards_go_with_their_job(catalog, shards, clock, job_id):
    other = planned_job(catalog, 1)
    catalog.jobs.drop(job_id)
    assert shards.find(ShardId(job_id, 0)) is None
    assert sent(shards) == [ShardId(other, 0)]
    catalog.jobs.move(other, "cancel")
    catalog.jobs.move(other, "expire")
    clock.forward(1)
    assert catalog.jobs.forget(clock()) == 1
    assert shards.find(ShardId(other, 0)) is None


def test_counts_are_added_code_by_code():
    one, two = Counts(1, 2, {"a": 1, "b": 2}), Counts(10, 20, {"b": 5, "c": 7})
    assert one + two == Counts(11, 22, {"a": 1, "b": 7, "c": 7})
    assert (one.failed, two.failed) == ({"a": 1, "b": 2}, {"b": 5, "c": 7})


def abandoned(catalog, moment):
    return [job.id for job in catalog.jobs.abandoned_before(moment, 10)]


@pytest.mark.parametrize("state", ["killed", "released", "stalled"])
def test_a_job_that_its_command_left_long_ago_is_abandoned(catalog, clock, state):
    job_id = planned_job(catalog, 2)
    if state != "killed":
        end(catalog, job_id, {"released": "release", "stalled": "stall"}[state])
    clock.forward(LEASE_S + 1)
    assert abandoned(catalog, clock()) == [job_id]
    assert abandoned(catalog, clock() - timedelta(seconds=LEASE_S + 2)) == []  # it is younger


def test_what_is_at_work_or_was_not_long_ago_is_not_abandoned(catalog, shards, clock, job_id):
    assert abandoned(catalog, clock()) == []  # its command is there
    clock.forward(LEASE_S + 1)
    shard = claim(shards, job_id)
    assert abandoned(catalog, clock()) == []
    before = clock()
    shards.commit(shard, Counts(1))
    assert abandoned(catalog, before) == []
    assert abandoned(catalog, clock()) == [job_id]


def test_only_a_commands_job_is_abandoned(catalog, clock):
    key, _ = catalog.keys.add("one", ["jobs"])
    catalog.jobs.add(NewJob(key_id=key.id, kind="colors", spec={}))
    canceled = planned_job(catalog, 1)
    catalog.jobs.move(canceled, "cancel")
    clock.forward(LEASE_S + 1)
    assert abandoned(catalog, clock()) == [canceled]
    moment = clock()
    assert catalog.jobs.abandon(canceled, moment, "tidy", LEASE_S)
    assert not catalog.jobs.abandon(canceled, moment, "another", LEASE_S)
    assert abandoned(catalog, clock()) == []
    assert catalog.jobs.claim_this(canceled, "its command", LEASE_S) is None
    clock.forward(LEASE_S + 1)  # who began to delete it was killed
    assert abandoned(catalog, clock()) == [canceled]
    assert catalog.jobs.claim_this(canceled, "its command", LEASE_S)
    assert not catalog.jobs.abandon(canceled, clock(), "late", LEASE_S)
