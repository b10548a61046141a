"""All that a run can be told, without a default that depends on the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from pixmill.analysis import Wanted, analyze_packed
from pixmill.fetch.options import FetchOptions, user_agent
from pixmill.fetch.sources import parse_patterns
from pixmill.imaging.probe import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

    from pixmill.analysis import Greyed, Task
    from pixmill.analysis.rendering import Made
    from pixmill.batch.memory import MemoryPlan
    from pixmill.fetch.body import MemoryBudget
    from pixmill.fetch.gate import Permits
    from pixmill.fetch.sources import SourcePattern
    from pixmill.imaging.operations import Chain
    from pixmill.pool import Pool
    from pixmill.record import Analysis, Cluster, Item, Kept, Match
    from pixmill.settings import Settings


PRELOAD_ALL = ("pixmill.batch.warm", "pixmill.analysis.warm")
"""What processes load before their first image that do whatever is asked of images."""


class Keeper(Protocol):
    """Puts the bytes of analyzed images where they stay. Called by many threads at once.

    Raises RunError where nothing can be put any more, and ItemError for what costs one image.
    """

    def keep(self, file: memoryview, sha256: str, image: Analysis, grey: bytes | str) -> Kept:
        """Put an image's file and its grey image, which is a PNG or the path of one.

        When this returns or raises, a file at that path is gone.
        """

    def known(self, md5: str) -> Kept | None:
        """Tell whether the image is there already, so that it need not be fetched again."""


class Gallery(Protocol):
    """Takes the pictures that a chain of operations makes of images. Used by many threads at once.

    `chain` is what is done to each image. Raises RunError where nothing can be put any more.
    """

    chain: Chain

    def open(self) -> AbstractContextManager[str]:
        """Give the folder where pictures are written first, for as long as the context lasts."""

    def put(self, item: Item, made: Made) -> str:
        """Put the picture that was made of an item where it stays, and tell its name."""


class Shared(NamedTuple):
    """A pool that others use as well, and what a run may take beside it.

    Its function answers tasks as `RunOptions.analyze` does. No more than `at_once` images of the
    run are in it at a time, so that others soon have their turn. Where several runs have the same
    `bodies`, these are what all their bodies in memory may take.
    """

    pool: Pool[Any, Any]
    plan: MemoryPlan
    at_once: int
    bodies: MemoryBudget | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """All that a run can be told; sizes in bytes, times in seconds.

    `analyze` is the function that worker processes run on each body; it must be importable by name
    and return what `pixmill.analysis.pack` returns. `matcher`, such as `pixmill.Matcher`, makes the
    match of each record from the clusters, which `wanted` must ask for. With a `keeper` the bytes
    of every image are kept, and `analyze` returns what `pixmill.analysis.analyze_greyed` returns.
    With a `gallery` images are transformed instead of analyzed: `wanted` and `analyze` are not
    asked then, and nothing is cached. `reserved_bytes` of `memory_bytes` are left to what the
    caller does with the records. With `shared` the run has no pool of its own, and `workers`,
    `memory_bytes`, `reserved_bytes`, `decode_timeout_s` and `analyze` do not count. `permits` are
    shared with other runs that ask the same servers.
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
    allowed_sources: tuple[SourcePattern, ...] = ()
    dedupe: bool = True
    cache: Path | None = None
    cache_max_bytes: int = 2**30
    tracebacks: bool = False
    matcher: Callable[[tuple[Cluster, ...]], Match] | None = None
    analyze: Callable[[memoryview, Task], bytes | Greyed] = analyze_packed
    keeper: Keeper | None = None
    gallery: Gallery | None = None
    shared: Shared | None = None
    permits: Permits | None = None

    @classmethod
    def of(cls, settings: Settings, **more: Any) -> Self:
        """Take from the settings what they tell, but for what is given here."""
        told: dict[str, Any] = {
            "limits": Limits(max_pixels=settings.max_pixels, max_side=settings.max_side),
            "workers": settings.workers,
            "fetchers": settings.fetchers,
            "per_host": settings.per_host,
            "queue": settings.queue,
            "memory_bytes": settings.memory,
            "timeout_s": settings.timeout,
            "connect_timeout_s": settings.connect_timeout,
            "idle_timeout_s": settings.idle_timeout,
            "retries": settings.retries,
            "max_redirects": settings.max_redirects,
            "max_bytes": settings.max_bytes,
            "decode_timeout_s": settings.decode_timeout,
            "user_agent": settings.user_agent,
            "contact": settings.contact,
            "allow_private": settings.allow_private,
            "allow_networks": settings.allow_networks,
            "allowed_sources": parse_patterns(settings.allowed_sources),
        }
        return cls(**{**told, **more})

    def fetching(self, memory_bytes: int) -> FetchOptions:
        """Say how to fetch, with bodies of so many bytes in memory."""
        return FetchOptions(
            fetchers=self.fetchers,
            per_host=self.per_host,
            timeout_s=self.timeout_s,
            connect_timeout_s=self.connect_timeout_s,
            idle_timeout_s=self.idle_timeout_s,
            retries=self.retries,
            max_redirects=self.max_redirects,
            max_bytes=self.max_bytes,
            memory_bytes=memory_bytes,
            user_agent=self.user_agent or user_agent(self.contact),
            allow_private=self.allow_private,
            allow_networks=self.allow_networks,
            allowed_sources=self.allowed_sources,
            permits=self.permits,
        )
