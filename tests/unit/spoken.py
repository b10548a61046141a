"""Runs, records and terminals for the tests of what is said, and when."""

import contextlib
import io

from pixmill.record import Analysis, Color, Failure, Record


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


def a_terminal(monkeypatch):
    """Call what it gives to make standard error a terminal of 200 columns while it lasts."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    return lambda: contextlib.redirect_stderr(Terminal())


def lines(said):
    return said.getvalue().splitlines()
