"""Who is asking, behind proxies that are trusted to say it.

Owns `X-Forwarded-For` and `X-Forwarded-Proto`. They count where the peer itself is within the
trusted networks; nobody further in sees them, so that nothing believes them by mistake.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FOR = b"x-forwarded-for"
_PROTO = b"x-forwarded-proto"
# More proxies than this in a row are a loop or a forgery.
_LONGEST_CHAIN = 32


class TrustedProxies:
    """ASGI middleware: puts the client's own address and scheme into the scope."""

    def __init__(self, app: ASGIApp, networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            self._look(scope)
        await self._app(scope, receive, send)

    def _look(self, scope: Scope) -> None:
        peer = parse_address(scope["client"][0]) if scope.get("client") else None
        headers = scope["headers"]
        forwarded = [(name, value) for name, value in headers if name in {_FOR, _PROTO}]
        if forwarded:
            scope["headers"] = [pair for pair in headers if pair[0] not in {_FOR, _PROTO}]
        if peer is None:
            return
        scope["client"] = (str(peer), scope["client"][1])
        if not forwarded or not _within(peer, self._networks):
            return
        client = client_of(peer, _entries(forwarded, _FOR), self._networks)
        if client != peer:
            scope["client"] = (str(client), 0)
        scheme = [entry.lower() for entry in _entries(forwarded, _PROTO)[-1:]]
        if scheme in (["http"], ["https"]):
            scope["scheme"] = scheme[0]


def client_of(peer: Address, chain: Sequence[str], networks: Sequence[Network]) -> Address:
    """Return the client's address: the rightmost in the chain that is not of a trusted proxy.

    `chain` is what stands in X-Forwarded-For, in order; `peer` is who connected. The search ends
    at what is no address: the last proxy that named it is then all that is known.
    """
    client = peer
    for entry in reversed(chain[-_LONGEST_CHAIN:]):
        if not _within(client, networks):
            break
        before = parse_address(_without_port(entry))
        if before is None:
            break
        client = before
    return client


def parse_address(text: str) -> Address | None:
    """Read an address, an IPv4 one mapped into IPv6 as itself; None where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _entries(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """List what stands between the commas of all headers of that name, in order."""
    values = [value.decode("latin-1") for key, value in headers if key == name]
    return [entry.strip() for entry in ",".join(values).split(",")] if values else []


def _without_port(entry: str) -> str:
    """Take `[2001:db8::1]:80` and `192.0.2.1:80` apart; others pass unchanged (RFC 7239, 6)."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
