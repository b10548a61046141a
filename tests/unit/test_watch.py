"""When a run speaks; Ctrl-C stops it in order."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from pixmill.batch.progress import Progress
from pixmill.cli.voice import (
    TextVoice,
)
from pixmill.cli.watch import RunWatcher
from tests.unit.spoken import Clock, FakeRun, Said, a_terminal, failed, lines, succeeded


@pytest.fixture
def said(capsys):
    return Said(capsys)


@pytest.fixture
def terminal(monkeypatch):
    return a_terminal(monkeypatch)


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
        from pixmill.cli.voice import TextVoice
        from pixmill.cli.watch import RunWatcher

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
