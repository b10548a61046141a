"""The guard between names and sockets: a resolver and a socket factory for aiohttp's connector.

The resolver refuses a name if any of its answers is blocked; which lookup runs when is settled in
`lookups.py`. The factory asks again for the very address that is about to be connected to, which
also covers address literals, since those skip resolvers. A refusal is `BlockedAddress`, no OSError,
so that nobody takes it for a failed address and tries the next.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from pixmill.errors import BlockedAddress, DnsFailed
from pixmill.fetch.address import refusal
from pixmill.fetch.lookups import Lookups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohappyeyeballs import AddrInfoType

    from pixmill.fetch.address import IPAddress, IPNetwork
    from pixmill.fetch.options import FetchOptions

MAX_ANSWERS = 16

_DOES_NOT_EXIST = {socket.EAI_NONAME, socket.EAI_NODATA}


class GetAddrInfo(Protocol):
    """The part of `socket.getaddrinfo` that is used."""

    def __call__(
        self,
        host: str,
        port: int,
        *,
        type: int,  # noqa: A002 - the library's own name
    ) -> Sequence[tuple[Any, ...]]:
        """Look a name up, in this thread."""


class GuardedResolver(AbstractResolver):
    """Looks names up, a thread for each request under way, and refuses the names it must."""

    def __init__(
        self,
        getaddrinfo: GetAddrInfo,
        check: Callable[[IPAddress], None],
        options: FetchOptions,
    ) -> None:
        self._getaddrinfo = getaddrinfo
        self._check = check
        self._lookups = Lookups(
            self._look_up, threads=options.fetchers, timeout_s=options.connect_timeout_s
        )

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - both are always wanted
    ) -> list[ResolveResult]:
        """Look up all addresses of a name; `DnsFailed` without any, `BlockedAddress` if one is.

        IPv4 first and one after another stands in for happy eyeballs, whose racing tasks lose the
        factory's refusal; the rare server with a broken IPv4 and a good IPv6 costs a retry.
        """
        answers = await self._lookups.get(host, port)
        addresses = list(dict.fromkeys((kind, str(sockaddr[0])) for kind, *_, sockaddr in answers))
        for _, address in addresses:
            self._check(_ip(address))
        addresses.sort(key=lambda found: found[0] != socket.AF_INET)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, address in addresses[:MAX_ANSWERS]
        ]

    async def close(self) -> None:
        """Begin no further lookup; those under way end by themselves."""
        self._lookups.close()

    def _look_up(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        # RFC 6761, section 6.3: all under localhost is this machine, whatever DNS says.
        is_local = f".{host.removesuffix('.')}".endswith(".localhost")
        try:
            answers = self._getaddrinfo(
                "localhost" if is_local else host, port, type=socket.SOCK_STREAM
            )
        except socket.gaierror as error:
            if error.errno in _DOES_NOT_EXIST:
                raise DnsFailed(f"the name {host} does not exist", retryable=False) from error
            raise DnsFailed(f"the name {host} did not resolve: {error.strerror}") from error
        except (OSError, UnicodeError) as error:
            raise DnsFailed(f"the name {host} did not resolve: {error}") from error
        if not answers:
            raise DnsFailed(f"the name {host} has no address", retryable=False)
        return answers


class GuardedSockets:
    """A socket factory that refuses before there is a socket."""

    def __init__(self, check: Callable[[IPAddress], None]) -> None:
        self._check = check

    def __call__(self, addr_info: AddrInfoType) -> socket.socket:
        """Make a socket for that address, or raise `BlockedAddress`."""
        family, kind, protocol, _, sockaddr = addr_info
        self._check(_ip(str(sockaddr[0])))
        return socket.socket(family, kind, protocol)


def address_check(allow_networks: tuple[IPNetwork, ...]) -> Callable[[IPAddress], None]:
    """Make a check that raises `BlockedAddress`; it remembers the addresses that passed last."""

    @lru_cache(maxsize=1024)
    def check(ip: IPAddress) -> None:
        reason = refusal(ip, allow_networks)
        if reason is not None:
            raise BlockedAddress(
                f"{ip} may not be connected to: {reason} (--allow-network opens networks)"
            )

    return check


def _ip(address: str) -> IPAddress:
    try:
        return ip_address(address)
    except ValueError as error:
        raise BlockedAddress(f"{address} is no address that could be checked") from error
