"""One item on its way through the pool, and how its payload is held.

Owns the choice between shared memory and a file. Leaves where and when the item runs to `dispatch`.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pixmill.errors import OutputError, UsageError

if TYPE_CHECKING:
    from pixmill.pool.plan import Plan


class HasFileno(Protocol):
    """A file that the operating system knows."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...


Payload = bytes | bytearray | memoryview | HasFileno


@dataclass(slots=True, eq=False)
class Task:
    """One item on its way through the pool.

    The payload is `data`, or the file behind `descriptor`, which is the task's own.
    `cost_bytes` is the memory reserved while it runs. `kills` counts the times a worker was killed
    from outside while working on it; `fresh_only` asks for a worker that has done nothing yet.
    """

    future: Future[Any]
    argument: bytes
    data: memoryview | None
    descriptor: int
    payload_bytes: int
    need_bytes: int
    cost_bytes: int
    big: bool = False
    number: int = 0
    kills: int = 0
    fresh_only: bool = False
    claimed: bool = False
    slot: int = 0

    @property
    def solo(self) -> bool:
        """Whether nothing else may lie in the same worker."""
        return self.big or self.fresh_only or self.kills > 1

    def drop_payload(self) -> None:
        """Let go of the payload; the task is over."""
        self.data = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def make_task(payload: Payload, argument: object, need_bytes: int, plan: Plan) -> Task:
    """Return a task that is not yet numbered, for `Pool.submit`, which says what is raised."""
    if need_bytes < 0:
        raise UsageError("no item needs less than no memory")
    cost = plan.cost(need_bytes)
    pickled = pickle.dumps(argument, pickle.HIGHEST_PROTOCOL)
    if len(pickled) > plan.slot_bytes:
        raise UsageError("the argument of an item is larger than a slot of the pool")
    data, descriptor, size = _held(payload)
    task = Task(Future(), pickled, data, descriptor, size, need_bytes, cost, big=cost > plan.share)
    if data is not None and size + len(pickled) > plan.slot_bytes:
        _spill(task, data)
    return task


def _held(payload: Payload) -> tuple[memoryview | None, int, int]:
    if isinstance(payload, (bytes, bytearray, memoryview)):
        data = memoryview(payload).cast("B")
        return data, -1, len(data)
    if flush := getattr(payload, "flush", None):
        flush()
    descriptor = os.dup(payload.fileno())
    return None, descriptor, os.fstat(descriptor).st_size


def _spill(task: Task, data: memoryview) -> None:
    """Move a payload that is too large for a slot to a file without a name."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            task.descriptor = os.dup(file.fileno())
    except OSError as error:
        raise OutputError(f"can not write a temporary file: {error}") from error
    task.data = None
