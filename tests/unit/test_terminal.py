"""Nothing that comes from outside can drive a terminal, and numbers read well."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.cli.terminal import counted, duration, printable, printable_lines

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(st.characters(), max_size=400))
def test_no_character_that_could_drive_a_terminal_stays(text):
    assert not [char for char in printable(text) if unicodedata.category(char) in HARMFUL]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a/é☃", "http://a/é☃"),
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("a\nb\r\tc\x00\x7f\x9b", "a\\nb\\r\\tc\\x00\\x7f\\x9b"),
        ("\u202egpj.exe\u2066\u200f", "\\u202egpj.exe\\u2066\\u200f"),
        ("\u2028\u2029\x85\xa0", "\\u2028\\u2029\\x85\\xa0"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("", ""),
    ],
)
def test_what_is_escaped_can_still_be_read(text, expected):
    assert printable(text) == expected


def test_length_is_bounded():
    assert printable("x" * 300) == "x" * 300
    assert printable("x" * 301) == "x" * 299 + "…"
    assert len(printable("\U000e0041" * 10_000)) <= 3_000


def test_lines_keep_their_line_feeds_only():
    assert printable_lines("one\n  two\x1b[1m\r\n") == "one\n  two\\x1b[1m\\r\n"
    assert len(printable_lines("/" + "x" * 4_096)) == 4_097


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (187, "3m 07s"),
        (3599.6, "1h 00m"),
        (7500, "2h 05m"),
        (1e6, "277h 46m"),
    ],
)
def test_spans_of_time_read_well(seconds, expected):
    assert duration(seconds) == expected


def test_counts_read_well():
    assert counted(1, "image") == "1 image"
    assert counted(0, "image") == "0 images"
    assert counted(2000, "image") == "2,000 images"
