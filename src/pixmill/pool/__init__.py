"""Isolated worker processes: a memory cap, a wall clock, replaced when they die.

Owns running one function on many payloads so that whatever happens to a process costs one item at
most. Knows nothing of images. Leaves bounding what is submitted to the caller: the queue has no
limit here.

Isolation is against defects, not against intent: a decoder that is taken over by an attacker runs
with the user's rights, and its answers are unpickled by the parent.
"""

from __future__ import annotations

from pixmill.pool.memory import SLACK_BYTES
from pixmill.pool.pool import Pool

__all__ = ["SLACK_BYTES", "Pool"]
