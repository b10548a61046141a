"""What telemetry is sent to: a collector of OTLP, and a Sentry, as small servers of the tests' own.

Owns reading what really came over the wire: protobuf of OpenTelemetry's own definitions, and
Sentry's envelopes.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Request:
    """What came: the path, the headers by their names in small letters, and the body as text."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Span:
    """A span as a collector sees it; ids are in hex, `parent` and `error` are empty without."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    error: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    links: list[tuple[str, str]]
    seconds: float


@dataclass
class Receiver:
    """A server on a free port of loopback, that answers `status`, after `delay_s`."""

    status: int = 200
    delay_s: float = 0.0
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Request(self.path, headers, body))
                receiver.ended.wait(receiver.delay_s)
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self._server.server_port}/7"

    def spans(self) -> list[Span]:
        """All spans that came, in their order."""
        return [
            span
            for request in self.requests
            for group in ExportTraceServiceRequest.FromString(request.body).resource_spans
            for span in _spans_of(group)
        ]

    def spans_when(self, number: int) -> list[Span]:
        """Wait for so many spans."""
        deadline = time.monotonic() + TIMEOUT_S
        while len(found := self.spans()) < number:
            assert time.monotonic() < deadline, [span.name for span in found]
            time.sleep(0.02)
        return found

    def events(self) -> list[dict[str, Any]]:
        """The events in all envelopes that came."""
        events = []
        for request in self.requests:
            lines = request.body.split(b"\n")
            heads = [json.loads(line) for line in lines[1::2] if line]
            assert [head["type"] for head in heads] == ["event"]
            events += [json.loads(line) for line in lines[2::2] if line]
        return events


def _spans_of(group: Any) -> list[Span]:
    resource = _values(group.resource.attributes)
    return [
        Span(
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            kind=span.kind,
            error=span.status.code == 2,
            attributes=_values(span.attributes),
            resource=resource,
            links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        )
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value"))
        for pair in attributes
        if pair.value.WhichOneof("value")
    }
