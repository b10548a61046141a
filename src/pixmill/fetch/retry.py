"""How long to wait before asking again. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 10.0
MAX_RETRY_AFTER_S = 86_400.0


def backoff_s(failed_attempts: int, rng: Random) -> float:
    """Seconds to wait after the given number of failed attempts (at least 1).

    Doubles up to a cap, with full jitter: uniform between 0 and that time, so that those who failed
    together do not come back together (Brooker, "Exponential Backoff And Jitter", AWS, 2015).
    """
    ceiling = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failed_attempts - 1, 16))
    return rng.random() * ceiling


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), None where it is none.

    `now_s` is the time of day in seconds since 1970, for the form that is a date; a date gone by is
    0.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(MAX_RETRY_AFTER_S, float(value[:32]))
    try:
        until_s = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(MAX_RETRY_AFTER_S, max(0.0, until_s - now_s))
