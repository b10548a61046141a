"""When a run speaks, and how a signal stops it; what it says is `voice.py`'s."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from pixmill.cli.voice import TextVoice

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pixmill.batch.job import Stoppable
    from pixmill.batch.progress import Progress
    from pixmill.cli.voice import Voice
    from pixmill.record import Record

    Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

_FAILURES_AT_ONCE = 100
_LINE_EVERY_S = 10.0
_BAR_EVERY_S = 0.1
_SECOND_STAGE: dict[int, Handler] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class RunWatcher:
    """Watches a run for a command: speaks of failures and progress, lets Ctrl-C stop it in order.

    A context manager. The first SIGINT or SIGTERM stops the run, the second ends it at once
    (KeyboardInterrupt, or death by SIGTERM); handlers are restored at the end. A signal that the
    process was started to ignore stays ignored, and outside the main thread, where Python allows no
    handlers, signals are left to the program around. `verbosity` 1 tells each failure at once, 2
    with its traceback; 0 every hundred of them. A `note` is said when a run starts, if one does.
    """

    def __init__(
        self,
        voice: Voice,
        verbosity: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        note: str | None = None,
    ) -> None:
        self._voice = voice
        self._verbosity = verbosity
        self._clock = clock
        self._note = note
        self._untold: list[Record] = []
        self._next_progress = 0.0
        self._progress: Progress | None = None
        self._run: Stoppable | None = None
        self._handlers: dict[int, Handler] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SECOND_STAGE:
                handler = signal.getsignal(number)
                if handler not in {signal.SIG_IGN, None}:  # None: not set from Python
                    signal.signal(number, self._stop)
                    self._handlers[number] = handler
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        try:
            self.tell_failures()
        finally:
            self._voice.close()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        for each in self._handlers:
            signal.signal(each, _SECOND_STAGE[each])
        if self._run is None:
            raise KeyboardInterrupt
        self._run.stop()

    def started(self, run: Stoppable, progress: Progress, resumed_line: int) -> None:
        """Remember the run, and say where it goes on."""
        self._run, self._progress = run, progress
        self._next_progress = self._clock() + self._every_s()
        if self._note is not None:
            self._voice.say("note", self._note)
        if resumed_line:
            self._voice.say("resumed", f"going on after line {resumed_line:,}", line=resumed_line)

    def seen(self, record: Record) -> None:
        """Speak of a record, where it is worth it."""
        if record.failure is not None:
            self._untold.append(record)
            if self._verbosity or len(self._untold) >= _FAILURES_AT_ONCE:
                self.tell_failures()
        self.tick()

    def tick(self) -> None:
        """Speak of progress, where it is time."""
        if self._progress is not None and self._clock() >= self._next_progress:
            self._voice.progress(self._progress)
            self._next_progress = self._clock() + self._every_s()

    def _every_s(self) -> float:
        live = isinstance(self._voice, TextVoice) and sys.stderr.isatty()
        return _BAR_EVERY_S if live else _LINE_EVERY_S

    def tell_failures(self) -> None:
        """Speak of the failures that wait."""
        for record in self._untold:
            self._voice.failure(record, traceback=self._verbosity > 1)
        self._untold.clear()
