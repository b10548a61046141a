"""How often a key, and an address, may ask: a window of a minute that moves with time.

The windows are kept in memory, so each serving process counts for itself.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from ipaddress import ip_address, ip_network
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from pixmill.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.settings import Settings

_WINDOW_S = 60
_MOST_COUNTED = 100_000  # of a kind in a minute; beyond, whoever came first is counted anew


class Quota(NamedTuple):
    """What is left to somebody: of how many, how many, and seconds until there are more."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Tell it as headers of an answer (draft-ietf-httpapi-ratelimit-headers-03)."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }


def household(address: str) -> str:
    """Return what an address is counted as: of IPv6 the /64, which is one customer's (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped:  # as a socket of both families tells IPv4
        parsed = parsed.ipv4_mapped
    if parsed.version == 4:
        return str(parsed)
    return str(ip_network((int(parsed), 64), strict=False))


class Quotas:
    """Counts requests of keys and addresses, and failed sign-ins of addresses. Thread-safe."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._windows = {
            "key": Window(settings.key_rate, clock),
            "address": Window(settings.address_rate, clock),
            "sign-in": Window(settings.sign_in_rate, clock),
        }

    def spend(self, kind: str, who: str) -> Quota:
        """Count a request of a `kind` ("key", "address"); ApiError 429 beyond the limit."""
        allowed, quota = self._windows[kind].spend(household(who) if kind == "address" else who)
        if not allowed:
            raise _refusal("requests", quota)
        return quota

    def failed_sign_in(self, address: str) -> None:
        """Count a credential that was wrong; ApiError 429 beyond the limit."""
        allowed, quota = self._windows["sign-in"].spend(household(address))
        if not allowed:
            raise _refusal("failed sign-ins", quota)


def _refusal(what: str, quota: Quota) -> ApiError:
    return ApiError(
        429,
        "too_many_requests",
        f"More than {quota.limit} {what} a minute",
        headers={**quota.headers(), "Retry-After": str(quota.reset_s)},
    )


class Window:
    """Counts to a limit in this minute of the clock, and of the last one what is not yet past.

    A count of the last minute weighs as much of itself as that minute still reaches into the
    sixty seconds before now, as if it had come evenly spread.
    """

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._minute = 0
        self._last: OrderedDict[str, int] = OrderedDict()
        self._this: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def spend(self, who: str) -> tuple[bool, Quota]:
        """Count one if that keeps to the limit; tell whether it did, and what is left."""
        with self._lock:
            minute, past_s = divmod(self._clock(), _WINDOW_S)
            self._turn(int(minute))
            last, this = self._last.get(who, 0), self._this.get(who, 0)
            weight = last * (1 - past_s / _WINDOW_S)
            allowed = weight + this < self._limit
            if allowed:
                this += 1
                self._this[who] = this
                if len(self._this) > _MOST_COUNTED:
                    self._this.popitem(last=False)
        left = max(0, self._limit - math.floor(weight + this))
        until_s = _until_less(self._limit - left, last, this, past_s)
        return allowed, Quota(self._limit, left, math.floor(until_s) + 1)

    def _turn(self, minute: int) -> None:
        if minute != self._minute:
            self._last = self._this if minute == self._minute + 1 else OrderedDict()
            self._this = OrderedDict()
            self._minute = minute


def _until_less(count: int, last: int, this: int, past_s: float) -> float:
    """Tell in how many seconds less than `count` is counted, if nothing more comes."""
    if this < count:  # as soon as enough of the last minute is past
        return _WINDOW_S * (1 - (count - this) / last) - past_s
    return _WINDOW_S * (2 - count / this) - past_s  # when this minute is the last one
