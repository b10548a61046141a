"""Calls of a database from the event loop: in few threads, for a while, and then refused.

Owns what a database that hangs may cost. No driver can be relied on to come back from one (a
stopped server goes on to acknowledge what it is sent), so its calls have threads of their own:
whatever needs another database, or none, goes on. The threads keep no process from ending.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pixmill.web.errors import ApiError, overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 12  # fewer than the connections of SQLAlchemy's pool
PATIENCE_S = 30.0
_STALL_S = 5.0
_RETRY_AFTER_S = 10


class StoreCalls:
    """Calls that need the database `name`, for one event loop, in up to `threads` threads.

    ApiError 503 for a call that is not done after `patience_s` seconds (None: however long it
    takes), which goes on where it has begun; and at once where all threads are busy and none has
    come to an end of its call for five seconds.
    """

    def __init__(
        self, name: str, *, threads: int = THREADS, patience_s: float | None = PATIENCE_S
    ) -> None:
        self._name = name
        self._most = threads
        self._patience_s = patience_s
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = self._open = 0
        self._moved_at = 0.0

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread, and give what it returns or raise what it raises."""
        if self._is_stalled():
            raise self._refusal()
        called = asyncio.wrap_future(self._begin(partial(function, *args, **kwargs)))
        try:
            await asyncio.wait({called}, timeout=self._patience_s)
            if not called.done():
                raise self._refusal()
            return called.result()
        finally:
            called.cancel()  # so that no thread begins what nobody waits for

    def _begin(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._open < self._most:
                self._moved_at = time.monotonic()
            self._open += 1
            if self._started < min(self._open, self._most):
                self._started += 1
                name = f"pixmill-{self._name}-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._calls.put((future, call))
        return future

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001  whoever waits for it has it
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del future, call  # an idle thread holds on to nobody's image
            with self._lock:
                self._open -= 1
                self._moved_at = time.monotonic()

    def _is_stalled(self) -> bool:
        with self._lock:
            return self._open >= self._most and time.monotonic() - self._moved_at > _STALL_S

    def _refusal(self) -> ApiError:
        sentence = f"The {self._name} does not answer just now"
        return overloaded(sentence, retry_after_s=_RETRY_AFTER_S)
