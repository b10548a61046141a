"""The parent's ends of the fork server and of one worker.

Owns descriptors, shared slots and what is known of each process. Leaves deciding (which item goes
where, what a death means) to `dispatch`. Nothing here locks: callers hold the pool's lock.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.pool.forkserver import LEFT_TO_PARENT
from pixmill.pool.wire import ORDER_BYTES, FrameReader, Kind, Order, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.pool.task import Task

_BOOT = """\
import json, sys
boot = json.loads(sys.argv[1])
sys.path[:] = boot.pop("path")
from pixmill.pool.forkserver import main
main(**boot)
"""


class ForkServer:
    """A running fork server process."""

    def __init__(self, function_name: str, preload: Sequence[str], slot_bytes: int) -> None:
        self._control, theirs = socket.socketpair()
        boot = {
            "path": [entry for entry in sys.path if isinstance(entry, str)],
            "control_fd": theirs.fileno(),
            "function_name": function_name,
            "preload": list(preload),
            "slot_bytes": slot_bytes,
        }
        with theirs:
            self._process = _start(boot, theirs.fileno())
        self.reader = FrameReader(self._control.fileno())
        self.alive = True

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor on which frames arrive."""
        return self._control.fileno()

    def ask(self, request: Request, descriptors: Sequence[int] = ()) -> None:
        """Send a request; a server that is gone is noticed when reading."""
        try:
            socket.send_fds(self._control, [request.pack()], descriptors)
        except (BrokenPipeError, ConnectionResetError):
            self.alive = False

    def close(self) -> None:
        """End the process, and with it every worker it started."""
        self.alive = False
        self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it hangs in an import
            self._process.kill()
            self._process.wait()


def _start(boot: dict[str, Any], descriptor: int) -> subprocess.Popen[bytes]:
    """Start the interpreter with the signals blocked that it will ignore once it can.

    One thread a process: as many workers as cores already keep the machine busy.
    """
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_PARENT)
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-c", _BOOT, json.dumps(boot)],
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            env=one_thread | os.environ,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Worker:
    """A worker process, from the request to start it until its burial.

    `tasks[0]` is the one it works on, `tasks[1]` already lies in its other slot. The parent keeps
    the worker's end of the socket for orders too: whoever receives an order first has it, so an
    order that the worker has not begun can be taken back, also from a dead one.
    """

    def __init__(self, token: int, server: ForkServer, slot_bytes: int, now: float) -> None:
        self.token = token
        self.server = server
        self.pid = 0
        self.tasks: list[Task] = []
        self.began = now
        self.started = now
        self.answered = 0
        self.condemned: Task | None = None
        self.leaving = False
        self.exit_code: int | None = None
        self._slot_bytes = slot_bytes
        self._orders, self._orders_end = socket.socketpair()
        self.answers, self._answers_end = os.pipe()
        os.set_blocking(self.answers, False)
        self.reader = FrameReader(self.answers)
        slots = _anonymous_file(2 * slot_bytes)
        try:
            self._slots = mmap.mmap(slots, 2 * slot_bytes)
            ends = [self._orders_end.fileno(), self._answers_end, slots]
            server.ask(Request(Kind.START, token), ends)
        finally:
            os.close(slots)

    @property
    def ready(self) -> bool:
        """Whether it may be given a task that another worker could take as well."""
        return bool(self.pid) and not self.leaving and self.condemned is None

    @property
    def reserved_bytes(self) -> int:
        """The memory set aside for it."""
        return max((task.cost_bytes for task in self.tasks), default=0)

    def let_go_of_answers(self) -> None:
        """Close the worker's end, so that its death shows as the end of its answers.

        Not before it is known to have received it: some kernels lose a descriptor that is under
        way.
        """
        if self._answers_end >= 0:
            os.close(self._answers_end)
            self._answers_end = -1

    def assign(self, task: Task, grant_bytes: int, now: float) -> None:
        """Put a task into the free slot and tell the worker."""
        task.slot = 1 if any(other.slot == 0 for other in self.tasks) else 0
        place = task.slot * self._slot_bytes
        if task.data is not None:
            self._slots[place : place + task.payload_bytes] = task.data
            place += task.payload_bytes
        self._slots[place : place + len(task.argument)] = task.argument
        order = Order(
            task.number,
            task.slot,
            task.payload_bytes,
            len(task.argument),
            task.need_bytes,
            grant_bytes,
            task.big,
        )
        descriptors = [task.descriptor] if task.data is None else []
        socket.send_fds(self._orders, [order.pack()], descriptors)
        self.tasks.append(task)
        if len(self.tasks) == 1:
            self.began = now

    def take_back(self, now: float) -> Task | None:
        """Take back the oldest order that the worker has not begun, if there is one."""
        try:
            raw = self._orders_end.recv(ORDER_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        return self.remove(Order.unpack(raw).number, now) if raw else None

    def remove(self, number: int, now: float) -> Task | None:
        """Remove and return a task; the next one, if there is one, begins now."""
        for place, task in enumerate(self.tasks):
            if task.number == number:
                if place == 0:
                    self.began = now
                return self.tasks.pop(place)
        return None

    def kill(self) -> None:
        """End the process by SIGKILL."""
        if self.server.alive:
            self.server.ask(Request(Kind.KILL, self.token))
        elif self.pid and sys.platform != "linux":  # there the kernel ends it with its server
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def retire(self) -> None:
        """Give it no more orders; it ends when it has done those it has."""
        self.leaving = True
        self._orders.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close all descriptors."""
        self.let_go_of_answers()
        os.close(self.answers)
        self._orders.close()
        self._orders_end.close()
        self._slots.close()


def _anonymous_file(size: int) -> int:
    """Make memory that can be shared by its descriptor and has no name to be left behind."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("pixmill-slots", os.MFD_CLOEXEC)
    else:
        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
    os.ftruncate(descriptor, size)
    return descriptor
