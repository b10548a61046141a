"""What temporary files may take together, and who waits while there is no room.

Owns the count and the turns; the files are `body.py`'s. Everything here lives in one event loop.
"""

from __future__ import annotations

import asyncio


class SpillBudget:
    """Bytes that all temporary files may hold together: `limit`, and one file on top of that.

    Whoever finds more than that written waits before writing on. One file at a time need not, until
    it is closed: else files half written could wait for each other forever. So `limit` is passed by
    one file, and by what each writer had in hand.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._exempt: object | None = None
        self._given = asyncio.Event()

    def take(self, size: int) -> None:
        """Count `size` bytes written."""
        self.used += size

    def give(self, file: object, size: int) -> None:
        """Count the `size` bytes of a file that is closed as gone; whoever waits looks again."""
        self.used -= size
        if self._exempt is file:
            self._exempt = None
        given, self._given = self._given, asyncio.Event()
        given.set()

    async def wait_for_room(self, file: object) -> None:
        """Return once `file` may grow by another piece."""
        while self.used > self.limit and self._exempt is not file:
            if self._exempt is None:
                self._exempt = file
            else:
                await self._given.wait()
