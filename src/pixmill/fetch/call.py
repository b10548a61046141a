"""What a fetch gives, and how far one has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.fetch.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from pixmill.fetch.body import Body
    from pixmill.fetch.deadline import Deadline
    from pixmill.fetch.hosts import HostGate


@dataclass(frozen=True, slots=True)
class Download:
    """What came of a URL.

    `body` is to be closed by whoever gets it, `url` the last hop's, `http_status` 200 or 203, or
    304 with an empty body where the caller had sent a validator. `attempts` counts the tries of the
    URL, each with all its redirects. `headers` holds what caching needs and the content type, in
    lower-case names.
    """

    body: Body
    url: str
    http_status: int
    attempts: int
    headers: Mapping[str, str]

    def is_redirected_from(self, url: str) -> bool:
        """Whether it came by a redirect of this URL, which may lead elsewhere the next time."""
        return self.url != parse_url(url).url


@dataclass(slots=True)
class Call:
    """One call of `fetch`, as far as it has come."""

    headers: Mapping[str, str]
    deadline: Deadline
    attempts: int = 0
    http_status: int | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether the caller holds a copy, so that 304 may be the answer."""
        return any(name.lower() in {"if-none-match", "if-modified-since"} for name in self.headers)

    async def excuse(self, host: HostGate, wait: Awaitable[None]) -> None:
        """Await something for which the server that is asked is not to blame."""
        with host.blameless():
            await self.deadline.excuse(wait)
