"""Do a thing once for all who ask for the same: repeated URLs, identical bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


class Once(Generic[T]):
    """Remembers the last `size` answers by key; who asks while the first is at work waits for it.

    With a `size` of 0 nothing is remembered, but those who wait get the answer. The first gets the
    answer itself, all others what `keep` makes of it, which is remembered. An exception goes to all
    who wait and is not remembered. If the first asker is canceled, one of those who wait does the
    thing in its place. For tasks of one event loop.
    """

    def __init__(self, size: int, keep: Callable[[T], T]) -> None:
        self._size = size
        self._keep = keep
        self._answers: OrderedDict[Hashable, asyncio.Future[T]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return the answer for `key`, made by `make` where it is not remembered."""
        while (known := self._answers.get(key)) is not None:
            self._answers.move_to_end(key)
            if not known.done():
                # Unlike `await known`, this leaves it alone if we are canceled.
                await asyncio.wait([known])
            if not known.cancelled():
                return known.result()
        return await self._make(key, make)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        if len(self._answers) > self._size > 0:
            self._answers.popitem(last=False)
        try:
            result = await make()
        except BaseException as error:
            if self._answers.get(key) is answer:
                del self._answers[key]
            if isinstance(error, Exception):
                answer.set_exception(error)
                answer.exception()  # nobody needs to wait for it: it is no forgotten exception
            else:
                answer.cancel()
            raise
        answer.set_result(self._keep(result))
        if not self._size:
            del self._answers[key]
        return result
