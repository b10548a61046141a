"""All that a run can be told, without a default that depends on the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.analysis import Wanted, analyze_packed
from pixmill.imaging.probe import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

    from pixmill.analysis import Task
    from pixmill.record import Cluster, Match


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """All that a run can be told; sizes in bytes, times in seconds.

    `analyze` is the function that worker processes run on each body; it must be importable by name
    and return what `pixmill.analysis.pack` returns. `matcher`, such as `pixmill.Matcher`, makes the
    match of each record from the clusters, which `wanted` must ask for. `reserved_bytes` of
    `memory_bytes` are left to what the caller does with the records.
    """

    wanted: Wanted = field(default_factory=Wanted)
    limits: Limits = field(default_factory=Limits)
    workers: int = 2
    fetchers: int = 64
    per_host: int = 16
    queue: int = 256
    memory_bytes: int = 2**30
    reserved_bytes: int = 0
    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 20.0
    retries: int = 3
    max_redirects: int = 5
    max_bytes: int = 256 * 2**20
    decode_timeout_s: float = 60.0
    user_agent: str | None = None
    contact: str | None = None
    allow_private: bool = False
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    dedupe: bool = True
    cache: Path | None = None
    cache_max_bytes: int = 2**30
    tracebacks: bool = False
    matcher: Callable[[tuple[Cluster, ...]], Match] | None = None
    analyze: Callable[[memoryview, Task], bytes] = analyze_packed
