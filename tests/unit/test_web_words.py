"""What failures are called over HTTP: every class of the error tree has its sentence."""

from __future__ import annotations

import pytest

from pixmill import errors as e
from pixmill.web.words import refusal_of

START = "Could not fetch the URL given, "
NO_CONNECTION = START + "could not connect"
WORDS = {
    e.BlockedAddress("x"): [NO_CONNECTION, "It leads to an address that is not public; "],
    e.BlockedSource("it is not allowed"): [START + "it is not allowed"],
    e.DnsFailed("x"): [NO_CONNECTION],
    e.ConnectFailed("x"): [NO_CONNECTION],
    e.TlsFailed("x"): [NO_CONNECTION],
    e.FetchTimeout("x"): [NO_CONNECTION],
    e.HttpError("x", http_status=404): [START + "status code was 404"],
    e.TooManyRedirects("x"): [START + "it redirects too often"],
    e.TruncatedBody("x"): [START + "the answer broke off"],
    e.InvalidUrl("it has no host"): [START + "it has no host"],
    e.TooManyBytes("it has 9 bytes"): [START + "it has 9 bytes"],
    e.UnsupportedFormat("x"): ["Could not parse image"],
    e.CorruptImage("x"): ["Could not parse image"],
    e.TooManyPixels("so many"): ["Could not parse image", "So many"],
    e.OutOfMemory("x"): ["Could not parse image"],
    e.DecoderCrashed("x"): ["Could not parse image"],
    e.DecoderTimeout("x"): ["Could not parse image"],
}


def leaves(kind):
    """The classes of the tree without subclasses."""
    below = kind.__subclasses__()
    return {leaf for child in below for leaf in leaves(child)} if below else {kind}


def test_every_failure_of_a_download_or_an_image_is_here():
    classes = leaves(e.FetchError) | leaves(e.ImageError)
    known = {kind for kind in classes if kind.__module__ == e.__name__}
    assert known | {e.BlockedAddress} == set(map(type, WORDS))


@pytest.mark.parametrize(("error", "sentences"), WORDS.items(), ids=lambda part: str(type(part)))
def test_its_words(error, sentences):
    """All are 400 with the code of the tree; what is private in a text stays private."""
    refusal = refusal_of(error)
    assert (refusal.status, refusal.code) == (400, error.code)
    assert len(refusal.errors) == len(sentences)
    assert all(map(str.startswith, refusal.errors, sentences))


def test_a_blocked_address_names_the_settings_that_open_it():
    sentence = refusal_of(e.BlockedAddress("10.0.0.1 of secret.internal")).errors[1]
    assert "PIXMILL_ALLOW_NETWORKS" in sentence
    assert "PIXMILL_ALLOW_PRIVATE" in sentence
    assert "secret" not in sentence


def test_a_defect_is_500_and_says_nothing_of_itself():
    refusal = refusal_of(e.InternalError("a secret"))
    assert (refusal.status, refusal.code) == (500, "internal")
    assert "secret" not in refusal.errors[0]


def test_an_empty_reason_is_no_defect():
    assert refusal_of(e.TooManyPixels("")).errors == ("Could not parse image", "")
