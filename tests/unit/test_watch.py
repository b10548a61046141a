"""What a run says: safe for terminals, valid for machines, in time; Ctrl-C stops it in order."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path

import pytest

from pixmill.batch.job import Report
from pixmill.batch.progress import Progress
from pixmill.cli.watch import (
    JsonVoice,
    RunWatcher,
    TextVoice,
    open_voice,
    progress_line,
    tell_summary,
)
from pixmill.record import Analysis, Color, Failure, Record

HOSTILE = "http://a/\x1b]0;owned\x07\x1b[31m\u202egpj\r\nline 1: forged\udcff :warning: [bold]"
SAFE_URL = (
    "http://a/\\x1b]0;owned\\x07\\x1b[31m\\u202egpj\\r\\nline 1: forged\\udcff :warning: [bold]"
)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class FakeRun:
    """Stands where a run does; knows only how often it was stopped."""

    stops = 0

    def stop(self):
        self.stops += 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def failed(line=17, code="timeout", url="http://a/", message="too slow", **more):
    return Record(line, url, failure=Failure(code, message, more.pop("traceback", None)), **more)


def succeeded(line=1):
    color = Color((0, 0, 0), "#000000", 1, 1.0)
    return Record(line, "http://a/", Analysis((color,), 1, 1, 1, "png", 100))


class Said:
    """All that was written to standard error, from the beginning."""

    def __init__(self, capsys):
        self._capsys = capsys
        self._text = ""

    def getvalue(self):
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def said(capsys):
    return Said(capsys)


@pytest.fixture
def terminal(monkeypatch):
    """Call it to make standard error a terminal of 200 columns while it lasts."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    return lambda: contextlib.redirect_stderr(Terminal())


# Text


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


# JSON


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


# When failures and progress are told


def lines(said):
    return said.getvalue().splitlines()


def test_failures_are_told_every_hundred_of_them_and_at_the_end(said):
    with RunWatcher(TextVoice(), 0) as watcher:
        for line in range(1, 100):
            watcher.seen(failed(line))
            watcher.seen(succeeded(line))
        assert lines(said) == []
        watcher.seen(failed(100))
        assert len(lines(said)) == 100
        watcher.seen(failed(101))
        assert len(lines(said)) == 100
    assert [line.split(":")[0] for line in lines(said)] == [f"line {n}" for n in range(1, 102)]


def test_failures_are_told_also_when_the_run_breaks_off(said):
    with contextlib.suppress(ZeroDivisionError), RunWatcher(TextVoice(), 0) as watcher:
        watcher.seen(failed())
        raise ZeroDivisionError
    assert len(lines(said)) == 1


@pytest.mark.parametrize(("verbosity", "expected"), [(1, 1), (2, 2)])
def test_v_tells_each_failure_at_once_and_vv_its_traceback(said, verbosity, expected):
    with RunWatcher(TextVoice(), verbosity) as watcher:
        watcher.seen(failed(traceback="Trace\n"))
        assert len(lines(said)) == expected


def test_progress_is_told_every_ten_seconds_to_a_file(said):
    clock = Clock()
    with RunWatcher(TextVoice(), 0, clock) as watcher:
        watcher.started(FakeRun(), Progress(clock), 0)
        told = []
        for clock.now in (0.0, 9.9, 10.0, 10.1, 19.9, 20.0, 55.0, 64.9):
            watcher.seen(succeeded())
            told.append(len(lines(said)))
    assert told == [0, 0, 1, 1, 1, 2, 3, 3]


def test_progress_is_drawn_ten_times_a_second_on_a_terminal(terminal):
    clock = Clock()
    with terminal() as screen, RunWatcher(TextVoice(), 0, clock) as watcher:
        watcher.started(FakeRun(), Progress(clock), 0)
        watcher.tick()
        assert screen.getvalue() == ""
        clock.now = 0.11
        watcher.tick()
        assert "images/s" in screen.getvalue()


def test_where_a_run_goes_on_is_said(said):
    with RunWatcher(TextVoice(), 0) as watcher:
        watcher.started(FakeRun(), Progress(), 0)
        watcher.started(FakeRun(), Progress(), 12_345)
    assert lines(said) == ["going on after line 12,345"]


# Summary


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


# Signals

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def handlers():
    """The handlers of this process, put back at the end whatever a test does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_stops_the_run_and_the_second_interrupts(handlers, number, said):
    run = FakeRun()
    with RunWatcher(TextVoice(), 0) as watcher:
        watcher.started(run, Progress(), 0)
        watcher.seen(failed())
        signal.raise_signal(number)
        assert run.stops == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert run.stops == 1
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers
    assert len(lines(said)) == 1, "the failures are told all the same"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_the_run_interrupts_at_once(handlers, number, said):
    with pytest.raises(KeyboardInterrupt), RunWatcher(TextVoice(), 0):
        signal.raise_signal(number)
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


def test_the_handlers_that_were_there_are_put_back(handlers, said):
    def own(number, frame):
        raise AssertionError

    signal.signal(signal.SIGINT, own)
    with RunWatcher(TextVoice(), 0):
        assert signal.getsignal(signal.SIGINT) is not own
    assert signal.getsignal(signal.SIGINT) is own


def test_a_signal_that_was_ignored_stays_ignored(handlers, said):
    """As the shell starts commands in the background, and nohup."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run = FakeRun()
    with RunWatcher(TextVoice(), 0) as watcher:
        watcher.started(run, Progress(), 0)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert run.stops == 1
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_another_thread_signals_are_left_to_the_program(handlers, said):
    inside = {}

    def watch():
        with RunWatcher(TextVoice(), 0) as watcher:
            watcher.seen(failed())
            inside.update({number: signal.getsignal(number) for number in SIGNALS})

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join(30)
    assert inside == handlers
    assert len(lines(said)) == 1


def test_the_second_sigterm_ends_the_process():
    program = """
        import signal
        from pixmill.cli.watch import RunWatcher, TextVoice

        class Run:
            def stop(self):
                print("stopped", flush=True)

        with RunWatcher(TextVoice(), 0) as watcher:
            watcher.started(Run(), None, 0)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            print("still here", flush=True)
    """
    done = subprocess.run(
        check=False,
        args=[sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "stopped\n"), done.stderr
