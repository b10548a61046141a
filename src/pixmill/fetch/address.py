"""Which IP addresses may be connected to: a table of address blocks and one rule over it. Pure.

Only global unicast addresses pass. The table is pixmill's own because `ipaddress.is_global` says
yes to multicast, to mapped shared addresses, to NAT64 and to others. Names are resolved elsewhere
(`resolver.py`); every answer, and every address about to be connected to, is put to `refusal` here.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), IANA IPv6
Global Unicast Address Assignments, and the RFCs named beside each block.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

REFUSED_IPV4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(block), reason)
    for block, reason in (
        ("0.0.0.0/8", "this network, RFC 791"),
        ("10.0.0.0/8", "private, RFC 1918"),
        ("100.64.0.0/10", "shared address space, RFC 6598"),
        ("127.0.0.0/8", "loopback, RFC 1122"),
        ("168.63.129.16/32", "Azure's platform services, a public number that is local"),
        ("169.254.0.0/16", "link-local and cloud metadata, RFC 3927"),
        ("172.16.0.0/12", "private, RFC 1918"),
        ("192.0.0.0/24", "protocol assignments, RFC 6890"),
        ("192.0.2.0/24", "documentation, RFC 5737"),
        ("192.88.99.0/24", "6to4 relays, RFC 7526"),
        ("192.168.0.0/16", "private, RFC 1918"),
        ("198.18.0.0/15", "benchmarking, RFC 2544"),
        ("198.51.100.0/24", "documentation, RFC 5737"),
        ("203.0.113.0/24", "documentation, RFC 5737"),
        ("224.0.0.0/4", "multicast, RFC 5771"),
        ("240.0.0.0/4", "reserved and broadcast, RFC 1112"),
    )
)

# The only block that IANA has given out as global unicast; everything outside is refused unnamed.
GLOBAL_IPV6 = IPv6Network("2000::/3")

REFUSED_IPV6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(block), reason)
    for block, reason in (
        ("2001::/23", "protocol assignments and Teredo, RFC 2928, RFC 4380"),
        ("2001:db8::/32", "documentation, RFC 3849"),
        ("2002::/16", "6to4, RFC 3056"),
        ("3fff::/20", "documentation, RFC 9637"),
    )
)

# ISATAP (RFC 5214, section 6.1): any prefix may carry an IPv4 address behind this interface
# identifier.
_ISATAP_IDENTIFIERS = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")

# What `--allow-private` opens: networks of one's own. Link-local stays shut, since cloud metadata
# live there; who needs it names it as a network.
PRIVATE_NETWORKS: tuple[IPNetwork, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)


def refusal(ip: IPAddress, allow_networks: Iterable[IPNetwork] = ()) -> str | None:
    """Why `ip` may not be connected to, or None where it may.

    An IPv4-mapped IPv6 address is judged as the IPv4 address that it is (RFC 4291, section
    2.5.5.2). `allow_networks` are opened on purpose and win over the table. A scoped address
    (`fe80::1%eth0`) is never opened.
    """
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return "an address of one link only, RFC 4007"
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
    if any(ip in network for network in allow_networks if network.version == ip.version):
        return None
    return _refusal_ipv4(ip) if isinstance(ip, IPv4Address) else _refusal_ipv6(ip)


def _refusal_ipv4(ip: IPv4Address) -> str | None:
    return next((reason for block, reason in REFUSED_IPV4 if ip in block), None)


def _refusal_ipv6(ip: IPv6Address) -> str | None:
    if ip not in GLOBAL_IPV6:
        return "not global unicast, RFC 4291"
    if ip.packed[8:12] in _ISATAP_IDENTIFIERS:
        return "ISATAP, RFC 5214"
    return next((reason for block, reason in REFUSED_IPV6 if ip in block), None)
