"""The analysis with a stopwatch: what a service wants to know of each image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pixmill.analysis.packing import pack
from pixmill.analysis.products import Stopwatch, analyze

if TYPE_CHECKING:
    from pixmill.analysis.products import Task


class Timed(NamedTuple):
    """A packed analysis, and the seconds that decoding and all the rest took."""

    packed: bytes
    decode_s: float
    compute_s: float


def analyze_timed(data: memoryview, task: Task) -> Timed:
    """Do as `analyze_packed`, and tell how long it took."""
    begun, watch = time.perf_counter(), Stopwatch()
    packed = pack(analyze(data, task, watch))
    return Timed(packed, watch.seconds, time.perf_counter() - begun - watch.seconds)
