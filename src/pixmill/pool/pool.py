"""The pool as its users see it: a queue of items, a future for each.

Owns the lock, the thread that waits for processes and deadlines, and the delivery of results.
Leaves what is decided to `dispatch`.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import selectors
import sys
import threading
import time
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pixmill.errors import InternalError, RunError, UsageError
from pixmill.pool.dispatch import Dispatcher
from pixmill.pool.plan import Plan
from pixmill.pool.task import make_task
from pixmill.pool.wire import Frame, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from pixmill.pool.dispatch import Outcome
    from pixmill.pool.task import Payload, Task

A = TypeVar("A")
R = TypeVar("R")

_STOOD_STILL_S = 1.0


class Pool(Generic[A, R]):
    """Runs `function(view, argument)` in `workers` processes.

    `function` is a plain function that can be imported by name, not from `__main__` (UsageError);
    `view` is a read-only view of the payload, gone when the function returns. `preload` names
    modules that are imported once, before workers are forked.

    `item_timeout_s` is the wall clock of one item, from when a worker begins on it.
    `decode_budget_bytes` is what all items together may take at a time on top of what an idle
    worker holds (see `SLACK_BYTES` for what comes on top of that), None for no limit. `slot_bytes`
    is the largest payload and pickled argument that goes through shared memory; two slots a worker,
    touched only as far as they are used.
    """

    def __init__(  # noqa: PLR0913 - keywords; each is a limit that the caller must have thought of
        self,
        function: Callable[[memoryview, A], R],
        *,
        workers: int,
        item_timeout_s: float,
        decode_budget_bytes: int | None,
        preload: Sequence[str] = (),
        slot_bytes: int = 4 * 2**20,
    ) -> None:
        too_little = decode_budget_bytes is not None and decode_budget_bytes < workers
        if workers < 1 or item_timeout_s <= 0 or too_little:
            raise UsageError("a pool needs at least one worker, and time and memory for it")
        slot_bytes += -slot_bytes % mmap.ALLOCATIONGRANULARITY
        plan = Plan(
            _name(function), preload, workers, item_timeout_s, decode_budget_bytes, slot_bytes
        )
        self._plan = plan
        self._lock = threading.Lock()
        self._numbers = 0
        self._dozing = False
        self._selector = selectors.DefaultSelector()
        self._dispatcher = Dispatcher(plan, self._selector)
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        self._selector.register(self._wake_r, selectors.EVENT_READ, self._woken)
        self._thread = threading.Thread(target=self._run, name="pixmill-pool", daemon=True)
        self._thread.start()

    def submit(self, payload: Payload, argument: A, *, need_bytes: int = 0) -> Future[R]:
        """Queue one item; items begin in the order of submission, whatever they need.

        A file is passed whole, from its first byte, whatever its position, and may be closed at
        once; its bytes must not change until the future is done, nor may those of a buffer.
        `need_bytes` is what decoding is expected to take.

        The future ends with the function's result, with the ItemError or RunError it raised, or
        with OutOfMemory, DecoderTimeout, DecoderCrashed or InternalError (any other exception; the
        worker's traceback is a note). RunError: the pool can not go on.

        Raises TooManyPixels at once if `need_bytes` exceeds the budget, whatever else is going on;
        RunError if the pool is closed or broken; and what pickling `argument` raises.
        """
        task = make_task(payload, argument, need_bytes, self._plan)
        self._enqueue(task)
        return task.future

    def _enqueue(self, task: Task) -> None:
        with self._lock:
            reason = "the pool is closed" if self._dispatcher.closing else self._dispatcher.broken
            if reason is None:
                self._numbers += 1
                task.number = self._numbers
                self._dispatcher.queue.append(task)
                self._dispatcher.place(time.monotonic())
                if self._dozing or self._dispatcher.settled:
                    self._wake()
        if reason is not None:
            task.drop_payload()
            raise RunError(reason)

    @property
    def workers(self) -> int:
        """How many processes there are to be."""
        return self._plan.workers

    def pids(self) -> list[int]:
        """Return the process ids of the workers that are ready."""
        with self._lock:
            return [worker.pid for worker in self._dispatcher.workers if worker.pid]

    def fork_server_pid(self) -> int | None:
        """Return the process id that the workers are forked from, None while there is none."""
        with self._lock:
            server = self._dispatcher.server
            return None if server is None else server.pid

    @property
    def broken(self) -> str | None:
        """Why nothing can be submitted any more, None as long as something can."""
        with self._lock:
            return self._dispatcher.broken

    def close(self, *, cancel: bool = False) -> None:
        """End the pool and wait until its processes are gone.

        Waits for all items, or with `cancel` ends them at once: those not begun are cancelled, the
        others' futures raise CancelledError. May be called twice.
        """
        with self._lock:
            self._dispatcher.closing = True
            waiting = [task.future for task in self._dispatcher.queue if not task.claimed]
        if cancel:
            for future in waiting:
                future.cancel()
            with self._lock:
                self._dispatcher.place(time.monotonic())
                self._dispatcher.cancel()
        with self._lock:
            self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(cancel=kind is not None)

    def _wake(self) -> None:
        self._dozing = False
        if self._wake_w >= 0:
            with contextlib.suppress(BlockingIOError):  # it is being woken already
                os.write(self._wake_w, b"\0")

    def _woken(self, _now: float) -> None:
        os.read(self._wake_r, 4096)

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:  # noqa: BLE001 - a waiting future would never end
            with self._lock:
                self._dispatcher.give_up(f"the pool failed: {type(error).__name__}: {error}")
        with self._lock:
            self._dispatcher.tear_down()
            self._selector.close()
            os.close(self._wake_r)
            os.close(self._wake_w)
            self._wake_w = -1
        self._deliver()

    def _turn(self) -> bool:
        """Wait for something to happen, see to it, and tell whether there is more to come."""
        with self._lock:
            asleep_since = time.monotonic()
            wait_s = self._dispatcher.wait_s(asleep_since)
            self._dozing = wait_s is None
        events = self._selector.select(wait_s)
        with self._lock:
            now = time.monotonic()
            # Woken from a doze, whatever began meanwhile began just now.
            late = wait_s is None or now > asleep_since + wait_s + _STOOD_STILL_S
            for key, _ in events:
                key.data(now)
            self._dispatcher.step(now, since=asleep_since if late else now)
            over = self._dispatcher.closing and self._dispatcher.idle
            over = over or self._dispatcher.broken is not None
        self._deliver()
        return not over

    def _deliver(self) -> None:
        """Finish futures, without the lock: their callbacks may submit again."""
        with self._lock:
            settled, self._dispatcher.settled = self._dispatcher.settled, []
        for task, outcome in settled:
            _finish(task.future, outcome)


def _finish(future: Future[Any], outcome: Outcome) -> None:
    result: Any = outcome
    if isinstance(outcome, Frame):
        try:
            result = pickle.loads(outcome.body)  # noqa: S301 - from our own worker
        except Exception as error:  # noqa: BLE001 - unpickling runs code of the caller's types
            future.set_exception(InternalError(f"the answer can not be read: {error}"))
            return
    if isinstance(outcome, Frame) and outcome.kind is Kind.RESULT:
        future.set_result(result)
    else:
        future.set_exception(result)


def _name(function: Callable[..., Any]) -> str:
    """Return the name under which a worker can import the function. Raises UsageError."""
    if not isinstance(function, FunctionType):
        raise UsageError(f"a pool runs a plain function, not {function!r}")
    module, qualified = function.__module__, function.__qualname__
    if module == "__main__":
        raise UsageError(
            f"{qualified}() is defined in the script itself, where workers can not import it:"
            " put it into a module"
        )
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if found is not function:
        raise UsageError(f"{module}.{qualified} can not be imported by that name")
    return f"{module}:{qualified}"
