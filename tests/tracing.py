"""Lets threads that begin at once all have coverage.

Python 3.11 lets only one at a time install its trace function; another one fails, and ends before
it has done anything. Here it tries again.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

_TRIES = 1000


class _PatientSys:
    """`sys` as `threading` uses it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    def settrace(self, function: Any) -> None:
        """Install a trace function, as soon as no other thread does."""
        for _ in range(_TRIES):
            try:
                sys.settrace(function)
            except RuntimeError:
                time.sleep(0.001)
            else:
                return
        sys.settrace(function)


def trace_patiently() -> None:
    """Do so from now on, where this Python needs it."""
    if sys.version_info < (3, 12):
        threading._sys = _PatientSys()
