"""What a request asks for: spellings, defaults, ranges, and every mistake at once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.color.difference import METRICS
from pixmill.color.palette import Palette
from pixmill.store import open_catalog
from pixmill.web.asked import Mistakes, check_url, match_asked, match_text, number_of_colors
from pixmill.web.errors import ApiError
from pixmill.web.shelf import Shelf
from pixmill.web.store_calls import StoreCalls

SPACE, DISTANCE = "Invalid colour space", "Invalid max distance"
SUMMARIZER, PALETTE = "Invalid image summariser", "Invalid palette"
PARAMETERS = [
    ({"colour_space": "x"}, [SPACE]),
    ({"color_space": "Lab"}, [SPACE]),
    ({"colour_space": "x", "color_space": "lab"}, [SPACE]),
    ({"colour_space": "lab", "color_space": "x"}, [SPACE]),
    ({"summariser": "mean", "summarizer": "x"}, [SUMMARIZER]),
    ({"max_distance": "-1"}, [DISTANCE]),
    ({"max_distance": "1_0"}, [DISTANCE]),
    ({"max_distance": "nan"}, [DISTANCE]),
    ({"max_distance": "1e400"}, [DISTANCE]),
    ({"max_distance": "\u0663"}, [DISTANCE]),
    ({"max_distance": "0.2" + "0" * 38}, [DISTANCE]),
    ({"summariser": "x"}, [SUMMARIZER]),
    ({"summarizer": "x"}, [SUMMARIZER]),
    ({"palette": "x"}, [PALETTE]),
    ({"palette": "x", "max_distance": "x"}, [DISTANCE, PALETTE]),
    (
        {"palette": "x", "summarizer": "x", "max_distance": "x", "color_space": "x"},
        [SPACE, DISTANCE, SUMMARIZER, PALETTE],
    ),
]


@pytest.fixture
def shelf(tmp_path):
    with open_catalog(None, tmp_path) as catalog:
        yield Shelf(catalog, StoreCalls("catalog"))


async def asked(shelf, url="http://a/", **query):
    return await match_asked(shelf, await match_text(**query), url)


@pytest.mark.parametrize(("query", "sentences"), PARAMETERS)
async def test_mistakes(shelf, query, sentences):
    for upload in (False, True):
        with pytest.raises(ApiError) as caught:
            await match_asked(shelf, await match_text(**query), "http://a/", upload=upload)
        assert (caught.value.status, caught.value.errors) == (400, tuple(sentences))


@pytest.mark.parametrize("empty", ["", None])
async def test_defaults(shelf, empty):
    wish = await asked(
        shelf, colour_space=empty, max_distance=empty, summariser=empty, palette=empty
    )
    assert wish == ("http://a/", Palette.css(), "srgb", None, "kmeans")


async def test_an_upload_has_no_url(shelf):
    wish = await match_asked(shelf, await match_text(), None, upload=True)
    assert wish.url == ""


@pytest.mark.parametrize("space", METRICS)
@pytest.mark.parametrize("name", ["colour_space", "color_space"])
async def test_spaces_in_both_spellings(shelf, space, name):
    assert (await asked(shelf, **{name: space})).space == space


@pytest.mark.parametrize("summarizer", ["kmeans", "mean", "background"])
@pytest.mark.parametrize("name", ["summariser", "summarizer"])
async def test_summarizers_in_both_spellings(shelf, summarizer, name):
    assert (await asked(shelf, **{name: summarizer})).summarizer == summarizer


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-0", 0), ("0.25", 0.25), (".5", 0.5), ("1e2", 100), ("9" * 40, float("9" * 40))],
)
async def test_tolerances(shelf, text, number):
    found = (await asked(shelf, max_distance=text)).max_distance
    assert found == number
    assert math.copysign(1, found) == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "Please specify a 'url' query parameter"),
        ("", "Please specify a 'url' query parameter"),
        (" ", "Only http or https URLs are allowed"),
        ("ftp://a/", "Only http or https URLs are allowed"),
        ("http:/a", "Only http or https URLs are allowed"),
    ],
)
def test_urls_that_are_none(url, sentence):
    mistakes = Mistakes()
    check_url(url, mistakes)
    with pytest.raises(ApiError) as caught:
        mistakes.check()
    assert caught.value.errors == (sentence,)


@pytest.mark.parametrize("url", ["http://a/", "HTTPS://a/", " http://a/"])
def test_urls(url):
    mistakes = Mistakes()
    check_url(url, mistakes)
    mistakes.check()


def read(text):
    mistakes = Mistakes()
    number = number_of_colors(text, 3, mistakes)
    mistakes.check()
    return number


@pytest.mark.parametrize(
    ("text", "number"), [(None, 3), ("", 3), ("1", 1), ("256", 256), ("000000000000012", 12)]
)
def test_numbers_of_colors(text, number):
    assert read(text) == number


@pytest.mark.parametrize(
    "text", ["0", "257", "-1", "+1", "1.0", " 1", "\u0663", "\xb2", "9" * 5000]
)
def test_what_is_no_number_of_colors(text):
    with pytest.raises(ApiError) as caught:
        read(text)
    assert caught.value.errors == ("Invalid number of colours, it is 1 to 256",)


@given(st.text())
def test_no_text_is_more_than_a_mistake(text):
    """Whatever a number is asked for with, it is one in the range or a mistake."""
    mistakes = Mistakes()
    number = number_of_colors(text, 3, mistakes)
    if 1 <= number <= 256:
        mistakes.check()
    else:
        with pytest.raises(ApiError):
            mistakes.check()
