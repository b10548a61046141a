"""What the worker processes of a service do: whatever is ordered of an image."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.analysis.products import Task
from pixmill.analysis.rendering import Made, RenderTask, make
from pixmill.analysis.timing import Timed, analyze_timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

Order = Task | RenderTask
Answer = Timed | Made


def work(data: memoryview, order: Order) -> Answer:
    """Analyze an image, or make another of it."""
    return make(data, order) if isinstance(order, RenderTask) else analyze_timed(data, order)


@contextmanager
def taken(future: Future[Any]) -> Iterator[None]:
    """Delete the file that comes with an answer, if nobody takes it: who asked has left."""
    try:
        yield
    except BaseException:
        future.add_done_callback(_drop)
        raise


def _drop(future: Future[Any]) -> None:
    if future.cancelled() or future.exception() is not None:
        return
    answer = future.result()
    file = answer.content if isinstance(answer, Made) else getattr(answer, "grey", None)
    if isinstance(file, str):
        with suppress(OSError):
            Path(file).unlink(missing_ok=True)
