"""What the service counts and times, in a registry of its own that is handed around.

Owns names, labels and buckets; every label has few values, whatever clients send: routes are
templates, methods and codes known words. Who counts when is said where it happens.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.jobs.relay import Look
    from pixmill.store.shards import ShardState

Stage = Literal["waiting", "fetching", "decoding", "computing"]
STAGES: tuple[Stage, ...] = ("waiting", "fetching", "decoding", "computing")
WebhookResult = Literal["delivered", "failed", "given_up"]
WEBHOOK_RESULTS: tuple[WebhookResult, ...] = ("delivered", "failed", "given_up")
OPEN_STATES: tuple[ShardState, ...] = ("waiting", "running")

# From an answer that is at hand to the longest that one is waited for.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """All metrics of one service; safe to use from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        request = ["method", "route", "status"]
        self._requests = Counter("pixmill_requests", "Requests answered", request, registry=own)
        self._seconds = Histogram(
            "pixmill_request_seconds", "Time to answer", ["route"], buckets=BUCKETS_S, registry=own
        )
        self._in_flight = Gauge(
            "pixmill_requests_in_flight", "Requests being answered", registry=own
        )
        self._refused = Counter(
            "pixmill_refused_connections",
            "Connections refused before a route",
            ["status"],
            registry=own,
        )
        self._stages = Histogram(
            "pixmill_stage_seconds", "Time of one stage", ["stage"], buckets=BUCKETS_S, registry=own
        )
        self._items = Counter(
            "pixmill_items", "Images by code, ok or an error's", ["code"], registry=own
        )
        self._answers = Counter(
            "pixmill_answers", "Lookups in kept answers", ["result"], registry=own
        )
        self._pool = Gauge(
            "pixmill_pool", "Analysis processes and who waits", ["state"], registry=own
        )
        self._webhooks = Counter(
            "pixmill_webhooks", "Attempts to tell the end of a job", ["result"], registry=own
        )
        self._cluster: _Cluster | None = None
        for told in WEBHOOK_RESULTS:
            self._webhooks.labels(told)
        for stage in STAGES:
            self._stages.labels(stage)
        for result in ("hit", "miss"):
            self._answers.labels(result)

    def request_begins(self) -> None:
        """Count a request as being answered."""
        self._in_flight.inc()

    def request_ends(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request as answered; `route` is a template, never a path."""
        self._in_flight.dec()
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def connection_refused(self, status: int) -> None:
        """Count what never became a request of a route; `status` 0 is a connection cut unasked."""
        self._refused.labels(str(status)).inc()

    def stage_took(self, stage: Stage, seconds: float) -> None:
        """Note how long a stage took."""
        self._stages.labels(stage).observe(seconds)

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Note how long the context was open, also where it failed."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.stage_took(stage, time.perf_counter() - begun)

    def item(self, code: str) -> None:
        """Count an image: `ok`, or the stable code it failed with."""
        self._items.labels(code).inc()

    def answer_looked_up(self, *, hit: bool) -> None:
        """Count a lookup in the kept answers."""
        self._answers.labels("hit" if hit else "miss").inc()

    def webhook(self, result: WebhookResult) -> None:
        """Count an attempt to tell the end of a job."""
        self._webhooks.labels(result).inc()

    def watch_pool(self, *, busy: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Ask these at every rendering: processes at work, and requests that wait for one."""
        self._pool.labels("busy").set_function(busy)
        self._pool.labels("waiting").set_function(waiting)

    def cluster_stands(self, look: Look) -> None:
        """Take note of how the cluster stands; without one nothing is told of it."""
        if self._cluster is None:
            self._cluster = _Cluster(self.registry)
        if look.queues is None:
            self._cluster.messages.clear()  # rather than tell what was once
        for queue, number in (look.queues or {}).items():
            self._cluster.messages.labels(queue).set(number)
        for state in OPEN_STATES:
            self._cluster.open_shards.labels(state).set(look.shards.get(state, 0))
        self._cluster.dead_shards.set(look.shards.get("dead", 0))
        self._cluster.workers.set(look.workers)
        self._cluster.oldest.set(look.oldest_queued_s)

    def render(self) -> tuple[bytes, str]:
        """Return the text that Prometheus reads, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class _Cluster:
    """The gauges that only a service with a broker has."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Gauge(
            "pixmill_queue_messages",
            "Messages that wait for workers",
            ["queue"],
            registry=registry,
        )
        self.dead_shards = Gauge(
            "pixmill_dead_shards", "Shards that nobody does until redriven", registry=registry
        )
        self.open_shards = Gauge(
            "pixmill_open_shards",
            "Shards of all lists that wait, or are being done",
            ["state"],
            registry=registry,
        )
        self.workers = Gauge("pixmill_workers", "Workers that are alive", registry=registry)
        self.oldest = Gauge(
            "pixmill_oldest_queued_job_seconds", "Longest wait of a job", registry=registry
        )
