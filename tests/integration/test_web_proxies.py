"""Forwarded addresses and schemes count from trusted proxies, and from nobody else."""

import json
from ipaddress import ip_address, ip_network

import pytest

from pixmill.web.proxies import client_of
from tests.integration.web_serving import serving

NETWORKS = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["6.6.6.6", "192.0.2.7"], "192.0.2.7"),  # the left one is the client's word
        ("10.0.0.1", ["6.6.6.6", "192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        ("10.0.0.1", ["10.0.0.3", "10.0.0.2"], "10.0.0.3"),
        ("192.0.2.1", ["6.6.6.6"], "192.0.2.1"),
        ("2001:db8::1", ["2606:4700::1"], "2606:4700::1"),
        ("10.0.0.1", ["192.0.2.7:4711"], "192.0.2.7"),
        ("10.0.0.1", ["[2606:4700::1]:4711"], "2606:4700::1"),
        ("10.0.0.1", ["::ffff:10.0.0.9", "::ffff:10.0.0.2"], "10.0.0.9"),
        ("10.0.0.1", ["6.6.6.6", "unknown"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6", ""], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6", "\x1b[31m", "10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["6.6.6.6", *["10.0.0.2"] * 10_000], "10.0.0.2"),
    ],
)
def test_the_client_is_the_rightmost_address_of_no_trusted_proxy(peer, chain, client):
    assert client_of(ip_address(peer), chain, NETWORKS) == ip_address(client)


def ask(service, headers):
    return json.loads(service.request("GET", "/who", headers=headers)[2])


FORWARDED = {"X-Forwarded-For": "6.6.6.6, 192.0.2.7", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize("networks", [[], ["192.0.2.0/24"], ["::1/128"]])
def test_from_others_the_headers_are_ignored_and_hidden(networks):
    with serving(networks=networks) as service:
        assert ask(service, FORWARDED) == {
            "client": "127.0.0.1",
            "scheme": "http",
            "forwarded": [],
        }


def test_from_a_trusted_proxy_they_count_in_the_log_too():
    with serving(networks=["127.0.0.1/32"]) as service:
        assert ask(service, FORWARDED) == {
            "client": "192.0.2.7",
            "scheme": "https",
            "forwarded": [],
        }
        assert service.lines("request")[0]["client"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "http"),
        ("file", "http"),
        ("", "http"),
    ],
)
def test_the_scheme_is_the_nearest_proxys_word(value, scheme):
    with serving(networks=["127.0.0.1/32"]) as service:
        assert ask(service, {"X-Forwarded-Proto": value})["scheme"] == scheme


def test_repeated_headers_are_one_list():
    with serving(networks=["127.0.0.1/32"]) as service, service.connect() as sock:
        sock.sendall(
            b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
        )
        assert b'"client":"192.0.2.7"' in sock.recv(65536) + sock.recv(65536)
