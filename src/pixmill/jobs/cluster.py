"""Celery over RabbitMQ: its app, its queues, and telling workers what waits.

Owns what messages look like and where they go. A message names a job, or a shard of one; what is to
be done, and whether it still is, stands in the catalog alone. So a message may come twice, late or
never: nothing is lost by it. Needs Celery (the `cluster` extra).
The one header of ours is the `traceparent` of its sending, where traces are sent.

Two queues, so that no image waits behind a list: each worker takes from both, and has threads for
either. Queues are replicated (quorum) and messages confirmed; what a worker took and did not end is
given to another when its connection breaks. What was given out a hundred times goes to the queue
of the dead: that is a backstop, since attempts are counted in the catalog.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from amqp.exceptions import AccessRefused, AMQPError, MessageNacked, NotAllowed, NotFound
from celery import Celery
from celery.app.amqp import AMQP
from kombu.entity import Exchange, Queue
from kombu.exceptions import KombuError
from kombu.messaging import Consumer

from pixmill.errors import OutputError, UsageError
from pixmill.jobs.queues import BULK, DEAD, INTERACTIVE
from pixmill.telemetry.traces import TRACEPARENT, is_shown, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixmill.store.shards import ShardId

SHARD, OPERATIONS = "pixmill.shard", "pixmill.operations"
_EXCHANGE, _DEAD_EXCHANGE = "pixmill", "pixmill.dead"
_MOST_DELIVERIES = 100
# RabbitMQ's own limit on the time to an acknowledgement is 30 minutes; a shard of slow hosts may
# take longer. Older servers, which know no such argument, disregard it.
_CONSUMER_TIMEOUT_MS = 4 * 3600 * 1000
_PUBLISH = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1.0}
_CONNECT_S = 5.0
_CONFIRM_S = 10.0  # of a broker that takes nothing more, as where its disk is full
ERRORS = (KombuError, AMQPError, MessageNacked, OSError)
REFUSALS = (AccessRefused, NotAllowed)


class BrokerRefused(OutputError):
    """The broker does not let this user in, or has no such virtual host: waiting does not help."""


def queue_name(queue: str) -> str:
    """Name a queue as the broker knows it."""
    return f"pixmill.{queue}"


def queues() -> list[Queue]:
    """Describe the queues that workers take from."""
    exchange = Exchange(_EXCHANGE, type="topic", durable=True)
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": _MOST_DELIVERIES,
        "x-dead-letter-exchange": _DEAD_EXCHANGE,
        "x-consumer-timeout": _CONSUMER_TIMEOUT_MS,
    }
    return [
        Queue(queue_name(name), exchange, routing_key=f"{name}.#", queue_arguments=arguments)
        for name in (INTERACTIVE, BULK)
    ]


def dead_queue() -> Queue:
    """Describe the queue of what was given out too often."""
    exchange = Exchange(_DEAD_EXCHANGE, type="topic", durable=True)
    return Queue(
        queue_name(DEAD), exchange, routing_key="#", queue_arguments={"x-queue-type": "quorum"}
    )


def make_app(broker: str, limits: dict[str, int] | None = None) -> Celery:
    """Make the app over a broker; `limits` are how many messages of each queue a worker takes.

    Nothing is connected to yet. Raises UsageError for what is no URL of RabbitMQ.
    """
    _check_url(broker)
    app = Celery("pixmill", broker=broker, amqp=_amqp_of(limits or {}), set_as_current=False)
    app.conf.update(
        task_queues=queues(),
        task_create_missing_queues=False,
        task_default_queue=queue_name(BULK),
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_serializer="json",
        accept_content=["json"],
        broker_transport_options={"confirm_publish": True},
        broker_connection_timeout=_CONNECT_S,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=20,
        broker_pool_limit=2,
        worker_prefetch_multiplier=1,
        worker_enable_prefetch_count_reduction=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _check_url(broker: str) -> None:
    """Raise UsageError, which does not tell the password, for what is no URL of RabbitMQ."""
    if broker.partition("://")[0] not in {"amqp", "amqps"}:
        raise UsageError("the broker's URL begins with amqp:// or amqps://")
    try:
        parts = urlsplit(broker)
        well = parts.hostname is not None and parts.port != 0
    except ValueError:
        well = False
    if not well:
        raise UsageError(
            "the broker's URL is no amqp://USER:PASSWORD@HOST:PORT/VHOST: characters such as / @ # "
            "in the password are written as %2F %40 %23"
        )


def _amqp_of(limits: dict[str, int]) -> type[AMQP]:
    """Let each queue have a limit of its own, which Celery has one of for all."""

    class LimitedConsumer(Consumer):
        def _basic_consume(self, queue: Queue, *arguments: Any, **more: Any) -> Any:
            # It counts for consumers that begin afterwards, each by itself.
            limit = limits.get(queue.name.removeprefix("pixmill."), 1)
            channel: Any = self.channel
            channel.basic_qos(0, limit, False)  # noqa: FBT003  AMQP's order of arguments
            return super()._basic_consume(queue, *arguments, **more)

    class LimitedAmqp(AMQP):
        Consumer = LimitedConsumer

    return LimitedAmqp


class Broker:
    """What is told to workers, and what the queues hold. All methods raise OutputError.

    BrokerRefused is one of them.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._declared = False

    def send_shards(self, ids: Sequence[ShardId]) -> None:
        """Tell workers of shards; each is in a queue, on disk, when this returns."""
        self._send(SHARD, BULK, [list(id_) for id_ in ids])

    def send_operations(self, job_ids: Sequence[str]) -> None:
        """Tell workers of jobs of operations."""
        self._send(OPERATIONS, INTERACTIVE, [[job_id] for job_id in job_ids])

    def _send(self, task: str, queue: str, messages: list[list[Any]]) -> None:
        if not self._declared:
            self.declare()
        with self._explained(), self._app.amqp.producer_pool.acquire(block=True) as producer:
            for arguments in messages:
                with _sending(queue, *arguments) as headers:
                    self._app.send_task(
                        task,
                        args=arguments,
                        exchange=_EXCHANGE,
                        routing_key=f"{queue}.{task.rpartition('.')[2]}",
                        headers=headers,
                        producer=producer,
                        confirm_timeout=_CONFIRM_S,
                        retry=True,
                        retry_policy=_PUBLISH,
                    )

    def declare(self) -> None:
        """Make the queues where they are missing, as is also done before the first message."""
        with self._channel() as channel:
            for queue in (*queues(), dead_queue()):
                queue(channel).declare()
        self._declared = True

    def depths(self) -> dict[str, int]:
        """Tell how many messages wait in each queue."""
        if not self._declared:
            self.declare()
        with self._channel() as channel:
            return {
                name: channel.queue_declare(queue_name(name), passive=True).message_count
                for name in (INTERACTIVE, BULK, DEAD)
            }

    def seen(self) -> dict[str, int]:
        """Tell what `depths` does, of the queues that are there; none is made."""
        found = {}
        with self._channel() as channel:
            for name in (INTERACTIVE, BULK, DEAD):
                with suppress(NotFound):  # after which the channel is open again
                    asked = channel.queue_declare(queue_name(name), passive=True)
                    found[name] = asked.message_count
        return found

    def drop_dead(self) -> int:
        """Throw away what was given out too often; tell how many messages that were."""
        if not self._declared:
            self.declare()
        with self._channel() as channel:
            return int(channel.queue_purge(queue_name(DEAD)))

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with self._explained(), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=_CONNECT_S)
            yield connection.default_channel

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            self._declared = False  # whatever was there may be gone
            raise explained(error) from error


def explained(error: Exception) -> OutputError:
    """Say what is wrong with the broker."""
    if isinstance(error, REFUSALS):
        return BrokerRefused(f"the broker lets nobody in with this URL: {error}")
    return OutputError(f"the broker can not be used: {error}")


@contextmanager
def _sending(queue: str, job_id: str, number: int | None = None) -> Iterator[dict[str, str]]:
    """Tell of the sending of a message, and give its headers."""
    destination = queue_name(queue)
    with span(f"send {destination}", job_id, kind="producer", shard=number) as sent:
        sent.add(
            {
                "messaging.system": "rabbitmq",
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": destination,
            }
        )
        if number is not None and not is_shown(number):
            sent.drop()
            yield {}
        else:
            yield {} if sent.traceparent is None else {TRACEPARENT: sent.traceparent}
