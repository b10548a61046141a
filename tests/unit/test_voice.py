"""What a run says: safe for terminals, valid for machines."""

import json
from collections import Counter
from pathlib import Path

import pytest

from pixmill.batch.job import Report
from pixmill.batch.progress import Progress
from pixmill.cli.voice import (
    JsonVoice,
    TextVoice,
    open_voice,
    progress_line,
    tell_summary,
)
from pixmill.cli.watch import RunWatcher
from tests.unit.spoken import Clock, FakeRun, Said, a_terminal, failed, lines, succeeded

HOSTILE = "http://a/\x1b]0;owned\x07\x1b[31m\u202egpj\r\nline 1: forged\udcff :warning: [bold]"


SAFE_URL = (
    "http://a/\\x1b]0;owned\\x07\\x1b[31m\\u202egpj\\r\\nline 1: forged\\udcff :warning: [bold]"
)


@pytest.fixture
def said(capsys):
    return Said(capsys)


@pytest.fixture
def terminal(monkeypatch):
    return a_terminal(monkeypatch)


def test_a_failure_is_one_line(said):
    voice = TextVoice()
    voice.failure(failed(), traceback=False)
    voice.failure(
        failed(18, "http_error", message="the server says no", http_status=404), traceback=False
    )
    assert said.getvalue() == (
        "line 17: timeout http://a/ (too slow)\nline 18: http_error 404 http://a/\n"
    )


def test_what_did_not_fail_is_not_spoken_of(said):
    TextVoice().failure(succeeded(), traceback=True)
    JsonVoice().failure(succeeded(), traceback=True)
    assert said.getvalue() == ""


def _speak_of_hostile_things(voice):
    trace = f'Traceback:\n  File "x"\nValueError: {HOSTILE}\n'
    voice.failure(failed(url=HOSTILE, message=HOSTILE, traceback=trace), traceback=True)
    voice.say("note", f"{HOSTILE}", output=HOSTILE)
    report = Report(True, 1, {"timeout": 1})
    tell_summary(voice, report, Path(HOSTILE), Path(HOSTILE + "-errors"))


def test_hostile_text_never_reaches_a_file_raw(said):
    _speak_of_hostile_things(TextVoice())
    assert said.getvalue().replace("\n", "").isprintable()
    assert f"line 17: timeout {SAFE_URL} ({SAFE_URL})\n" in said.getvalue()
    assert not any(line.startswith("line 1:") for line in said.getvalue().splitlines()[:4])


def test_hostile_text_never_reaches_a_terminal_raw(terminal):
    with terminal() as screen:
        voice = TextVoice()
        voice.progress(Progress(Clock()))  # from now on a bar is drawn
        before = len(screen.getvalue())
        voice.failure(failed(url=HOSTILE, message=HOSTILE), traceback=False)
        voice.close()
        drawn = screen.getvalue()[before:]
    assert SAFE_URL in drawn, "as it is: no emoji, no markup"
    assert "\x1b]0;" not in drawn
    assert "\x1b[31m" not in drawn
    assert "\u202e" not in drawn


def test_the_bar_gives_the_terminal_back(terminal):
    with terminal() as screen:
        voice = TextVoice()
        progress = Progress(Clock(), share=0.25)
        voice.progress(progress)
        voice.progress(progress)
        assert "25%" in screen.getvalue()
        assert screen.getvalue().count("\x1b[?25l") == 1, "the cursor is hidden"
        voice.close()
        assert screen.getvalue().count("\x1b[?25h") == 1, "and shown again"
        voice.say("summary", "the end")
        assert screen.getvalue().endswith("the end\n")


def test_elsewhere_progress_is_plain_lines(said):
    clock = Clock()
    progress = Progress(clock, share=0.25)
    progress.add(succeeded())
    progress.add(failed())
    clock.now = 4.0
    TextVoice().progress(progress)
    assert said.getvalue() == " 25%  2 images  0 images/s  0.0 MB/s  1 failed  12s left\n"


def test_progress_leaves_out_what_is_not_known():
    assert progress_line(Progress(Clock())) == "0 images  0 images/s  0.0 MB/s  0 failed"


def events(said):
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_every_line_is_a_json_object_whatever_is_in_it(said):
    voice = open_voice("json")
    _speak_of_hostile_things(voice)
    voice.progress(Progress(Clock()))
    voice.close()
    assert said.getvalue().isascii()
    assert "\x1b" not in said.getvalue()
    assert [event["event"] for event in events(said)] == ["failed", "note", "summary", "progress"]
    assert events(said)[0]["url"] == HOSTILE
    assert events(said)[1]["message"] == HOSTILE


def test_events_have_the_documented_keys(said):
    voice = JsonVoice()
    voice.failure(failed(http_status=None, attempts=3, traceback="Trace"), traceback=False)
    voice.failure(failed(traceback="Trace"), traceback=True)
    clock = Clock()
    progress = Progress(clock, share=0.5)
    progress.add(succeeded())
    clock.now = 2.0
    voice.progress(progress)
    watcher = RunWatcher(voice, 0)
    watcher.started(FakeRun(), progress, 7)
    report = Report(True, 5, {"timeout": 2})
    tell_summary(voice, report, Path("o.csv"), Path("o-errors.csv"))
    told = events(said)
    for event in told:
        assert event.pop("timestamp").endswith("Z")
    failure = {"line": 17, "url": "http://a/", "code": "timeout", "message": "too slow"}
    failure |= {"event": "failed", "level": "warning", "http_status": None}
    assert told == [
        {**failure, "attempts": 3},
        {**failure, "attempts": 0, "traceback": "Trace"},
        {
            "event": "progress", "level": "info", "share": 0.5, "images": 1, "ok": 1, "failed": 0,
            "images_per_s": 0.5, "bytes_per_s": 50, "left_s": 2.0,
        },
        {"event": "resumed", "level": "info", "message": "going on after line 7", "line": 7},
        {
            "event": "summary", "level": "info", "ok": 5, "failed": {"timeout": 2},
            "output": "o.csv", "errors": "o-errors.csv",
            "message": "7 images: 5 ok, 2 failed\n          2  timeout\no.csv\no-errors.csv",
        },
    ]  # fmt: skip


def test_the_summary_counts_by_code_the_commonest_first(said):
    clock = Clock()
    progress = Progress(clock)
    for _ in range(10):
        progress.add(succeeded())
    clock.now = 2.0
    failures = Counter(dns_failed=3, http_error=1200, blocked_address=3)
    report = Report(True, 4000, dict(failures), progress=progress)
    tell_summary(TextVoice(), report, Path("o.csv"), Path("o-errors.csv"))
    assert lines(said) == [
        "5,206 images: 4,000 ok, 1,206 failed in 2s (5.0 images/s, 0.0 MB/s)",
        "      1,200  http_error",
        "          3  blocked_address",
        "          3  dns_failed",
        "o.csv",
        "o-errors.csv",
    ]


def test_a_summary_without_failures_names_no_errors_file(said):
    report = Report(True, 1, {})
    tell_summary(TextVoice(), report, Path("o.csv"), Path("o-errors.csv"))
    tell_summary(TextVoice(), report, None, Path("o-errors.csv"))
    assert lines(said) == ["1 image: 1 ok, 0 failed", "o.csv", "1 image: 1 ok, 0 failed"]
