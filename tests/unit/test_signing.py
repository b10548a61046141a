"""Signed URLs: what is signed, for how long it is good, and that nothing of it may change."""

from __future__ import annotations

import hashlib
import hmac
import math
from base64 import b64decode, urlsafe_b64encode
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import UsageError
from pixmill.signing import (
    good_for_s,
    is_signed,
    signed_url,
    webhook_headers,
    webhook_secret_text,
)

SECRET, OLD = b"s" * 32, b"o" * 32
NOW = 1_800_000_000.0
URL = "/images/0123/render?op=resize+512&op=grayscale&format=auto"


def good(url, secrets=(SECRET,), now=NOW):
    parts = urlsplit(url)
    return good_for_s(parts.path, parts.query, secrets, now)


def test_a_signature_is_the_hmac_of_path_and_fields_in_order():
    told = b"/images/0123/render?format=auto&op=resize%20512&op=grayscale"
    code = urlsafe_b64encode(hmac.new(SECRET, told, hashlib.sha256).digest()).rstrip(b"=")
    fields = parse_qsl(urlsplit(signed_url(URL, SECRET)).query)
    assert dict(fields)["signature"] == code.decode()
    assert [value for name, value in fields if name == "op"] == ["resize 512", "grayscale"]


def test_operations_may_not_change_places_while_fields_of_other_names_may():
    url = signed_url(URL, SECRET)
    assert good(url.replace("op=resize%20512&op=grayscale", "op=grayscale&op=resize%20512")) == 0
    fields = urlsplit(url).query.split("&")
    assert good(f"/images/0123/render?{'&'.join([fields[-1], *fields[:-1]])}") == math.inf


def test_it_is_good_for_good_or_until_it_expires():
    assert good(signed_url(URL, SECRET)) == math.inf
    short = signed_url(URL, SECRET, int(NOW) + 60)
    assert good(short) == 60
    assert good(short, now=NOW + 59) == 1
    assert good(short, now=NOW + 60) == 0
    assert good(short, now=NOW + 1e9) == 0


def test_it_is_good_by_each_secret_that_counts():
    url = signed_url(URL, OLD)
    assert good(url, (SECRET, OLD)) == math.inf
    assert good(url, (SECRET,)) == 0
    assert good(url, ()) == 0


def test_a_url_with_a_host_keeps_it_and_one_that_was_signed_is_signed_anew():
    url = signed_url("https://images.example.org" + URL, SECRET, int(NOW) + 60)
    assert url.startswith("https://images.example.org/images/0123/render?op=resize%20512&")
    assert good(url) == 60
    again = signed_url(url, OLD)
    assert good(again, (OLD,)) == math.inf
    assert again.count("signature=") == 1
    assert is_signed(urlsplit(again).query)
    assert not is_signed(urlsplit(URL).query)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("0123", "0124"),
        lambda url: url.replace("512", "513"),
        lambda url: url.replace("expires=1800000060", "expires=1800000061"),
        lambda url: url.replace("&expires=1800000060", ""),
        lambda url: url + "&op=flip",
        lambda url: url + "&signature=x",
        lambda url: url + "&expires=1900000000",
        lambda url: url[:-1],
        lambda url: url[:-1] + "é",
        lambda url: url + "=",
        lambda url: url.replace("signature=", "Signature="),
        lambda url: url + "&a" * 200,
    ],
)  # fmt: skip
def test_nothing_of_it_may_change(change):
    url = signed_url(URL, SECRET, int(NOW) + 60)
    assert change(url) != url
    assert good(change(url)) == 0


@pytest.mark.parametrize("end", ["", "-5", "1e12", "١٨٠٠٠٠٠٠٦٠", "9" * 13, " 1800000060", "+1"])
def test_an_end_that_is_no_plain_number_is_none(end):
    url = signed_url(f"/render?url=a&x={end}", SECRET)
    fields = f"url=a&expires={end}"
    assert good(url) == math.inf
    code = signed_url(f"/render?{fields}", SECRET)
    signature = urlsplit(code).query.partition("signature=")[2]
    assert good(f"/render?{fields}&signature={signature}") == 0


@pytest.mark.parametrize("url", ["", "render?op=x", "https://example.org", "?op=x"])
def test_what_has_no_path_is_refused(url):
    with pytest.raises(UsageError, match="a URL to sign has a path"):
        signed_url(url, SECRET)


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), TEXT)
def test_any_fields_are_signed_and_none_may_be_added(fields, more):
    from urllib.parse import urlencode  # noqa: PLC0415

    url = signed_url("/render?" + urlencode(fields), SECRET)
    assert good(url) == math.inf
    assert good(url + "&" + urlencode({"x": more})) == 0


def test_a_webhook_is_signed_as_the_standard_has_it():
    """The example of https://docs.svix.com/receiving/verifying-payloads/how-manual."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    id_, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = webhook_headers(id_, 1614265330, body, [secret])
    assert headers == {
        "webhook-id": id_, "webhook-timestamp": "1614265330", "webhook-signature": right
    }  # fmt: skip
    assert webhook_secret_text(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    two = webhook_headers(id_, 1614265330, body, [SECRET, secret])["webhook-signature"].split(" ")
    assert two[1] == right != two[0]
