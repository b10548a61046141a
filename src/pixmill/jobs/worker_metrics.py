"""What a worker tells of itself over HTTP: whether it is well, and counts for Prometheus."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from pixmill.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.store.shards import Counts

Outcome = Literal["done", "late", "handed_back", "defect"]
_OUTCOMES: tuple[Outcome, ...] = ("done", "late", "handed_back", "defect")
_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_PATIENCE_S = 10.0


class WorkerMetrics:
    """All metrics of one worker; safe to use from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self._shards = Counter(
            "pixmill_shards", "Shards by what became of them", ["outcome"], registry=own
        )
        self._seconds = Histogram(
            "pixmill_shard_seconds", "Time of a shard", buckets=_BUCKETS_S, registry=own
        )
        self._items = Counter(
            "pixmill_items", "Images by code, ok or an error's", ["code"], registry=own
        )
        self._at_work = Gauge("pixmill_shards_at_work", "Shards being done", registry=own)
        self._silent = Gauge(
            "pixmill_catalog_silent_seconds",
            "Time since the catalog was last told that this worker is alive",
            registry=own,
        )
        for outcome in _OUTCOMES:
            self._shards.labels(outcome)

    def watch_catalog(self, silent_s: Callable[[], float]) -> None:
        """Ask this at every rendering: for how long the catalog has not been told."""
        self._silent.set_function(silent_s)

    def shard_begins(self) -> None:
        """Count a shard as being done."""
        self._at_work.inc()

    def shard_ends(self, outcome: Outcome, seconds: float, counts: Counts | None = None) -> None:
        """Count a shard as done, with what became of its images, or as not done."""
        self._at_work.dec()
        self._shards.labels(outcome).inc()
        self._seconds.observe(seconds)
        if counts is not None:
            self._items.labels("ok").inc(counts.ok)
            for code, number in counts.failed.items():
                self._items.labels(code).inc(number)

    def render(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self.registry)


class Probes:
    """Answers `/healthz` and `/metrics` until it is closed. Raises RunError for a taken port."""

    def __init__(
        self, host: str, port: int, metrics: WorkerMetrics, is_well: Callable[[], bool]
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE_S

            def do_GET(self) -> None:
                if self.path == "/healthz":
                    well = is_well()
                    self._answer(200 if well else 503, b"ok\n" if well else b"not well\n")
                elif self.path == "/metrics":
                    self._answer(200, metrics.render(), CONTENT_TYPE_LATEST)
                else:
                    self._answer(404, b"there are /healthz and /metrics\n")

            def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing of probes."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise RunError(
                f"{host}:{port} can not be listened on: {error.strerror}; "
                "let PIXMILL_METRICS_PORT name another port"
            ) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, name="pixmill-probes", daemon=True
        ).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
