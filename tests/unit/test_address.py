"""The address rule: only global unicast addresses may be connected to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.fetch.address import (
    GLOBAL_IPV6,
    PRIVATE_NETWORKS,
    REFUSED_IPV4,
    REFUSED_IPV6,
    refusal,
)

BLOCKED = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.0.0",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.9",
    "192.0.0.255",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:100.64.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1:7f00:0:100::",
    "100::1",
    "1fff:ffff::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "2600::5efe:7f00:1",
    "2600::200:5efe:808:808",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2600::1%eth0",
]

OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2000::",
    "2001:200::",
    "2001:db7:ffff::1",
    "2001:db9::",
    "2003::",
    "2600::1",
    "2606:4700:4700::1111",
    "3ffe:ffff::1",
    "3fff:1000::",
    "2600::5efd:7f00:1",
    "2600::5efe:0:7f00:1",
]


@pytest.mark.parametrize("address", BLOCKED)
def test_refused(address):
    assert refusal(ip_address(address)) is not None
    assert refusal(ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_allowed_right_up_to_the_edges_of_blocks(address):
    assert refusal(ip_address(address)) is None


@given(st.ip_addresses(v=4))
def test_whatever_the_standard_library_calls_private_or_special_is_refused(ip):
    special = ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_unspecified
    if special and ip not in ip_network("192.0.0.0/24"):
        assert refusal(ip) is not None


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_ipv4_address_it_is(ip):
    mapped = IPv6Address(f"::ffff:{ip}")
    assert refusal(mapped) == refusal(ip)
    assert refusal(mapped, [ip_network(f"{ip}/32")]) is None


@given(st.ip_addresses(v=6))
def test_ipv6_outside_global_unicast_is_refused(ip):
    if ip not in GLOBAL_IPV6 and ip.ipv4_mapped is None:
        assert refusal(ip) is not None


@pytest.mark.parametrize(("block", "_reason"), [*REFUSED_IPV4, *REFUSED_IPV6])
def test_first_and_last_address_of_each_block_are_refused(block, _reason):
    assert refusal(block[0]) is not None
    assert refusal(block[-1]) is not None


def test_a_network_opened_on_purpose_opens_nothing_else():
    opened = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    assert refusal(IPv4Address("10.1.2.3"), opened) is None
    assert refusal(IPv6Address("fd12::1"), opened) is None
    assert refusal(IPv4Address("10.2.0.0"), opened) is not None
    assert refusal(IPv6Address("fc00::1"), opened) is not None
    assert refusal(IPv6Address("fd12::1%eth0"), opened) is not None


def test_private_networks_leave_cloud_metadata_shut():
    for address in ("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.20.0.1", "::1", "fd00::1"):
        assert refusal(ip_address(address), PRIVATE_NETWORKS) is None
    for address in ("169.254.169.254", "168.63.129.16", "0.0.0.0", "224.0.0.1", "fe80::1", "::"):
        assert refusal(ip_address(address), PRIVATE_NETWORKS) is not None
