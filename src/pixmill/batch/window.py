"""The reorder window: rows finish in any order and leave in that of the list, within bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_ROWS = 50_000
FLUSH_S = 0.05


class Window(Generic[T]):
    """Numbers what enters, holds what is finished, and emits runs of it in order.

    At most `rows` rows and `max_bytes` of them stand between `enter` and `leave`, so that one slow
    head of the list can not make memory grow. `emit` is called in the loop with lists of finished
    rows; whoever takes them says so by `leave`. For one event loop.
    """

    def __init__(
        self,
        emit: Callable[[list[T]], None],
        *,
        max_bytes: int,
        rows: int = MAX_ROWS,
        flush_s: float = FLUSH_S,
    ) -> None:
        self._flush_s = flush_s
        self._emit = emit
        self._max_rows, self._max_bytes = rows, max_bytes
        self._rows = self._bytes = 0
        self._entered = self._next = 0
        self._finished: dict[int, T] = {}
        self._flushing = False
        self._room: asyncio.Future[None] | None = None

    async def enter(self, n_bytes: int) -> int:
        """Wait for room and return the row's number. For one task at a time.

        A row larger than `max_bytes` waits until no other is inside.
        """
        while self._rows and not self._has_room(n_bytes):
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._rows += 1
        self._bytes += n_bytes
        self._entered += 1
        return self._entered - 1

    def _has_room(self, n_bytes: int) -> bool:
        return self._rows < self._max_rows and self._bytes + n_bytes <= self._max_bytes

    def finish(self, number: int, row: T) -> None:
        """Hand in a finished row; what is whole `flush_s` later is emitted, all at once.

        Waking the thread that writes for every single row costs more than writing it.
        """
        self._finished[number] = row
        if number == self._next and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(self._flush_s, self.flush)

    def flush(self) -> None:
        """Emit what is whole now; `finish` sees to it, but for the end of the list."""
        self._flushing = False
        run = []
        while self._next in self._finished:
            run.append(self._finished.pop(self._next))
            self._next += 1
        if run:
            self._emit(run)

    @property
    def unfinished(self) -> int:
        """How many have entered and are not finished."""
        return self._entered - self._next - len(self._finished)

    def leave(self, rows: int, n_bytes: int) -> None:
        """Give back the room of rows that were taken."""
        self._rows -= rows
        self._bytes -= n_bytes
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
