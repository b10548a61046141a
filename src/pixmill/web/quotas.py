"""How often a key, and an address, may ask: a window of a minute that moves with time.

The windows are kept in memory, so each serving process counts for itself.
"""

from __future__ import annotations

import math
import time
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from pixmill.web.errors import ApiError

if TYPE_CHECKING:
    from pixmill.settings import Settings


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

    def __init__(self, settings: Settings) -> None:
        self._windows = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._items = {
            "key": RateLimitItemPerMinute(settings.key_rate),
            "address": RateLimitItemPerMinute(settings.address_rate),
            "sign-in": RateLimitItemPerMinute(settings.sign_in_rate),
        }

    def spend(self, kind: str, who: str) -> Quota:
        """Count a request of a `kind` ("key", "address"); ApiError 429 beyond the limit."""
        who = household(who) if kind == "address" else who
        if not self._windows.hit(self._items[kind], kind, who):
            raise self._refusal(kind, who)
        return self._left(kind, who)

    def failed_sign_in(self, address: str) -> None:
        """Count a credential that was wrong; ApiError 429 beyond the limit."""
        who = household(address)
        if not self._windows.hit(self._items["sign-in"], "sign-in", who):
            raise self._refusal("sign-in", who)

    def _left(self, kind: str, who: str) -> Quota:
        stats = self._windows.get_window_stats(self._items[kind], kind, who)
        reset_s = max(1, math.ceil(stats.reset_time - time.time()))
        return Quota(self._items[kind].amount, max(0, stats.remaining), reset_s)

    def _refusal(self, kind: str, who: str) -> ApiError:
        quota = self._left(kind, who)
        what = "failed sign-ins" if kind == "sign-in" else "requests"
        return ApiError(
            429,
            "too_many_requests",
            f"More than {quota.limit} {what} a minute",
            headers={**quota._replace(remaining=0).headers(), "Retry-After": str(quota.reset_s)},
        )
