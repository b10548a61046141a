"""The analysis with a stopwatch: what a service wants to know of each image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pixmill.analysis.greyed import analyze_greyed
from pixmill.analysis.products import Stopwatch

if TYPE_CHECKING:
    from pixmill.analysis.products import Task


class Timed(NamedTuple):
    """A packed analysis, the seconds that decoding and the rest took, and the grey if wanted."""

    packed: bytes
    decode_s: float
    compute_s: float
    grey: bytes | str | None = None


def analyze_timed(data: memoryview, task: Task) -> Timed:
    """Do as `analyze_greyed`, and tell how long it took."""
    begun, watch = time.perf_counter(), Stopwatch()
    packed, grey = analyze_greyed(data, task, watch)
    return Timed(packed, watch.seconds, time.perf_counter() - begun - watch.seconds, grey)
