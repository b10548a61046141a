"""Time that runs as fast as one is served, for those who share a server with others.

With half of the turns at a server all takes twice as long; with none nothing goes on at all. To
wait for others is no fault of the server, so what is a long time is told by this one.
"""

from __future__ import annotations


class FairTime:
    """Seconds by a clock that is made to run slower: at a pace from 1, as it does, to 0."""

    def __init__(self) -> None:
        self.pace = 1.0
        self._seconds = 0.0
        self._paced_at = 0.0

    def at(self, now: float) -> float:
        """Tell the time when the other clock shows `now`."""
        return self._seconds + (now - self._paced_at) * self.pace

    def run(self, now: float, pace: float) -> None:
        """Run at another pace from now on."""
        if pace != self.pace:
            self._seconds, self._paced_at, self.pace = self.at(now), now, pace
