"""Spans to OTLP over HTTP, by the SDK of OpenTelemetry. Needs the `otel` extra.

Owns the ids that follow from a job's, and that a receiver which is away costs nothing but its
spans: they are sent by a thread of the SDK's own, of a queue that drops what it has no room for.
Everything that can be set is set by the SDK's own variables. It is no provider for others: what
else may lie in this process sends nothing by it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pixmill import __version__
from pixmill.errors import ItemError, OutputError
from pixmill.telemetry.traces import TRACEPARENT, Begun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span as OtelSpan

    from pixmill.telemetry.traces import Span, Value

CLOSE_S = 3.0
_LIBRARY = "opentelemetry"
_KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_W3C = TraceContextTextMapPropagator()


class _Ids(RandomIdGenerator):
    """Random ids, but for a span that is begun while this thread has others set."""

    def __init__(self) -> None:
        self._own = threading.local()

    def of_job(self, job_id: str | None) -> None:
        """Let the next span be a job's first, or none again."""
        self._own.ids = job_id and (_trace_of(job_id), _first_of(job_id))

    def generate_trace_id(self) -> int:
        ids = getattr(self._own, "ids", None)
        return ids[0] if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids = getattr(self._own, "ids", None)
        return ids[1] if ids else super().generate_span_id()


class Exporting:
    """Sends spans until it is closed."""

    def __init__(
        self, service: str, instance: str | None, told: Callable[[str, BaseException], None]
    ) -> None:
        self._silence = _Silence()
        self._ids = _Ids()
        self._exporter = _Telling(told, self._silence)
        self._provider = TracerProvider(
            resource=_resource(service, instance), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("pixmill", __version__)

    def begin(self, begun: Begun) -> Span:
        """Begin a span, of the trace that is the job's."""
        links = [Link(found) for found in [_context_of(begun.link)] if found.is_valid]
        around = None if begun.first else self._around(begun)
        try:
            self._ids.of_job(begun.job_id if begun.first else None)
            started = self._tracer.start_span(
                begun.name,
                # Never that of the thread, which others may have set.
                context=set_span_in_context(NonRecordingSpan(around), Context())
                if around
                else Context(),
                kind=_KINDS[begun.kind],
                links=links,
                start_time=time.time_ns() - round(begun.ago_s * 1e9),
                record_exception=False,
            )
        finally:
            self._ids.of_job(None)
        return _Span(started)

    def _around(self, begun: Begun) -> SpanContext:
        """Give what a span hangs below: the one it was told of, if of the same job, or the first.

        Whether the first was sampled is what the sampler says of the job's trace, here as anywhere.
        """
        trace_id = _trace_of(begun.job_id)
        parent = _context_of(begun.parent)
        if parent.is_valid and parent.trace_id == trace_id:
            return parent
        decision = self._provider.sampler.should_sample(None, trace_id, begun.name).decision
        is_sampled = decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT
        first = _first_of(begun.job_id)
        return SpanContext(trace_id, first, is_remote=True, trace_flags=TraceFlags(flags))

    def end(self, span: Span, error: BaseException | None) -> None:
        """End a span; of an error its kind alone is told, since texts tell of URLs."""
        if isinstance(span, _Span):
            span.end(error)

    def close(self) -> None:
        """Send what is left, within CLOSE_S; what takes longer is given up."""
        closing = threading.Thread(
            target=self._provider.shutdown, name="pixmill-traces-end", daemon=True
        )
        closing.start()
        closing.join(CLOSE_S)
        self._exporter.give_up()
        self._silence.end()


class _Span:
    def __init__(self, started: OtelSpan) -> None:
        self._started = started
        self._dropped = False

    @property
    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._started, Context()))
        return carrier.get(TRACEPARENT)

    def add(self, standard: Mapping[str, Value] | None = None, **own: Value | None) -> None:
        for name, value in (standard or {}).items():
            self._started.set_attribute(name, value)
        for name, own_value in own.items():
            if own_value is not None:
                self._started.set_attribute(f"pixmill.{name}", own_value)

    def fail(self, code: str) -> None:
        self._started.set_status(Status(StatusCode.ERROR))
        self._started.set_attribute("error.type", code)

    def drop(self) -> None:
        self._dropped = True

    def end(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail(error.code if isinstance(error, ItemError) else type(error).__name__)
        if not self._dropped:
            self._started.end()


class _Telling(SpanExporter):
    """The exporter, which tells once that spans can not be sent, until they can be again."""

    def __init__(self, told: Callable[[str, BaseException], None], silence: _Silence) -> None:
        self._inner = OTLPSpanExporter()
        self._told = told
        self._silence = silence
        self._failing = False
        self._given_up = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._failing = False
        elif not self._failing and not self._given_up:
            self._failing = True
            reason = self._silence.last or "nobody knows why"
            self._told("traces can not be sent, and are lost meanwhile", OutputError(reason))
        return result

    def shutdown(self) -> None:
        if not self._given_up:
            self._given_up = True
            self._inner.shutdown()  # type: ignore[no-untyped-call]

    def give_up(self) -> None:
        """End what still waits for a receiver."""
        with suppress(Exception):  # whatever it is, it is no work of ours
            self.shutdown()


class _Silence(logging.Handler):
    """Hears what the SDK would say with every batch, and keeps the last of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: str | None = None
        self._logger = logging.getLogger(_LIBRARY)
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(f"{_LIBRARY}.exporter"):
            self.last = record.getMessage()

    def end(self) -> None:
        """Let others hear it again; what is said by then is said by nobody's thread."""
        self._logger.removeHandler(self)
        self._logger.addHandler(logging.NullHandler())
        self._logger.propagate = self._propagated


def _resource(service: str, instance: str | None) -> Resource:
    """Tell what this process is; variables of OpenTelemetry go before what we say."""
    own: dict[str, Any] = {"service.name": service, "service.version": __version__}
    if instance is not None:
        own["service.instance.id"] = instance
    return Resource.create().merge(Resource(own)).merge(OTELResourceDetector().detect())


def _trace_of(job_id: str) -> int:
    """Name the trace of a job, by the 128 bits that are its id."""
    return int(job_id, 16)


def _first_of(job_id: str) -> int:
    """Name the span of what made a job."""
    digest = hashlib.sha256(f"pixmill job {job_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _context_of(traceparent: str | None) -> SpanContext:
    """Read a `traceparent`; what is none gives a context that is not valid."""
    carrier = {} if traceparent is None else {TRACEPARENT: traceparent}
    return get_current_span(_W3C.extract(carrier, Context())).get_span_context()
