"""What a URL means: one canonical host that is both checked and connected to, or a refusal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pixmill.errors import InvalidUrl
from pixmill.fetch.address import refusal
from pixmill.fetch.url import MAX_URL_CHARS, parse_url, resolve_redirect

LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "127.0.0.01",
    "00000177.1",
    "127.0.0.1.",
    "127.0.0.0x1",
    "①②⑦.⓪.⓪.①",
    "①②⑦。⓪。⓪。①",
    "127。0。0。1",
    "127\uff0e0\uff0e0\uff0e1",
    "127\uff611",
    "\uff11\uff12\uff17.0.0.1",
    "127.0.0.\xad1",
]

BLOCKED_HOSTS = [
    "0",
    "0.0.0.0",
    "0x",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "100.100.100.200",
    "168.63.129.16",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "037777777777",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:100.64.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1:7f00:0:100::]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
]

MALFORMED = [
    "",
    " ",
    "x",
    "example.com/a.png",
    "//example.com/a.png",
    "http:",
    "http:/",
    "http://",
    "http:///a.png",
    "http:/example.com/a.png",
    "http:example.com",
    "http://?a",
    "http://#a",
    "http://./",
    "http://../",
    "http://a..b/",
    "http://.a/",
    "http://a b/",
    "http://a\tb/",
    "http://a/\r\nHost: b",
    "http://ok.example\r\n/",
    "http://127.0.0.1\x00.ok.example/",
    "http://ok.example\x00/",
    "http://ok\x7f.example/",
    "http://ok.example@127.0.0.1/",
    "http://user:secret@ok.example/",
    "http://@ok.example/",
    "http://ok.example\\@127.0.0.1/",
    "http://ok.example\\.127.0.0.1/",
    "http:\\\\127.0.0.1/",
    "http://127.0.0.1\\a",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%2f@ok.example/",
    "http://ok.example%00/",
    "http://ok%2eexample/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1/",
    "http://[::1]a/",
    "http://[::1]:x/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://[]/",
    "http://[::\uff11]/",
    "http://256.0.0.1/",
    "http://1.2.3.4.5/",
    "http://1.2.3.08/",
    "http://4294967296/",
    "http://127.0.0.65536/",
    "http://ok.example.0x1/",
    "http://" + "9" * 5000 + "/",
    "http://ok.example:0/",
    "http://ok.example:00000/",
    "http://ok.example:65536/",
    "http://ok.example:-1/",
    "http://ok.example:+80/",
    "http://ok.example:8\uff10/",
    "http://ok.example:80:90/",
    "http://" + "a" * 64 + ".example/",
    "http://" + ".".join(["a" * 60] * 5) + "/",
    "http://a\uff0fb/",
    "http://a\uff1a80/",
    "http://a\uff20b/",
    "http://a\uff052fb/",
    "http://a<b>/",
    "http://a*b/",
    "http://\ud800/",
    "http://a/\ud800",
    "http://a/" + "a" * MAX_URL_CHARS,
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "gopher://127.0.0.1:70/_x",
    "ftp://ok.example/a.png",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "ws://ok.example/",
    "httpx://ok.example/",
    "http+unix://ok.example/",
]


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_every_spelling_of_loopback_becomes_loopback(host):
    target = parse_url(f"http://{host}:8080/a.png")
    assert target.host == "127.0.0.1"
    assert target.url == "http://127.0.0.1:8080/a.png"
    assert refusal(target.ip) is not None


@pytest.mark.parametrize("host", BLOCKED_HOSTS)
def test_address_literals_reach_the_address_rule_and_are_refused_there(host):
    assert refusal(parse_url(f"http://{host}/").ip) is not None


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed(text):
    with pytest.raises(InvalidUrl):
        parse_url(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM:443/A.png", "https://example.com/A.png"),
        ("http://example.com:00080/", "http://example.com/"),
        ("http://example.com:/", "http://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com.:81/", "http://example.com.:81/"),
        ("  http://example.com/a \t", "http://example.com/a"),
        ("http://example.com?q=1", "http://example.com/?q=1"),
        ("http://example.com/a#b?c", "http://example.com/a"),
        ("http://example.com/%7Ea%2Fb/%zz%", "http://example.com/%7Ea%2Fb/%zz%"),
        ("http://example.com/a b/ü?ü=ü b", "http://example.com/a%20b/%C3%BC?%C3%BC=%C3%BC%20b"),
        ("http://example.com/a\\b?c\\d", "http://example.com/a/b?c\\d"),
        (
            'http://example.com/"<>^`{|}?"<>^`{|}',
            "http://example.com/%22%3C%3E%5E%60%7B|%7D?%22%3C%3E^`{|}",
        ),
        ("http://example.com/a?b='c'", "http://example.com/a?b=%27c%27"),
        (
            "http://example.com/a//b/../c;d=1,2?u=http://x/?y@z",
            "http://example.com/a//b/../c;d=1,2?u=http://x/?y@z",
        ),
        ("http://example.com/\udcfc.png", "http://example.com/%FC.png"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://faß.example/", "http://xn--fa-hia.example/"),
        ("http://例え。テスト/", "http://xn--r8jz45g.xn--zckzah/"),
        ("http://i❤.example/", "http://xn--i-7iq.example/"),
        ("http://a_b.example/", "http://a_b.example/"),
        ("http://[2001:DB8:0::1]:80/", "http://[2001:db8::1]/"),
        ("http://[::ffff:1.2.3.4]:8080/", "http://[::ffff:102:304]:8080/"),
        ("http://1.1/", "http://1.0.0.1/"),
        ("http://1.2.3.4.example/", "http://1.2.3.4.example/"),
        ("http://0x.example/", "http://0x.example/"),
        ("http://1.2.3.0xg/", "http://1.2.3.0xg/"),
    ],
)
def test_canonical_form(text, url):
    assert parse_url(text).url == url
    assert parse_url(url).url == url


def test_a_trailing_dot_is_kept_but_makes_no_other_server():
    with_dot, without = parse_url("http://example.com./"), parse_url("http://example.com/")
    assert with_dot.host == "example.com."
    assert with_dot.origin == without.origin == ("http", "example.com", 80)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "http://example.com:81/b"),
        ("b", "http://example.com:81/a/b"),
        ("../../b?c", "http://example.com:81/b?c"),
        ("?q", "http://example.com:81/a/x?q"),
        ("//other.example/b", "http://other.example/b"),
        ("https://other.example/%2f", "https://other.example/%2f"),
        ("/ü b", "http://example.com:81/%C3%BC%20b"),
        ("/\udcfc", "http://example.com:81/%FC"),
        ("#top", "http://example.com:81/a/x"),
        ("", "http://example.com:81/a/x"),
    ],
)
def test_redirects_resolve_against_the_hop_they_come_from(location, url):
    assert resolve_redirect(parse_url("http://example.com:81/a/x"), location).url == url


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "http://[::1",
        "http://a@b/",
        "//\\127.0.0.1/",
        "gopher://x/",
    ],
)
def test_redirects_to_what_is_no_url_are_refused(location):
    with pytest.raises(InvalidUrl):
        resolve_redirect(parse_url("http://example.com/"), location)


@given(st.text())
@example("[::ffff:0.0.0.0]")
def test_any_host_text_is_refused_or_becomes_plain_ascii_that_means_itself(host):
    try:
        target = parse_url(f"http://{host}/x")
    except InvalidUrl:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert " " not in target.url
    assert parse_url(target.url) == target


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_path_goes_out_as_visible_ascii_once_and_for_all(path):
    url = parse_url("http://example.com/" + path).url
    assert url.isascii()
    assert " " not in url
    assert parse_url(url).url == url


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}", "0X{:X}."]))
def test_a_number_is_the_address_it_counts_to(number, form):
    assert int(parse_url(f"http://{form.format(number)}/").ip) == number
