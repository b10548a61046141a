"""Jobs followed as server-sent events: each change as it comes, until the job's end or ours.

Owns how often the catalog is asked for all who follow: the more they are, the less often for each.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from pixmill.store.jobs import FINISHED
from pixmill.web.job_views import job_as_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pixmill.store.jobs import Job, Jobs
    from pixmill.web.store_calls import StoreCalls

_LOOK_EVERY_S = 0.5
_LOOKS_A_SECOND = 50  # of all together
_SIGN_OF_LIFE_S = 15.0


class Following:
    """For the tasks of one event loop."""

    def __init__(self, jobs: Jobs, ask: StoreCalls) -> None:
        self._jobs = jobs
        self._ask = ask
        self._number = 0

    async def changes(
        self,
        job: Job,
        key_id: int,
        is_ending: Callable[[], bool],
        may_follow: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[bytes]:
        """Tell each change of a job as an event named `job`, until its end.

        It ends early where `is_ending` says so: who follows asks again, or another service. And
        where whoever follows may not any more.
        """
        self._number += 1
        try:
            async for piece in self._changes(job, key_id, is_ending, may_follow):
                yield piece
        finally:
            self._number -= 1

    async def _changes(
        self,
        job: Job | None,
        key_id: int,
        is_ending: Callable[[], bool],
        may_follow: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[bytes]:
        loop, told = asyncio.get_running_loop(), 0
        heard_at = loop.time()
        while job is not None and await may_follow():
            if job.revision != told:
                told, heard_at = job.revision, loop.time()
                document = json.dumps(job_as_json(job))
                yield f"id: {told}\nevent: job\ndata: {document}\n\n".encode()
            elif loop.time() - heard_at > _SIGN_OF_LIFE_S:
                heard_at = loop.time()
                yield b": still here\n\n"
            look_at = loop.time() + self._number / _LOOKS_A_SECOND
            while job.state not in FINISHED and not is_ending():
                await asyncio.sleep(_LOOK_EVERY_S)
                if loop.time() >= look_at:
                    break
            else:
                return
            job = await self._ask(self._jobs.find, job.id, key_id)
