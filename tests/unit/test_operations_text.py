"""Chains as text: read, spelled, and every mistake told with its line and word."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.imaging.operations import (
    OPERATIONS,
    PRESETS,
    ChainError,
    Step,
    canonical,
    parse_text,
    parse_words,
)
from pixmill.imaging.operations.parameters import Color, Number, Whole, Word

RESIZE = Step("resize", (640, 480, "fit", "centre"))


def mistakes(text):
    with pytest.raises(ChainError) as caught:
        parse_text(text)
    return caught.value.mistakes


def test_a_line_is_an_operation_and_blank_lines_and_comments_are_none():
    text = "# a thumbnail\n\n  resize   640\t480 # within\r\n\ngrayscale\n#flip\nflatten #00ff00\n"
    chain = (RESIZE, Step("grayscale", ("mean",)), Step("flatten", ("#00FF00",)))
    assert parse_text(text) == chain
    assert parse_words(["resize 640 480", "grayscale", "flatten #00ff00"]) == chain
    assert parse_text("") == parse_words([]) == ()


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("resize 640", (640, "-", "fit", "centre")),
        ("resize - 480", ("-", 480, "fit", "centre")),
        ("resize 640 shrink", (640, "-", "shrink", "centre")),
        ("resize 9 8 fill", (9, 8, "fill", "centre")),
        ("resize 9 8 fill center", (9, 8, "fill", "centre")),
        ("resize 9 8 fill attention", (9, 8, "fill", "attention")),
        ("pad 9 8", (9, 8, "transparent", "centre")),
        ("pad 9 8 north", (9, 8, "transparent", "north")),
        ("pad 9 8 #abcdef north", (9, 8, "#ABCDEF", "north")),
        ("convert jpg", ("jpeg", 0)),
        ("convert webp 75", ("webp", 75)),
        ("rotate -90", (-90.0,)),
        ("trim", (10.0,)),
    ],
)
def test_what_is_left_out_is_filled_in(line, arguments):
    assert parse_text(line) == (Step(line.split()[0], arguments),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n\nresize 64O", 'line 3: resize: "64O" is no whole number from 1 to 65535 or -'),
        ("polish", 'line 1: "polish" is no operation'),
        ("Flip", 'line 1: "Flip" is no operation'),
        ("flip 3", 'line 1: flip: "3" is more than it takes'),
        ("crop 1 2 3", "line 1: crop: height is missing, a whole number from 1 to 65535"),
        ("crop -1 2 3 4", 'line 1: crop: "-1" is no whole number from 0 to 65535'),
        ("blur 100.1", 'line 1: blur: "100.1" is no number from 0.1 to 100'),
        ("resize - -", "line 1: resize: a width or a height is needed"),
        ("resize 9 fill", "line 1: resize: fill needs a width and a height"),
        ("resize - 9 force", "line 1: resize: force needs a width and a height"),
        ("resize 9 9 fit north", "line 1: resize: north is for fill only"),
        ("resize 9 9 stretch", 'line 1: resize: "stretch" is no word of fit, shrink, fill, force'),
        ("flatten #FFF", 'line 1: flatten: "#FFF" is no color #RRGGBB'),
        ("pad 9 9 red", 'line 1: pad: "red" is no color #RRGGBB or transparent'),
        ("convert bmp", 'line 1: convert: "bmp" is no word of jpeg, png, webp, avif, tiff'),
        ("convert png 9", "line 1: convert: png has no quality"),
        ("convert jpeg 0", 'line 1: convert: "0" is no whole number from 1 to 100'),
        ("preset", 'line 1: preset: "" is no word of thumbnail, preview, normalized'),
        ("preset x y", 'line 1: preset: "x y" is no word of thumbnail, preview, normalized'),
    ],
)
def test_a_mistake_is_told_by_line_and_word(text, sentence):
    assert mistakes(text) == (sentence,)


def test_all_mistakes_are_told_at_once_and_twenty_at_most():
    assert mistakes("flip\nfoo\nflop\nbar 1") == (
        'line 2: "foo" is no operation', 'line 4: "bar" is no operation',
    )  # fmt: skip
    assert len(mistakes("foo\n" * 30)) == 20


def test_strings_are_told_by_their_number():
    with pytest.raises(ChainError) as caught:
        parse_words(["flip", "foo", ""])
    assert caught.value.mistakes == (
        'operation 2: "foo" is no operation', 'operation 3: "" is no operation',
    )  # fmt: skip


def test_bounds_hold():
    assert len(parse_text("flip\n" * 32)) == 32
    assert mistakes("flip\n" * 33) == ("a chain has at most 32 operations, not 33",)
    assert mistakes("preset thumbnail\n" * 11) == ("a chain has at most 32 operations, not 33",)
    assert mistakes("#" * 8193) == ("a chain's text takes at most 8192 bytes",)
    assert "has more than 200 characters" in mistakes("flip" + " " * 200 + ".")[0]
    with pytest.raises(ChainError, match="at most 32 operations, not 1000"):
        parse_words(["flip"] * 1000)


HOSTILE = [
    "9" * 190, "1e5", "1E5", "inf", "-inf", "nan", "NaN", "Infinity", "-1", "--1", "+1", "0x10",
    "1_000", "\u0661\u0662", "\uff11", "\u00b2", "1,5", ".5", "5.", "1.0000001", "\0", "5\0",
    "\x1b[31m", "\u202e5", "\ud800", "5%", "'; drop", "%s%n", "../x", "\u2028", "1\x0b2",
    "\U0001f600" * 50, "True",
]  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE, ids=ascii)
def test_no_hostile_word_is_taken_or_breaks_anything(word):
    for operation in OPERATIONS.values():
        for at in range(len(operation.parameters) + 1):
            words = operation.example.split()[: at + 1]
            if (operation.name, word, at) == ("rotate", "-1", 0):
                continue
            for sentence in mistakes(" ".join([*words, word])):
                assert sentence.startswith("line 1: ")
                assert sentence.isascii()
                assert sentence.isprintable()
                assert len(sentence) < 700
    mistakes(word)


@given(st.text(max_size=300))
def test_any_text_is_a_chain_or_has_mistakes(text):
    try:
        chain = parse_text(text)
    except ChainError as error:
        assert 1 <= len(error.mistakes) <= 20  # noqa: PT017
    else:
        assert parse_text(canonical(chain)) == chain


def words_of(parameter):
    """Words that a parameter takes."""
    match parameter:
        case Whole():
            numbers = st.integers(parameter.least, parameter.most).map(str)
            return numbers | st.just(parameter.blank) if parameter.blank else numbers
        case Number():
            millionths = st.integers(round(parameter.least * 10**6), round(parameter.most * 10**6))
            return millionths.map(lambda number: f"{number / 10**6:.6f}")
        case Word():
            return st.sampled_from(parameter.words)
        case Color():
            colors = st.from_regex(r"#[0-9A-Fa-f]{6}", fullmatch=True)
            return colors | st.sampled_from(parameter.words) if parameter.words else colors


def lines():
    """Lines that may well be operations."""
    return st.sampled_from(list(OPERATIONS.values())).flatmap(
        lambda operation: st.tuples(
            st.just(operation.name), *(words_of(part) for part in operation.parameters)
        ).map(" ".join)
    )


@given(st.lists(lines(), max_size=32))
def test_what_is_spelled_is_read_as_it_was(given_lines):
    kept = [line for line in given_lines if is_chain(line)]
    chain = parse_words(kept)
    assert parse_text("\n".join(kept)) == chain
    assert parse_text(canonical(chain)) == chain
    assert parse_words(canonical(chain).split("\n") if chain else []) == chain
    assert canonical(parse_text(canonical(chain))) == canonical(chain)
    assert hash(chain) == hash(pickle.loads(pickle.dumps(chain)))


def is_chain(line):
    try:
        parse_text(line)
    except ChainError:
        return False
    return True


def test_defaults_are_not_spelled():
    text = "resize 640 480 fit centre\npad 9 8 transparent north\nblur 2.50\ntrim 10.0\nsharpen 1"
    assert canonical(parse_text(text)) == "resize 640 480\npad 9 8 north\nblur 2.5\ntrim\nsharpen"


def test_presets_stand_for_their_operations():
    for name, text in PRESETS.items():
        assert parse_text(f"flip\npreset {name}") == parse_text(f"flip\n{text}")
        assert canonical(parse_text(text)) == text


def test_examples_are_chains_and_usage_names_every_parameter():
    for name, operation in OPERATIONS.items():
        assert operation.name == name
        (step,) = parse_text(operation.example)
        assert step.name == name
        assert len(operation.usage.split()) == 1 + len(operation.parameters)
        assert operation.summary.endswith(".")


def test_an_error_crosses_processes():
    error = ChainError(["line 1: a", "line 2: b"])
    again = pickle.loads(pickle.dumps(error))
    assert again.mistakes == error.mistakes
    assert str(again) == "line 1: a; line 2: b"


def test_importing_operations_is_cheap():
    heavy = ["pyvips", "numpy", "PIL", "numba", "simplejpeg", "scipy"]
    program = (
        "import sys, pixmill.imaging.operations;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
