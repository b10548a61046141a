"""A kill at any step that touches the file system, without the cost of a process for each.

An audit hook sees every open, rename, removal, truncation and folder made or removed before it
happens. From the chosen step on it lets none of them happen, so that what stands on the disk
afterwards is what a killed process leaves, whatever handlers run on the way out. An open that
empties a file is two steps: before it, and after it with nothing written yet.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STEPS = {"open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir"}


class Killed(BaseException):
    """The process would be dead by now."""


class Killer:
    """Counts the steps under `folder`, and from step `at` on raises Killed instead of each."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._at: int | None = None
        self.steps = 0
        sys.addaudithook(self._hook)

    @contextmanager
    def watching(self, folder: Path, at: int | None):
        self._folder, self._at, self.steps = str(folder), at, 0
        try:
            yield self
        finally:
            self._folder = None

    def step(self) -> None:
        """Count a step of the caller's own, such as a row written."""
        self.steps += 1
        if self._at is not None and self.steps > self._at:
            raise Killed

    def _hook(self, event: str, arguments: tuple) -> None:
        if self._folder is not None and event in _STEPS:
            path = arguments[0]
            if isinstance(path, int) or str(path).startswith(self._folder):
                self.step()
                if event == "open" and arguments[2] & os.O_TRUNC:
                    self._step_after_emptying(path)

    def _step_after_emptying(self, path: str) -> None:
        if self.steps == self._at:
            folder, self._folder = self._folder, None
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666))
            self._folder = folder
        self.step()
