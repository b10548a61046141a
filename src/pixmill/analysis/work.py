"""What the worker processes of a service do: whatever is ordered of an image."""

from __future__ import annotations

from pixmill.analysis.products import Task
from pixmill.analysis.rendering import Made, RenderTask, make
from pixmill.analysis.timing import Timed, analyze_timed

Order = Task | RenderTask
Answer = Timed | Made


def work(data: memoryview, order: Order) -> Answer:
    """Analyze an image, or make another of it."""
    return make(data, order) if isinstance(order, RenderTask) else analyze_timed(data, order)
