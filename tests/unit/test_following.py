"""How often the catalog is asked for those who follow jobs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

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


async def ask(function, *arguments):
    return function(*arguments)


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, each of no time."""
    made, sleep = [], asyncio.sleep

    async def pause(seconds):
        made.append(seconds)
        await sleep(0)

    monkeypatch.setattr(following.asyncio, "sleep", pause)
    return made


async def test_all_who_follow_share_the_looks_at_the_catalog(pauses):
    jobs, ends = Following(Jobs(), ask), False
    streams = [jobs.changes(JOB, 1, lambda: ends) for _ in range(100)]
    for stream in streams:
        await anext(stream)
    looks = [asyncio.ensure_future(anext(stream, None)) for stream in streams]
    while len(pauses) < 500:
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    assert set(pauses) == {2.0}
    ends = True
    assert await asyncio.gather(*looks) == [None] * 100
    pauses.clear()
    alone = jobs.changes(JOB, 1, lambda: len(pauses) > 3)
    (event,) = [piece async for piece in alone]
    assert event.startswith(b"id: 1\nevent: job\ndata: {")
    assert set(pauses) == {0.5}
