"""Jobs on one machine: threads of this process that claim jobs, hold them, and end them.

Owns leases and what becomes of a job whose work fails, is canceled, or is interrupted by the end of
the process. What is done for a job is its runner's matter. Any number of processes may do this over
one catalog.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Protocol

from pixmill.errors import InternalError, ItemError, JobStalled, OutputError
from pixmill.store.jobs import Job, Outcome, Progress
from pixmill.telemetry.traces import span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixmill.store.jobs import Event, Jobs

LEASE_S = 30.0
_RENEWALS = 3  # looks, at least, in the time of a lease, whether it is to be renewed
_TELL_EVERY_S = 2.0  # of progress
_LOOK_EVERY_S = 1.0  # for jobs that other processes were given
_HAND_BACK_S = 10.0
_PAUSE_S = 5.0  # where catalog or disk can not be used
_DEFECT = "the job failed by a defect of pixmill, which the service's log tells of"


class Interrupted(Exception):
    """The job is to be left as it stands: it was canceled, or is handed back."""


class Runner(Protocol):
    """Does what a kind of job is for."""

    def run(self, job: Job, hold: Hold) -> Outcome:
        """Do a job, perhaps once more after a process died of it, and tell what came of it.

        It calls `hold.check` now and then, which raises Interrupted. ItemError is the job's
        failure; where OutputError tells that this machine can not do it now, it is handed back.
        """

    def dropped(self, job: Job) -> None:
        """Clear away what was made for a job that came to another end meanwhile."""


class Hold:
    """A job while it is at work."""

    def __init__(self, job: Job, owner: str, lease_s: float) -> None:
        self.job = job
        self.owner = owner
        self._progress = self._told = job.progress
        self._lease_s = lease_s
        self._held_until = time.monotonic() + lease_s
        self._lost = threading.Event()
        self._stopping = threading.Event()

    @property
    def progress(self) -> Progress:
        """How far the job is."""
        return self._progress

    def advance(self, progress: Progress) -> None:
        """Tell how far the job is."""
        self._progress = progress

    def check(self) -> None:
        """Raise Interrupted where the job is to be left."""
        if self.is_lost or self._stopping.is_set():
            raise Interrupted

    @property
    def is_lost(self) -> bool:
        """Whether the job is not ours any more."""
        return self._lost.is_set() or time.monotonic() > self._held_until

    def hand_back(self) -> None:
        """Ask for the job to be left."""
        self._stopping.set()

    @property
    def is_due(self) -> bool:
        """Whether the lease is to be renewed: a quarter of it has gone by, or there is progress."""
        left_s = self._held_until - time.monotonic()
        return self._progress != self._told or left_s < self._lease_s * 0.75

    def renewed(self, told: Progress, *, held: bool) -> None:
        """Take note that the lease was renewed and a progress told, or that the lease is lost."""
        if held:
            self._told = told
            self._held_until = time.monotonic() + self._lease_s
        else:
            self._lost.set()


class Executor:
    """Runs jobs of the kinds that it has runners for, `at_once` of them, from `start` to `stop`.

    With 0 at once it runs those that `take` is called for. `owner` is by what it is known to the
    catalog; `told` is given what an operator should know: a sentence, and the error behind it.
    """

    def __init__(  # noqa: PLR0913  keyword-only, but for who is asked and who does it
        self,
        jobs: Jobs,
        runners: Mapping[str, Runner],
        *,
        at_once: int,
        told: Callable[[str, BaseException], None],
        lease_s: float = LEASE_S,
        owner: str | None = None,
    ) -> None:
        self._jobs = jobs
        self._runners = dict(runners)
        self._told = told
        self._lease_s = lease_s
        self._owner = owner or secrets.token_hex(16)
        self._holds: set[Hold] = set()
        self._changed = threading.Condition()
        self._wakes = 0
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"pixmill-job-{number}", daemon=True)
            for number in range(at_once)
        ]
        self._renewer = threading.Thread(target=self._renew, name="pixmill-lease", daemon=True)

    def start(self) -> None:
        """Begin."""
        for thread in (*self._threads, self._renewer):
            thread.start()

    def wake(self) -> None:
        """Look for jobs now: there is a new one."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def take(self, id_: str) -> None:
        """Run a job, if it waits, in the thread that calls. Raises OutputError."""
        if not self._stopped:
            job = self._jobs.claim_this(id_, self._owner, self._lease_s)
            if job is not None:
                self._hold(job)

    def stop(self, patience_s: float) -> None:
        """Begin no job any more; what is not done after `patience_s` seconds is handed back.

        What hangs even then, in a database that does not answer, is left to its lease's end.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._holds, patience_s)
            for hold in self._holds:
                hold.hand_back()
        until = time.monotonic() + _HAND_BACK_S
        for thread in (*self._threads, self._renewer):
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while not self._stopped:
            wakes = self._wakes
            try:
                job = self._jobs.claim(self._owner, self._lease_s, tuple(self._runners))
            except OutputError as error:
                self._told("jobs can not be claimed", error)
                self._rest(_PAUSE_S)
                continue
            if job is None:
                self._wait_for_more(wakes)
            else:
                self._hold(job)

    def _hold(self, job: Job) -> None:
        hold = Hold(job, self._owner, self._lease_s)
        with self._changed:
            self._holds.add(hold)
        try:
            with span(f"job {job.kind}", job.id, attempt=job.attempts) as told:
                event, outcome = self._run(job, hold)
                told.add(outcome=event)
                if outcome.code is not None:
                    told.fail(outcome.code)
            if event == "release" and not self._stopped:
                self._rest(_PAUSE_S)
        finally:
            with self._changed:
                self._holds.discard(hold)
                self._changed.notify_all()

    def _run(self, job: Job, hold: Hold) -> tuple[Event, Outcome]:
        """Do a job, write down what became of it, and tell that."""
        runner = self._runners[job.kind]
        event: Event = "succeed"
        outcome = Outcome()
        try:
            outcome = runner.run(job, hold)
            event = "fail" if outcome.code else "succeed"
        except Interrupted:
            event = "release"
        except JobStalled as error:
            event, outcome = "stall", Outcome(code=InternalError.code, message=str(error))
        except ItemError as error:
            event, outcome = "fail", Outcome(code=error.code, message=error.message)
        except OutputError as error:
            self._told("a job was handed back", error)
            event = "release"
        except Exception as error:  # noqa: BLE001  whatever it is, its text is for the log alone
            self._told("a job failed by a defect", error)
            event, outcome = "fail", Outcome(code=InternalError.code, message=_DEFECT)
        if not self._ended(job, hold, event, outcome) and self._is_over(job):
            self._drop(runner, job)
        return event, outcome

    def _drop(self, runner: Runner, job: Job) -> None:
        try:
            runner.dropped(job)
        except OutputError as error:
            self._told("what was made for a job that is over can not be cleared away", error)

    def _ended(self, job: Job, hold: Hold, event: Event, outcome: Outcome) -> bool:
        """Write down what became of a job; False where it is not ours any more."""
        while not hold.is_lost:
            try:
                ended = self._jobs.end(job.id, self._owner, event, outcome, hold.progress)
            except OutputError as error:
                self._told("the end of a job can not be written down yet", error)
                if self._stopped:
                    return True  # it is another's when its lease is over
                self._rest(_PAUSE_S)
            else:
                return ended is not None
        return False

    def _is_over(self, job: Job) -> bool:
        """Tell whether nobody else is at a job that is not ours any more."""
        try:
            found = self._jobs.find(job.id)
        except OutputError as error:
            self._told("what became of a job can not be seen", error)
            return False
        return found is None or found.state in {"canceled", "expired"}

    def _renew(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopped and not self._holds,
                    min(_TELL_EVERY_S, self._lease_s / _RENEWALS),
                )
                holds = [hold for hold in self._holds if hold.is_due]
                if self._stopped and not self._holds:
                    return
            for hold in holds:
                progress = hold.progress
                try:
                    held = self._jobs.renew(hold.job.id, self._owner, self._lease_s, progress)
                except OutputError as error:
                    self._told("a lease can not be renewed", error)
                else:
                    hold.renewed(progress, held=held)

    def _wait_for_more(self, wakes: int) -> None:
        """Wait until there may be a job that was not there when there had been so many wakes."""
        with self._changed:
            self._changed.wait_for(lambda: self._wakes != wakes or self._stopped, _LOOK_EVERY_S)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)
