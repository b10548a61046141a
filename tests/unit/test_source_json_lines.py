"""JSON Lines lists: objects or bare texts, and what is neither."""

import json

import pytest

from pixmill.batch.source import SourceOptions, open_source
from tests.unit.reading import assert_resumes_everywhere, read, writer


@pytest.fixture
def put(tmp_path):
    return writer(tmp_path)


JSON_LINES = [
    ('{"url": " http://a/ ", "id": 7, "x": {"y": ["é", null]}}', "http://a/",
     ("7", '{"y": ["é", null]}')),
    ('{"id": null, "url": "http://b/", "x": true}', "http://b/", ("", "true")),
    ('"http://c/"', "http://c/", ("", "")),
    ('{"url": "http://d/", "id": "007", "x": 1.5}', "http://d/", ("007", "1.5")),
    ('{"url": "http://e/", "id": 12345678901234567890}', "http://e/",
     ("12345678901234567890", "")),
]  # fmt: skip


def test_json_lines_hold_objects_or_bare_texts(put):
    path = put("l.jsonl", "\n\n".join(line for line, _, _ in JSON_LINES))
    items = read(path, keep_columns=("id", "x"))
    assert [item.line for item in items] == [1, 3, 5, 7, 9]
    assert [item.url for item in items] == [url for _, url, _ in JSON_LINES]
    assert [tuple(text for _, text in item.extra) for item in items] == [
        kept for _, _, kept in JSON_LINES
    ]
    assert not any(item.error for item in items)
    assert_resumes_everywhere(open_source([path], SourceOptions(keep_columns=("id",))))


@pytest.mark.parametrize(
    "line",
    ["17", "null", "[1]", "{}", '{"url": 5}', '{"URL": "x"}', '{"url": "http://a/"', "1" * 5000],
)  # fmt: skip
def test_other_json_is_an_item_in_error(put, line):
    bad, good = read(put("l.jsonl", line + '\n"http://b/"\n'))
    assert bad.error == "not a JSON object with a text under 'url'"
    assert bad.url == (line if len(line) <= 200 else line[:200] + "…")
    assert good.url == "http://b/"


def nested(levels):
    """Give a line of so many levels, the object itself included."""
    return '{"url": "http://a/", "k": ' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


@pytest.mark.parametrize(
    "line", [nested(levels) for levels in (201, 900, *range(930, 1010))] + ["[" * 100_000]
)
def test_a_line_that_nests_too_deeply_is_an_item_in_error(put, line):
    bad, good = read(put("l.jsonl", line + '\n"http://b/"\n'), keep_columns=("k",))
    assert bad.error == "the line nests more than 200 levels deep"
    assert (bad.url, bad.extra) == (line[:200] + "…", (("k", ""),))
    assert good.url == "http://b/"


def test_a_nested_line_is_the_same_item_however_deep_the_calls_are(put):
    path = put("l.jsonl", nested(200) + "\n" + nested(201))

    def deep_in_calls(depth):
        return deep_in_calls(depth - 1) if depth else read(path, keep_columns=("k",))

    items = deep_in_calls(500)
    assert items == read(path, keep_columns=("k",))
    assert [item.extra[0][1] for item in items] == ["[" * 199 + "]" * 199, ""]


@pytest.mark.parametrize("text", ["[{" * 500, '\\"[' * 500, "]" * 500 + "[" * 500])
def test_brackets_in_texts_and_side_by_side_are_no_levels(put, text):
    value = json.dumps({"text": text, "flat": [[] for _ in range(500)]})
    line = json.dumps({"url": "http://a/", "k": text}) + "\n" + '{"url": "u", "k": ' + value + "}"
    first, second = read(put("l.jsonl", line), keep_columns=("k",))
    assert (first.error, first.extra) == (None, (("k", text),))
    assert (second.error, second.extra) == (None, (("k", value),))


@pytest.mark.parametrize("rest", ['\\"' * 300_000, '"' * 300_001, "\\" * 300_000])
def test_quotes_without_end_take_no_time_that_grows_by_their_square(put, rest):
    (bad,) = read(put("l.jsonl", "[" + "[]," * 300 + '"' + rest))
    assert bad.error == "not a JSON object with a text under 'url'"


def test_the_key_of_json_lines_can_be_chosen(put):
    path = put("l.jsonl", '{"link": "http://a/", "url": "no"}\n{"url": "no"}\n')
    good, bad = read(path, url_column="link")
    assert (good.url, bad.error) == ("http://a/", "not a JSON object with a text under 'link'")


def test_half_a_character_in_json_is_an_item_in_error(put):
    bad, kept = read(
        put("l.jsonl", '{"url": "http://a/\\ud800"}\n{"url": "http://b/", "k": "\\udfff"}'),
        keep_columns=("k",),
    )
    assert (bad.url, bad.error) == ("http://a/\ufffd", "the URL holds half a character")
    assert (kept.url, kept.extra, kept.error) == ("http://b/", (("k", "\ufffd"),), None)
