"""How often the catalog is asked for those who follow jobs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from pixmill.store.jobs import Job, Outcome, Progress
from pixmill.web import following
from pixmill.web.following import Following

JOB = Job(
    id="0" * 32, key_id=1, kind="operations", state="queued", spec={}, progress=Progress(),
    outcome=Outcome(), created_at=datetime.now(UTC), started_at=None, finished_at=None,
    attempts=0, revision=1, place=1,
)  # fmt: skip


class Jobs:
    def find(self, id_, key_id):
        return JOB


async def yes():
    return True


async def ask(function, *arguments):
    return function(*arguments)


async def test_all_who_follow_share_the_looks_at_the_catalog(monkeypatch):
    looks, ends, jobs = [], False, Jobs()
    monkeypatch.setattr(jobs, "find", lambda *_: looks.append(1) or JOB)
    following_, pauses = Following(jobs, ask), []
    sleep = asyncio.sleep

    async def pause(seconds):
        pauses.append(seconds)
        await sleep(0.001)

    monkeypatch.setattr(following.asyncio, "sleep", pause)
    streams = [following_.changes(JOB, 1, lambda: ends, yes) for _ in range(100)]
    for stream in streams:
        await anext(stream)
    waiting = [asyncio.ensure_future(anext(stream, None)) for stream in streams]
    while len(pauses) < 1000:
        await sleep(0.001)
    assert set(pauses) == {0.5}  # so that the service's end is seen in time
    assert len(looks) < 10  # due after two seconds, which have not gone by
    ends = True
    assert await asyncio.gather(*waiting) == [None] * 100


async def test_who_may_follow_no_longer_is_told_nothing_more():
    may = True

    async def may_follow():
        return may

    class Moving:
        def find(self, id_, key_id):
            return replace(JOB, revision=2, state="running")

    stream = Following(Moving(), ask).changes(JOB, 1, lambda: False, may_follow)
    assert (await anext(stream)).startswith(b"id: 1\nevent: job\ndata: {")
    may = False
    assert await anext(stream, None) is None
