"""Celery in a worker's process: what it is started with, and what is done with its messages.

Owns that Celery sets up no logging of its own, and that what ends it early is a failure.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from amqp.exceptions import IrrecoverableConnectionError
from celery import signals
from celery.exceptions import WorkerShutdown
from celery.platforms import SecurityWarning
from celery.worker.consumer import Consumer

from pixmill.jobs.cluster import OPERATIONS, REFUSALS, SHARD, queue_name
from pixmill.jobs.queues import BULK, INTERACTIVE
from pixmill.telemetry.traces import TRACEPARENT, delivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from pixmill.store.shards import Worker

_PAUSE_S = 2.0


def celery_worker(
    app: Celery, concurrency: int, worker: Worker, failed: Callable[[Exception], None]
) -> Any:
    """Make what consumes the messages of the queues; `failed` is told what ends it."""

    class EndingConsumer(Consumer):
        """Ends where Celery would end with success, or ask again and again without a pause."""

        def start(self) -> None:
            try:
                super().start()
            except Exception as error:
                failed(error)
                raise WorkerShutdown(1) from error

        def ensure_connected(self, conn: Any) -> Any:
            try:
                return super().ensure_connected(conn)
            except REFUSALS as error:
                failed(error)
                raise WorkerShutdown(1) from error
            except IrrecoverableConnectionError:  # as of a virtual host that is being started
                time.sleep(_PAUSE_S)
                raise

    signals.setup_logging.connect(_no_logging, weak=False)
    # Of root's rights, which are whoever's who starts it: messages hold numbers and names alone.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    return app.Worker(
        pool="threads",
        consumer_cls=EndingConsumer,
        concurrency=concurrency,
        queues=[queue_name(INTERACTIVE), queue_name(BULK)],
        hostname=f"pixmill@{worker.name}-{worker.token[:8]}",
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
        quiet=True,
        loglevel="ERROR",
    )


def add_tasks(
    app: Celery, shard: Callable[[str, int], None], operations: Callable[[str], None]
) -> None:
    """Say what is done with each kind of message."""

    @app.task(name=SHARD, bind=True)
    def _shard(task: Any, job_id: str, number: int) -> None:
        with delivered(job_id, task.request.get(TRACEPARENT)):
            shard(job_id, number)

    @app.task(name=OPERATIONS, bind=True)
    def _operations(task: Any, job_id: str) -> None:
        with delivered(job_id, task.request.get(TRACEPARENT)):
            operations(job_id)


def _no_logging(**_: Any) -> None:
    """Keep Celery from setting up logging: who hears this signal does it himself."""
