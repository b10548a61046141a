"""What an attempt to tell the end of a job came to, and when the next one is due. Pure.

At most MAX_ATTEMPTS, the waits between them growing from a quarter of a minute to most of a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixmill.errors import BlockedAddress, InvalidUrl, ItemError
from pixmill.fetch.retry import MAX_RETRY_AFTER_S

if TYPE_CHECKING:
    from random import Random

MAX_ATTEMPTS = 8
FIRST_WAIT_S = 15.0
GROWTH = 4.0  # 15 s, 1 min, 4 min, 16 min, 64 min, 4 h 16 min, 17 h
JITTER = 0.2
_GONE = 410


class Verdict(NamedTuple):
    """Whether an end was heard; if not, in how many seconds to tell it again, None for never."""

    delivered: bool
    again_s: float | None = None


def verdict_on_answer(
    http_status: int, retry_after_s: float | None, attempts: int, rng: Random
) -> Verdict:
    """Judge an answer to the attempt number `attempts`: success is 2xx, and 410 the last word."""
    if 200 <= http_status <= 299:
        return Verdict(delivered=True)
    if http_status == _GONE:
        return Verdict(delivered=False)
    return Verdict(delivered=False, again_s=_wait_s(attempts, retry_after_s, rng))


def verdict_on_failure(error: ItemError, attempts: int, rng: Random) -> Verdict:
    """Judge an attempt without an answer; what may never be asked is not tried again."""
    if isinstance(error, BlockedAddress | InvalidUrl):
        return Verdict(delivered=False)
    return Verdict(delivered=False, again_s=_wait_s(attempts, None, rng))


def _wait_s(attempts: int, asked_s: float | None, rng: Random) -> float | None:
    """Wait as long as the receiver asks for, and no shorter than backing off takes."""
    if attempts >= MAX_ATTEMPTS:
        return None
    backoff_s = FIRST_WAIT_S * GROWTH ** (attempts - 1) * rng.uniform(1 - JITTER, 1 + JITTER)
    return max(backoff_s, min(asked_s or 0.0, MAX_RETRY_AFTER_S))
