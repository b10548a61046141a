"""What temporary files may take together, and who waits while there is no room.

Owns the count and the turns; the files are `body.py`'s. Everything here lives in one event loop.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.fetch.options import FetchOptions

# The other half is for whatever else writes there, another run among it.
_SHARE_OF_FREE = 0.5


class DiskUsage(Protocol):
    """What of `shutil.disk_usage` is looked at."""

    @property
    def free(self) -> int:
        """Bytes that may still be written."""


class SpillBudget:
    """Bytes that all temporary files may hold together: `limit`, and one file on top of that.

    Whoever would pass `limit` waits before writing. One file at a time need not, until it is
    closed: else files half written could wait for each other forever.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._exempt: object | None = None
        self._given = asyncio.Event()

    @classmethod
    def of(
        cls, options: FetchOptions, disk_usage: Callable[[str], DiskUsage] = shutil.disk_usage
    ) -> Self:
        """Take `spill_total_bytes`, or as much less as leaves one file of `max_bytes` its room.

        That room is a share of what is free in the temporary folder now; where it is too small for
        such a file, one file at a time is written.
        """
        try:
            free = disk_usage(options.temp_dir or tempfile.gettempdir()).free
        except OSError:
            # The first file, if there ever is one, fails for the same cause and says so.
            return cls(options.spill_total_bytes)
        room = int(free * _SHARE_OF_FREE) - options.max_bytes
        return cls(max(0, min(options.spill_total_bytes, room)))

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

    async def wait_for_room(self, file: object, size: int) -> None:
        """Return once `file` may grow by `size` bytes."""
        while self.used + size > self.limit and self._exempt is not file:
            if self._exempt is None:
                self._exempt = file
            else:
                await self._given.wait()
