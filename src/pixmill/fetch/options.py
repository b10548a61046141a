"""The limits and manners of a fetcher, in one frozen value. Nothing is read from outside here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill import __version__
from pixmill.errors import UsageError
from pixmill.fetch.address import PRIVATE_NETWORKS

if TYPE_CHECKING:
    from pixmill.fetch.address import IPNetwork
    from pixmill.fetch.gate import Permits
    from pixmill.fetch.sources import SourcePattern

MIB = 2**20


def user_agent(contact: str | None = None) -> str:
    """Make an honest User-Agent; `contact`, an address or a page, is whom servers write to."""
    return f"pixmill/{__version__} (+{contact})" if contact else f"pixmill/{__version__}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchOptions:
    """Everything a `Fetcher` may be told; `UsageError` where a value makes no sense.

    `fetchers` requests are under way at once, at most `per_host` of them to one scheme, host and
    port (fewer while it answers 429 or 503). `timeout_s` is one deadline over all attempts and
    pauses of a URL; waiting for its turn, or for room in `temp_dir`, does not count (see `HostGate`
    for what bounds the former). `connect_timeout_s` is for a name's lookup and as much again for
    connection and TLS, `idle_timeout_s` for the wait for the next bytes. `retries` are further
    attempts after the first. `max_bytes` bounds a decoded body, whatever its headers claim. A body
    above `spill_bytes`, and any body once `memory_bytes` are held by all together, goes to an
    unlinked file in `temp_dir` (None: the system's); past `spill_total_bytes` of such files bodies
    wait for room (see `SpillBudget`).
    `allow_private` opens one's own networks, `allow_networks` any others. Where there are
    `allowed_sources` nothing else is asked, by redirects neither. `permits` are shared with others
    who ask the same servers.
    """

    fetchers: int = 64
    per_host: int = 16
    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 20.0
    retries: int = 3
    max_redirects: int = 5
    max_bytes: int = 256 * MIB
    spill_bytes: int = 4 * MIB
    memory_bytes: int = 64 * MIB
    spill_total_bytes: int = 2048 * MIB
    user_agent: str = user_agent()
    allow_private: bool = False
    allow_networks: tuple[IPNetwork, ...] = ()
    allowed_sources: tuple[SourcePattern, ...] = ()
    temp_dir: str | None = None
    permits: Permits | None = None

    @property
    def open_networks(self) -> tuple[IPNetwork, ...]:
        """Networks that may be connected to, though they are not public."""
        return self.allow_networks + (PRIVATE_NETWORKS if self.allow_private else ())

    def __post_init__(self) -> None:
        for name in ("fetchers", "per_host", "max_bytes"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1")
        for name in (
            "retries", "max_redirects", "spill_bytes", "memory_bytes", "spill_total_bytes"
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must not be negative")
        for name in ("timeout_s", "connect_timeout_s", "idle_timeout_s"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0")
        if not self.user_agent.isascii() or not self.user_agent.isprintable():
            raise UsageError("the User-Agent must be printable ASCII")
