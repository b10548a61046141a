"""The service's log on standard error: one line a request, and what went wrong inside.

Owns the form, text or JSON lines, and that nothing in them can forge a line or drive a terminal.
No query string, header, body or credential is ever given to it. A line that can not be written
costs no request.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import structlog

from pixmill.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence
    from typing import TextIO

    from pixmill.telemetry.defects import Defects

_VALUE_LIMIT = 300
_LINE_LIMIT = 8_192
_TASKS = "asyncio"
_NETWORKS = ("amqp", "kombu")
_SERVER = ("uvicorn.error", _TASKS, "python_multipart")
_TOLD_BY_AN_EXCEPTION = "Application startup failed. Exiting."


class Log:
    """Writes events with facts; `log_format` is `text` or `json`, `stream` standard error.

    `defects` is told of errors too.
    """

    def __init__(
        self, log_format: str, stream: TextIO | None = None, defects: Defects | None = None
    ) -> None:
        self._defects = defects
        renderer = structlog.processors.JSONRenderer() if log_format == "json" else _write_text
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                renderer,
            ],
        )

    def info(self, event: str, **facts: object) -> None:
        """Write what is as it should be."""
        with _unwritten_lines_are_lost():
            self._log.info(event, **facts)

    def warning(self, event: str, **facts: object) -> None:
        """Write what someone may want to look at."""
        with _unwritten_lines_are_lost():
            self._log.warning(event, **facts)

    def error(self, event: str, error: BaseException | None = None, **facts: object) -> None:
        """Write what must not happen, with the traceback of `error`, which is also reported.

        A RunError is a sentence that says what is wrong, and is written as the `cause`.
        """
        if error is not None and self._defects is not None:
            self._defects.report(error, event, **facts)
        self._write_error(event, error, facts)

    def library(self, name: str, message: str, error: BaseException | None) -> None:
        """Write what a library says is wrong. Only what ended a task can be a defect of ours."""
        if error is not None and self._defects is not None and name == _TASKS:
            self._defects.report(error, "a task ended by a defect")
        is_network = type(error).__module__.partition(".")[0] in _NETWORKS
        if name != _TASKS and (is_network or isinstance(error, OSError)):
            error = None  # the message tells of it
        self._write_error("library", error, {"name": name, "message": message})

    def _write_error(
        self, event: str, error: BaseException | None, facts: dict[str, object]
    ) -> None:
        if isinstance(error, RunError):
            facts["cause"] = str(error)
        elif error is not None:
            facts["traceback"] = "".join(traceback.format_exception(error))
        with _unwritten_lines_are_lost():
            self._log.error(event, **facts)


@contextlib.contextmanager
def libraries_speak_through(log: Log, names: Sequence[str] = _SERVER) -> Iterator[None]:
    """Let libraries say errors through `log` meanwhile, and else nothing: those of the server.

    Their warnings quote what clients sent, raw.
    """
    handler = _Forwarding(log)
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _Forwarding(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == _TOLD_BY_AN_EXCEPTION:
            return
        error = record.exc_info[1] if record.exc_info else None
        self._log.library(record.name, record.getMessage().strip(), error)


@contextlib.contextmanager
def _unwritten_lines_are_lost() -> Iterator[None]:
    # A full disk or a reader that went away (OSError), or a closed stream (ValueError).
    with contextlib.suppress(OSError, ValueError):
        yield


def _write_text(_: Any, __: str, facts: MutableMapping[str, Any]) -> str:
    """Write one line of `name=value`, and a traceback indented below it."""
    trace = str(facts.pop("traceback", ""))
    start = [str(facts.pop(name)) for name in ("timestamp", "level", "event")]
    pairs = [f"{name}={_value(value)}" for name, value in facts.items() if value is not None]
    lines = [" ".join(start + pairs)]
    lines += ["    " + _printable(line, _LINE_LIMIT) for line in trace.splitlines()]
    return "\n".join(lines)


def _value(value: object) -> str:
    text = _printable(str(value), _VALUE_LIMIT)
    if text and not any(char in text for char in ' "='):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _printable(text: str, limit: int) -> str:
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
