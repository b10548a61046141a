"""A service with a broker: workers told what waits, and what its queues held a short time ago.

Nobody who asks how the cluster stands waits for the broker, which may hang.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixmill.jobs.extra import needing_celery
from pixmill.jobs.patience import Sparingly
from pixmill.jobs.relay import LOOK_EVERY_S, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pixmill.jobs.relay import Look
    from pixmill.settings import Settings
    from pixmill.store import Catalog
    from pixmill.web.access import Log

_KNOWN_S = 3 * LOOK_EVERY_S


class Watch:
    """Remembers the last look at the broker; any thread. `clock` tells seconds from any start."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, Mapping[str, int] | None] = (clock(), None)

    def saw(self, look: Look) -> None:
        """Take note of a look."""
        self._last = (self._clock(), look.queues)

    def queues(self) -> Mapping[str, int] | None:
        """Tell how many messages wait in each queue; None where that is not known any more."""
        seen_at, queues = self._last
        return queues if self._clock() - seen_at < _KNOWN_S else None


@contextmanager
def workers_told(
    settings: Settings, catalog: Catalog, log: Log, seen: Sequence[Callable[[Look], None]]
) -> Iterator[Callable[[], None]]:
    """Tell the workers of a cluster what waits; gives what tells of something new.

    Each of `seen` is given how the cluster stands, now and then.
    """
    with needing_celery():
        from pixmill.jobs.cluster import Broker, make_app  # noqa: PLC0415

    def look(found: Look) -> None:
        for each in seen:
            each(found)

    broker = Broker(make_app(settings.broker or ""))
    relay = Relay(catalog, broker, lease_s=settings.job_lease, told=Sparingly(log.error), seen=look)
    relay.start()
    try:
        yield relay.wake
    finally:
        relay.stop()
