"""The time that one URL has, which stands still while it waits for what is not its server's fault.

Everything here lives in one event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType


class Deadline:
    """Cancels what stands in its `async with` block, by TimeoutError, after `timeout_s` seconds.

    Waits under `excuse` do not count: for a turn, or for room on this machine. How long they may be
    is for others to say.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._timeout = asyncio.timeout(None)

    @property
    def left_s(self) -> float:
        """Seconds that are left."""
        when = self._timeout.when()
        return self._timeout_s if when is None else when - asyncio.get_running_loop().time()

    async def excuse(self, wait: Awaitable[None]) -> None:
        """Await something while the time stands still."""
        self._timeout_s = self.left_s
        self._timeout.reschedule(None)
        try:
            await wait
        finally:
            self._run()

    def _run(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._timeout_s)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._run()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)
