"""The answers that pages show are those that the service and the commands give now."""

from __future__ import annotations

import difflib
import os
import re
import shutil

import pytest
from scripts import samples


@pytest.fixture(autouse=True)
def curl():
    if shutil.which("curl") is None:
        missing = pytest.fail if os.environ.get("PIXMILL_REQUIRE_SERVICES") else pytest.skip
        missing("curl is not installed: apt-get install curl")


@pytest.mark.soak
@pytest.mark.parametrize("path", samples.PAGES, ids=lambda path: path.name)
def test_a_page_shows_what_is_answered_now(path):
    page = path.read_text(encoding="utf-8")
    with samples.opened(page) as session:
        fresh = samples.renewed(page, session.answer)
    changes = difflib.unified_diff(page.splitlines(), fresh.splitlines(), path.name, "now", n=2)
    assert list(changes) == [], "run `python -m scripts.samples --write`"


@pytest.mark.parametrize("path", samples.PAGES, ids=lambda path: path.name)
def test_a_page_has_samples_and_no_secret(path):
    page = path.read_text(encoding="utf-8")
    assert len(samples.SAMPLE.findall(page)) >= 3
    assert not samples.KEY.search(page)
    assert not re.search(r"code=[\w-]", page)


def test_an_answer_that_has_changed_is_seen():
    page = "Before\n\n```console\n$ echo new; echo bad >&2\n```\n\n```text\nold\n```\nAfter\n"
    with samples.opened(page) as session:
        fresh = samples.renewed(page, session.answer)
    assert fresh == page.replace("\nold\n", "\nnew\nbad\n")


def test_commands_without_an_answer_beside_them_are_not_run():
    page = "```console\n$ rm -r /\n```\n\nWords\n\n```text\nmore\n```\n"
    assert samples.renewed(page, pytest.fail) == page


def test_an_http_answer_is_told_by_status_some_headers_and_its_body():
    said = (
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 429 Too Many Requests\r\ndate: now\r\nretry-after: 7\r\n\r\n"
        '{"errors": ["Slow down"], "code": "too_many_requests"}'
    )
    assert samples.normal(samples.told(said)).splitlines() == [
        "HTTP/1.1 429 Too Many Requests",
        "retry-after: 30",
        "",
        '{"errors": ["Slow down"], "code": "too_many_requests"}',
    ]
