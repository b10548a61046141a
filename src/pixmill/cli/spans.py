"""Spans of time as they are typed: 90s, 30m, 12h, 7d."""

from __future__ import annotations

import re

from pixmill.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,9})([smhd])")


def seconds_of(span: str, flag: str) -> int:
    """Read a span; UsageError, which names the flag, for what is none."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise UsageError(f"{flag} is a number of s, m, h or d, as 12h, not {span[:40]!a}")
    return int(found[1]) * _UNITS[found[2]]
