"""For how long an answer may stand in for a new one: HTTP caching (RFC 9111), as a private cache.

Pure: headers and a time in, seconds out. Headers come as a mapping with lower-case names, where
those sent several times are joined by commas. No heuristics: an answer without max-age or Expires
is stale at once, and worth keeping only for its validators.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_S = 2**31  # RFC 9111, section 1.2.2: what a cache takes any larger number for
_DIRECTIVE = re.compile(r'([\w-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,;]+)))?')


def is_storable(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer may be kept at all (RFC 9111, sections 3 and 4.1)."""
    return "no-store" not in _directives(headers) and "*" not in _varies_by(headers)


def lifetime_s(headers: Mapping[str, str], now: float) -> float:
    """Return for how many seconds from `now` (Unix time) an answer is fresh.

    0 or less: it is stale. RFC 9111, sections 4.2.1 and 4.2.3, with `now` as the response's time.
    """
    directives = _directives(headers)
    # All requests are alike but for the User-Agent, which may be another one in the next run.
    if {"no-cache", "no-store"} & directives.keys() or "user-agent" in _varies_by(headers):
        return 0.0
    date = _unix_time(headers.get("date"))
    age = max(_seconds(headers.get("age")), 0.0 if date is None else now - date)
    if "max-age" in directives:
        return _seconds(directives["max-age"]) - age
    expires = _unix_time(headers.get("expires"))
    if expires is None:  # absent, or no date, which section 5.3 reads as expired
        return 0.0
    return min(expires - (now if date is None else date), _MOST_S) - age


def _directives(headers: Mapping[str, str]) -> dict[str, str]:
    """Parse Cache-Control (section 5.2): lower-case names, quotes removed, the first one counts."""
    found: dict[str, str] = {}
    for name, quoted, plain in _DIRECTIVE.findall(headers.get("cache-control", "")):
        found.setdefault(name.lower(), quoted or plain)
    return found


def _varies_by(headers: Mapping[str, str]) -> set[str]:
    return {name.strip().lower() for name in headers.get("vary", "").split(",")}


def _seconds(text: str | None) -> float:
    """Read delta-seconds, the first of a list; what is none counts as 0."""
    first = (text or "").partition(",")[0].strip()
    return min(float(first), _MOST_S) if first.isascii() and first.isdecimal() else 0.0


def _unix_time(text: str | None) -> float | None:
    """Read a date; one without a time zone is in UTC, as all HTTP dates are (RFC 9110, 5.6.7)."""
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):  # no date
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
