"""Which task goes to which worker, and what a worker's death means for its tasks.

Owns the queue, the workers and the reservation of memory. Leaves threads, locks and futures'
callbacks to `Pool`; every method here is called with the pool's lock held. Finished tasks gather in
`settled`.

Memory: while a worker has tasks, the largest cost among them is reserved; the sum never exceeds the
capacity. A task usually costs one share (capacity / workers), so all workers may be busy. One that
needs more costs what it needs and waits at the head of the queue until that much is free, so it can
not starve.
"""

from __future__ import annotations

import contextlib
import functools
import selectors
import signal
from collections import deque
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from pixmill.errors import DecoderCrashed, DecoderTimeout, InternalError, RunError
from pixmill.pool.process import ForkServer, Worker
from pixmill.pool.wire import Frame, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.pool.plan import Plan
    from pixmill.pool.task import Task

_KILLS_UNTIL_ALONE = 2
_KILLS_UNTIL_BLAMED = 3
_EARLY_DEATH_S = 5.0
_BACKOFF_S = 0.05
_TICK_S = 1.0

Outcome = Frame | BaseException


class Dispatcher:
    """The queue and the workers."""

    def __init__(self, plan: Plan, selector: selectors.BaseSelector) -> None:
        self.plan = plan
        self.settled: list[tuple[Task, Outcome]] = []
        self.broken: str | None = None
        self.closing = False
        self.server: ForkServer | None = None
        self.workers: list[Worker] = []
        self.queue: deque[Task] = deque()
        self._selector = selector
        self._tokens = 0
        self._early_deaths = 0
        self._start_after = 0.0

    @property
    def idle(self) -> bool:
        """Whether no task is queued or held by a worker."""
        return not self.queue and not any(worker.tasks for worker in self.workers)

    def step(self, now: float, since: float) -> None:
        """Do what is due.

        The time from `since` to `now`, in which this process and so likely its workers did not run
        (Ctrl-Z, a busy host), is not counted against tasks.
        """
        for worker in list(self.workers):
            worker.began = now - max(0.0, since - worker.began)
            if worker.tasks and worker.ready and now >= worker.began + self.plan.item_timeout_s:
                worker.condemned = worker.tasks[0]
                worker.kill()
        if self.broken is None:
            self._fill(now)
            self.place(now)

    def wait_s(self, now: float) -> float | None:
        """Return how long nothing will be due; None: until something happens."""
        due = [w.began + self.plan.item_timeout_s for w in self.workers if w.tasks and w.ready]
        if len(self.workers) < self.plan.workers and not (self.closing and not self.queue):
            due.append(self._start_after)
        if not due:
            return None
        return max(0.0, min(min(due) - now, _TICK_S, self.plan.item_timeout_s))

    def place(self, now: float) -> None:
        """Hand out as many tasks as can be, first come, first served."""
        while self.queue:
            task = self.queue[0]
            worker = self._worker_for(task)
            if worker is None and not task.future.cancelled():
                return
            self.queue.popleft()
            if worker is not None and self._claim(task):
                self._assign(worker, task, now)
            else:  # cancelled
                task.drop_payload()
        self._spread(now)

    def _assign(self, worker: Worker, task: Task, now: float) -> None:
        try:
            worker.assign(task, 0 if self.plan.budget_bytes is None else task.cost_bytes, now)
        except OSError as error:  # the system is short of something
            self._settle(task, InternalError(f"the payload can not be passed on: {error}"))

    def _claim(self, task: Task) -> bool:
        task.claimed = task.claimed or task.future.set_running_or_notify_cancel()
        return task.claimed

    def _worker_for(self, task: Task) -> Worker | None:
        free = self.plan.capacity - sum(worker.reserved_bytes for worker in self.workers)
        ready = [worker for worker in self.workers if worker.ready]
        idle = [worker for worker in ready if not worker.tasks]
        if task.fresh_only:
            self._make_fresh(idle)
            idle = [worker for worker in idle if not worker.answered and worker.ready]
        if idle and task.cost_bytes <= free:
            return idle[0]
        if task.solo or idle:
            return None
        return next((w for w in ready if len(w.tasks) == 1 and not w.tasks[0].solo), None)

    def _make_fresh(self, idle: list[Worker]) -> None:
        coming = any(not worker.answered and not worker.leaving for worker in self.workers)
        if idle and not coming:
            idle[0].retire()

    def _spread(self, now: float) -> None:
        """Let idle workers take over what waits behind others' work."""
        idle = [worker for worker in self.workers if worker.ready and not worker.tasks]
        for donor in [worker for worker in self.workers if len(worker.tasks) > 1]:
            free = self.plan.capacity - sum(worker.reserved_bytes for worker in self.workers)
            if not idle or free < self.plan.share:
                return
            if task := donor.take_back(now):
                self._assign(idle.pop(), task, now)

    def hear_worker(self, worker: Worker, now: float) -> None:
        """Read what a worker wrote."""
        for frame in worker.reader.read():
            if frame.kind is Kind.READY:
                worker.pid = frame.number
                worker.let_go_of_answers()
            elif frame.kind is Kind.RETIRING:
                worker.leaving = True
            elif task := worker.remove(frame.number, now):
                self._hear_answer(worker, task, frame)
        if worker.reader.ended:
            self._selector.unregister(worker.answers)
            if worker.exit_code is None and worker.server.alive:
                worker.kill()  # it may have closed its descriptors without ending
            else:
                self._bury(worker, now)

    def _hear_answer(self, worker: Worker, task: Task, frame: Frame) -> None:
        worker.answered += 1
        self._early_deaths = 0
        if frame.kind is Kind.HANDED_BACK:
            worker.leaving = True
            task.fresh_only = True
            self.queue.appendleft(task)
        else:
            self._settle(task, frame)

    def hear_server(self, server: ForkServer, now: float) -> None:
        """Read what the fork server wrote."""
        for frame in server.reader.read():
            if frame.kind is Kind.BROKEN:
                self.give_up(
                    f"the analysis can not be loaded: {frame.body.decode(errors='replace')}"
                )
            for worker in [worker for worker in self.workers if worker.token == frame.number]:
                worker.exit_code = frame.value
                self._after_exit(worker, now)
        if server.reader.ended:
            self._selector.unregister(server.fileno())
            server.close()
            self.server = None
            for worker in [worker for worker in self.workers if worker.server is server]:
                worker.kill()
                self._after_exit(worker, now)

    def _after_exit(self, worker: Worker, now: float) -> None:
        worker.let_go_of_answers()
        if worker.reader.ended:
            self._bury(worker, now)

    def _bury(self, worker: Worker, now: float) -> None:
        again = []
        while task := worker.take_back(now):
            again.append(task)
        begun, worker.tasks = worker.tasks, []
        for task in begun:
            error = self._verdict(worker, task)
            if error is None:
                again.append(task)
            else:
                self._settle(task, error)
        self.queue.extendleft(sorted(again, key=lambda task: -task.number))
        if not begun and not worker.answered and now < worker.started + _EARLY_DEATH_S:
            self._note_early_death(worker, now)
        self.workers.remove(worker)
        worker.close()

    def _verdict(self, worker: Worker, task: Task) -> Exception | None:
        """Return why the task a worker died on failed; None: it goes again."""
        if worker.condemned is task:
            return DecoderTimeout(f"decoding took longer than {self.plan.item_timeout_s:g} s")
        if worker.condemned is not None:
            return None
        if worker.exit_code not in {None, -signal.SIGKILL}:
            return DecoderCrashed(f"the decoding process died: {_cause(worker.exit_code)}")
        task.kills += 1
        if task.kills >= _KILLS_UNTIL_BLAMED:
            return DecoderCrashed(
                f"the decoding process was killed {task.kills} times,"
                " also with no other image at work"
            )
        if task.kills == _KILLS_UNTIL_ALONE:
            task.cost_bytes = self.plan.capacity
        return None

    def _note_early_death(self, worker: Worker, now: float) -> None:
        self._early_deaths += 1
        self._start_after = now + _BACKOFF_S * self._early_deaths
        if self._early_deaths >= 5 + 2 * self.plan.workers:
            self.give_up(
                "decoding processes die as soon as they are started"
                f" (the last one: {_cause(worker.exit_code)})"
            )

    def _fill(self, now: float) -> None:
        if now < self._start_after or (self.closing and not self.queue):
            return
        while len(self.workers) < self.plan.workers:
            if self.server is None:
                self.server = self._start_server()
            self._tokens += 1
            worker = Worker(self._tokens, self.server, self.plan.slot_bytes, now)
            self.workers.append(worker)
            self._listen(worker.answers, functools.partial(self.hear_worker, worker))

    def _start_server(self) -> ForkServer:
        plan = self.plan
        server = ForkServer(plan.function_name, plan.preload, plan.slot_bytes)
        self._listen(server.fileno(), functools.partial(self.hear_server, server))
        return server

    def _listen(self, descriptor: int, heard: Callable[[float], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, heard)

    def give_up(self, reason: str) -> None:
        """End every task with a RunError and start nothing any more."""
        self.broken = reason
        self._settle_all(lambda: RunError(reason))

    def cancel(self) -> None:
        """End every task with a CancelledError."""
        self._settle_all(CancelledError)

    def _settle_all(self, make: Callable[[], BaseException]) -> None:
        tasks = list(self.queue)
        self.queue.clear()
        for worker in self.workers:
            tasks += worker.tasks
            worker.tasks = []
        for task in tasks:
            self._settle(task, make())

    def _settle(self, task: Task, outcome: Outcome) -> None:
        task.drop_payload()
        self.settled.append((task, outcome))

    def tear_down(self) -> None:
        """End all processes and close all descriptors."""
        for worker in self.workers:
            worker.close()
        self.workers.clear()
        if self.server is not None:
            self.server.close()
            self.server = None


def _cause(exit_code: int | None) -> str:
    if exit_code is None:
        return "its end was not seen"
    if exit_code >= 0:
        return f"it ended with exit status {exit_code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-exit_code).name
    return f"signal {-exit_code}"
