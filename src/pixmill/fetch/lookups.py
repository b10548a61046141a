"""Name lookups under way: each name once, in bounded threads, each with its time.

Owns who waits for which lookup and for how long. What a lookup is, and what its answers are good
for, is `resolver.py`'s. Everything here lives in one event loop, but for `look_up`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pixmill.errors import DnsFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Answers: TypeAlias = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class _Lookup:
    task: asyncio.Task[Answers]
    begun: asyncio.Event = field(default_factory=asyncio.Event)


class Lookups:
    """Calls `look_up(host, port)` in up to `threads` threads, made as they are needed.

    No thread can be taken from the system's resolver: whoever gives a lookup up after `timeout_s`
    seconds leaves it running, and who asks for the name meanwhile joins it.
    """

    def __init__(
        self, look_up: Callable[[str, int], Answers], *, threads: int, timeout_s: float
    ) -> None:
        self._look_up = look_up
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="pixmill-dns")
        self._under_way: dict[str, _Lookup] = {}

    async def get(self, host: str, port: int) -> Answers:
        """Return what `look_up` gives for the name; `DnsFailed` where that takes too long.

        The wait for a thread does not count, nor does the port: answers differ by name alone.
        """
        lookup = self._under_way.get(host) or self._begin(host, port)
        await lookup.begun.wait()
        await asyncio.wait({lookup.task}, timeout=self._timeout_s)
        if not lookup.task.done():
            raise DnsFailed(f"the name {host} did not resolve within {self._timeout_s:g} s")
        return lookup.task.result()

    def close(self) -> None:
        """Begin no further lookup; those in threads end by themselves."""
        for lookup in self._under_way.values():
            lookup.task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, host: str, port: int) -> _Lookup:
        lookup = _Lookup(asyncio.create_task(self._in_thread(host, port)))
        self._under_way[host] = lookup
        lookup.task.add_done_callback(lambda task: self._end(host, task))
        return lookup

    async def _in_thread(self, host: str, port: int) -> Answers:
        async with self._turns:
            self._under_way[host].begun.set()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._look_up, host, port)

    def _end(self, host: str, task: asyncio.Task[Answers]) -> None:
        self._under_way.pop(host).begun.set()  # by now nobody may wait for it to begin
        if not task.cancelled():
            task.exception()  # else one that nobody waits for any more would be reported as lost
