"""Patterns of URLs: what they let through, whichever way a URL is spelled."""

from __future__ import annotations

import pytest

from pixmill.fetch.sources import parse_pattern
from pixmill.fetch.url import parse_url


def allows(pattern, url):
    return parse_pattern(pattern).allows(parse_url(url))


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://cdn.example.com", "https://cdn.example.com/a.jpg"),
        ("https://cdn.example.com/", "https://CDN.example.com:443/a.jpg?b=c"),
        ("https://cdn.example.com", "https://cdn.example.com./a.jpg"),
        ("*://cdn.example.com", "http://cdn.example.com/a.jpg"),
        ("*://cdn.example.com", "https://cdn.example.com/a.jpg"),
        ("https://*.example.com", "https://a.b.example.com/"),
        ("http://cdn.example.com:8080", "http://cdn.example.com:8080/x"),
        ("http://192.0.2.7/", "http://0xc0000207/a.jpg"),
        ("http://[2001:db8::1]/", "http://[2001:0db8:0::1]/a"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/a..b/...jpg"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/a?../../b"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/a"),
    ],
)
def test_what_is_of_the_pattern_passes(pattern, url):
    assert allows(pattern, url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://cdn.example.com", "http://cdn.example.com/a.jpg"),
        ("https://cdn.example.com", "https://cdn.example.com.evil.test/a.jpg"),
        ("https://cdn.example.com", "https://evil.test/https://cdn.example.com/"),
        ("https://cdn.example.com", "https://cdn.example.com:8443/"),
        ("https://*.example.com", "https://example.com/"),
        ("https://*.example.com", "https://evilexample.com/"),
        ("https://*.example.com", "https://evil.test/.example.com"),
        ("http://cdn.example.com:8080", "http://cdn.example.com/"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/private/a.jpg"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/../private"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/%2e%2E/private"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/..;/private"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/..%3bx=1/private"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/..%2fprivate"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/%252e%252e/x"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/..\\private"),
        ("https://cdn.example.com/pictures/", "https://cdn.example.com/pictures/.."),
    ],
)
def test_what_only_looks_so_does_not(pattern, url):
    assert not allows(pattern, url)


@pytest.mark.parametrize(
    "text",
    ["", "*", "example.com", "ftp://example.com", "https://", "https://a*b.example.com/",
     "https://*.192.0.2.7/", "https://example.com/*.jpg", "https://example.com/?a=b",
     "https://user@example.com/", "*://*.*.example.com"],
)  # fmt: skip
def test_what_is_no_pattern_is_told(text):
    with pytest.raises(ValueError, match="is no pattern of URLs"):
        parse_pattern(text)
