"""Traces of jobs: a span for the request that makes one, and for each thing that is done for it.

Owns which trace a span is of. A job's trace has the job's id for its own: both are 128 bits. So
whoever knows the job knows its trace, the relay that sends a message much later and the worker that
does a shard on another machine too, and no row keeps it. In the same way the first span, of what
made the job, has an id that follows from the job's. A message carries `traceparent`, by which a
worker's span hangs below that of the sending; one that comes without it hangs below the first.

One for the process, as the log of a library is: spans are begun in rooms that are handed nothing of
the kind. Without an endpoint there is none, nothing of OpenTelemetry is imported, and a span costs
a microsecond. What a span tells are numbers, ids and codes, never a URL, a name or a text of
anybody's. Source: W3C Trace Context; OpenTelemetry's specification of environment variables.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from pixmill.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Value = str | int | float | bool
Kind = Literal["internal", "server", "producer", "consumer"]
TRACEPARENT = "traceparent"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_SHOWN_DIGITS = 3


class Begun(NamedTuple):
    """What is known of a span when it begins.

    With `first` it is what made the job. `parent` is the `traceparent` of the span around it, and
    `link` that of one in another trace. `ago_s` is how many seconds ago it began.
    """

    name: str
    job_id: str
    kind: Kind = "internal"
    first: bool = False
    parent: str | None = None
    link: str | None = None
    ago_s: float = 0.0


class Span(Protocol):
    """A span that is under way."""

    @property
    def traceparent(self) -> str | None:
        """What others hang their spans below it by; None where there are none."""

    def add(self, standard: Mapping[str, Value] | None = None, **own: Value | None) -> None:
        """Tell more: under names of OpenTelemetry's conventions, and as `pixmill.` and a name."""

    def fail(self, code: str) -> None:
        """Tell that it failed: with a code of the error tree, or the kind of an exception."""

    def drop(self) -> None:
        """Leave the span out after all."""


class Sink(Protocol):
    """Where spans go."""

    def begin(self, begun: Begun) -> Span:
        """Begin a span."""

    def end(self, span: Span, error: BaseException | None) -> None:
        """End a span, that of something that failed with an error."""

    def close(self) -> None:
        """Send what is left, for a bounded time."""


class _Nothing:
    traceparent = None

    def add(self, standard: Mapping[str, Value] | None = None, **own: Value | None) -> None:
        pass

    def fail(self, code: str) -> None:
        pass

    def drop(self) -> None:
        pass


class _Process:
    """Where the spans of this process go; None is nowhere."""

    sink: Sink | None = None


_process = _Process()
_nothing = _Nothing()
_around: ContextVar[tuple[str, str | None]] = ContextVar("pixmill-span", default=("", None))


@contextmanager
def span(
    name: str, job_id: str, *, kind: Kind = "internal", first: bool = False, **own: Value | None
) -> Iterator[Span]:
    """Have a span for as long as the context lasts: something that is done for a job.

    It hangs below the span of the same job that is around it, in this thread or by `delivered`.
    """
    sink = _process.sink
    if sink is None:
        with delivered(job_id, None):
            yield _nothing
        return
    job, parent = _around.get()
    begun = sink.begin(Begun(name, job_id, kind, first, parent if job == job_id else None))
    begun.add(None, **{"job": job_id, **own})
    token = _around.set((job_id, begun.traceparent))
    try:
        yield begun
    except BaseException as error:
        sink.end(begun, error)
        raise
    else:
        sink.end(begun, None)
    finally:
        _around.reset(token)


@contextmanager
def delivered(job_id: str, traceparent: object) -> Iterator[None]:
    """Let the spans of a job, meanwhile, hang below the one that a message tells of."""
    token = _around.set((job_id, traceparent if isinstance(traceparent, str) else None))
    try:
        yield
    finally:
        _around.reset(token)


def job_at_hand() -> str | None:
    """Tell which job this thread is at; None outside of all spans."""
    return _around.get()[0] or None


def record(begun: Begun, standard: Mapping[str, Value], **own: Value | None) -> None:
    """Tell of something, at its end, that was done for a job."""
    sink = _process.sink
    if sink is not None:
        recorded = sink.begin(begun)
        recorded.add(standard, **{"job": begun.job_id, **own})
        sink.end(recorded, None)


def is_shown(number: int) -> bool:
    """Whether a shard of this number has a span where all went well: at most 900 of each magnitude.

    The first thousand have, then each tenth, then each hundredth: a list of a billion lines has
    half a million shards, which no trace could hold.
    """
    step: int = 10 ** max(0, len(str(number)) - _SHOWN_DIGITS)
    return number % step == 0


@contextmanager
def traces_sent(
    service: str, told: Callable[[str, BaseException], None], *, instance: str | None = None
) -> Iterator[None]:
    """Send the spans of this process meanwhile, if the environment names where to.

    `service` is the name of this kind of process, where OTEL_SERVICE_NAME says no other, `instance`
    that of this one. `told` is given the first of each row of failures. Raises MissingExtra and
    UsageError.
    """
    variable = _endpoint_variable()
    if variable is None:
        yield
        return
    _check(variable)
    try:
        from pixmill.telemetry.exporting import Exporting  # noqa: PLC0415  the extra
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise MissingExtra(f"tracing, which {variable} asks for,", "otel") from error
    before, sink = _process.sink, Exporting(service, instance, told)
    _process.sink = sink
    try:
        yield
    finally:
        _process.sink = before
        sink.close()


def _endpoint_variable() -> str | None:
    """Name the variable that says where spans go; None where none does."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    return next((name for name in _ENDPOINTS if os.environ.get(name)), None)


def _check(variable: str) -> None:
    """Raise UsageError for what would fail with every span."""
    if not os.environ[variable].startswith(("http://", "https://")):
        raise UsageError(f"{variable}: this is no URL that begins with http:// or https://")
    named = next((name for name in _PROTOCOLS if os.environ.get(name)), None)
    if named is not None and os.environ[named] != _PROTOCOL:
        raise UsageError(f"{named}: {os.environ[named]!r}: pixmill sends traces as {_PROTOCOL}")
