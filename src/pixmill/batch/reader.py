"""Feeds an event loop from an iterable that may block.

A list can be a pipe that nobody writes to for an hour, or a generator that computes; either would
stop the event loop. So the iterable is drawn in a thread of its own, a bounded way ahead.
"""

from __future__ import annotations

import threading
from collections import deque
from types import GeneratorType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from pixmill.record import Item

_AHEAD_ITEMS = 1024
_AHEAD_BYTES = 4 * 2**20
_ITEM_BYTES = 300  # of the objects themselves, with numbers and a place in a queue


def weight(item: Item) -> int:
    """Return about how many bytes an item holds; always the same for an equal item."""
    texts = [item.url, *[value for _, value in item.extra]]
    if item.path is not None:
        texts.append(item.path)
    # Text beyond ASCII takes up to four bytes a character.
    return _ITEM_BYTES + sum([len(text) if text.isascii() else 4 * len(text) for text in texts])


class Reader:
    """Draws `items` in a daemon thread; `next` is called by one task of the loop.

    At most 1,024 items or 4 MiB of them are drawn ahead, and one more is in the thread's hand. A
    daemon, because a read from a silent pipe can not be interrupted and must not keep the process
    alive. A generator is closed when it is drawn no more.
    """

    def __init__(self, items: Iterable[Item], loop: asyncio.AbstractEventLoop) -> None:
        self._items = items
        self._loop = loop
        self._drawn: deque[Item] = deque()
        self._bytes = 0
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._waiter: asyncio.Future[None] | None = None
        self._thread = threading.Thread(target=self._draw, name="pixmill-reader", daemon=True)
        self._thread.start()

    def _draw(self) -> None:
        error = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
            if isinstance(self._items, GeneratorType):
                self._items.close()
        except BaseException as raised:  # noqa: BLE001  it is raised to the caller by `next`
            error = raised
        with self._changed:
            self._ended, self._error = True, error
            self._wake()

    def _put(self, item: Item) -> bool:
        """Hand over an item as soon as there is room; False where nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            if self._stopped:
                return False
            self._drawn.append(item)
            self._bytes += weight(item)
            self._wake()
            return True

    def _has_room(self) -> bool:
        room = len(self._drawn) < _AHEAD_ITEMS and self._bytes < _AHEAD_BYTES
        return room or self._stopped

    def _wake(self) -> None:
        """Wake `next`; under the lock, so that after `stop` nobody calls a loop that is gone."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not self._stopped:
            self._loop.call_soon_threadsafe(_resolve, waiter)

    async def next(self) -> Item | None:
        """Return the next item, None at the end.

        Raises what the iterable raised, after its last item. What is no Exception (a cancellation,
        an exit) comes as RuntimeError, since the loop would take it for its own.
        """
        while True:
            with self._changed:
                if self._drawn:
                    return self._take()
                if self._ended:
                    self._raise_error()
                    return None
                waiter = self._waiter = self._loop.create_future()
                self._changed.notify()
            await waiter

    def _take(self) -> Item:
        item = self._drawn.popleft()
        self._bytes -= weight(item)
        if len(self._drawn) <= _AHEAD_ITEMS // 2:  # wake the thread for a batch, not for each item
            self._changed.notify()
        return item

    def _raise_error(self) -> None:
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise RuntimeError(f"the list ended by {type(self._error).__name__}") from self._error

    def stop(self) -> None:
        """Draw no more; the thread ends at its next item. Call it before the loop is closed."""
        with self._changed:
            self._stopped = True
            self._changed.notify()


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
