"""How the permits of a server are shared: who may have how many of them, decided from who has them.

Where there are as many permits as owners, each has an equal part. Where there are fewer, each
granted one has it for a turn; then it is that owner's who has waited longest. What an owner loses
may be in use: it is counted as its until it has told that it is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


class Holding(NamedTuple):
    """What an owner has of a server: so many are `granted`, and so many counted as its.

    It has had the granted ones, or has waited for one, `since` then.
    """

    owner: str
    permits: int
    granted: int
    since: datetime


class Terms(NamedTuple):
    """How many permits a server has, how long one is had while others wait, and the time."""

    limit: int
    turn: timedelta
    now: datetime


def renewed(mine: Holding, others: Sequence[Holding], used: int, terms: Terms) -> Holding:
    """Give what an owner has from now on, who has so many in use."""
    part = _part(mine, others, terms)
    left = terms.limit - sum(other.permits for other in others)
    granted = max(0, min(part, left))
    goes_on = bool(granted) == bool(mine.granted)
    since = mine.since if goes_on else terms.now
    return Holding(mine.owner, max(used, granted), granted, since)


def _part(mine: Holding, others: Sequence[Holding], terms: Terms) -> int:
    """Give an owner's part, were all others to keep to theirs."""
    all_of_them = [mine, *others]
    part, rest = divmod(terms.limit, len(all_of_them))
    if part:
        order = sorted(all_of_them, key=lambda holding: holding.owner)
    else:
        order = sorted(all_of_them, key=lambda holding: _place(holding, terms))
    return part + (order.index(mine) < rest)


def _place(holding: Holding, terms: Terms) -> tuple[int, float, str]:
    """Tell the place in the order of those who have a turn: first who is in the middle of one.

    Then who waits, the longest first; and last those whose turn is over, the longest last.
    """
    since_s = (holding.since - terms.now).total_seconds()
    if not holding.granted:
        return 1, since_s, holding.owner
    is_over = holding.since + terms.turn <= terms.now
    return (2, -since_s, holding.owner) if is_over else (0, since_s, holding.owner)
