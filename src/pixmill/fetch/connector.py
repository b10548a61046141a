"""The connection pool: aiohttp's, guarded, with bounds on idle connections and on connecting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from pixmill.fetch.failures import failure_of

if TYPE_CHECKING:
    import ssl

    from pixmill.fetch.resolver import GuardedResolver, GuardedSockets

KEEP_ALIVE_S = 15.0
MAX_IDLE = 256


class BoundedConnector(aiohttp.TCPConnector):
    """A `TCPConnector` whose idle connections are bounded over all servers together.

    aiohttp bounds connections in use but keeps every idle one until it expires: a list of many
    servers would run out of file descriptors. Here the servers idle for longest lose theirs first.
    """

    def __init__(
        self,
        resolver: GuardedResolver,
        sockets: GuardedSockets,
        *,
        dns_ttl_s: int,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(
            limit=0,  # the gates bound what is in use
            resolver=resolver,
            ttl_dns_cache=dns_ttl_s,
            happy_eyeballs_delay=None,
            socket_factory=sockets,
            ssl=ssl_context or True,
            keepalive_timeout=KEEP_ALIVE_S,
        )

    @property
    def idle(self) -> int:
        """How many connections are open and unused."""
        return sum(map(len, self._conns.values()))

    async def _wrap_create_connection(self, *args: Any, **kwargs: Any) -> Any:
        # aiohttp would give every further address of a name the whole time to connect again.
        try:
            return await super()._wrap_create_connection(*args, **kwargs)
        except TimeoutError as error:
            raise failure_of(error, answered=False) from error

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close)
        if len(self._conns) > 1 and self.idle > MAX_IDLE:
            for idle_protocol, _ in self._conns.pop(next(iter(self._conns))):
                idle_protocol.close()
