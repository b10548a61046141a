"""What is asked of a real RabbitMQ, and what is told where it can not be had."""

from __future__ import annotations

import time

import pytest
from kombu import Connection

from pixmill.errors import OutputError, UsageError
from pixmill.jobs.cluster import Broker, dead_queue, make_app, queue_name, queues
from pixmill.jobs.queues import BULK, DEAD, INTERACTIVE
from pixmill.jobs.redriving import redrive_messages
from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from pixmill.store.shards import NewShard, ShardId
from tests.contract.catalogs import plan


@pytest.fixture
def broker(rabbit):
    return Broker(make_app(rabbit.url))


def settled(broker, depths):
    """What the queues hold, once it is this or a while has passed."""
    until = time.monotonic() + 10
    while broker.depths() != depths and time.monotonic() < until:
        time.sleep(0.05)
    return broker.depths()


def test_messages_wait_in_the_queue_of_their_kind(broker):
    broker.send_shards([ShardId("a", 0), ShardId("a", 1)])
    broker.send_operations(["b"])
    expected = {BULK: 2, INTERACTIVE: 1, DEAD: 0}
    assert settled(broker, expected) == expected


def test_looking_at_the_queues_makes_none(broker):
    for _ in range(2):
        assert broker.seen() == {}
    broker.send_shards([ShardId("a", 0)])
    expected = {BULK: 1, INTERACTIVE: 0, DEAD: 0}
    assert settled(broker, expected) == expected
    assert broker.seen() == expected


def test_the_dead_letter_queue_is_emptied_and_what_waits_is_told_anew(rabbit, broker, tmp_path):
    broker.declare()
    with Connection(rabbit.url) as connection:
        producer = connection.Producer()
        for number in range(3):
            producer.publish(
                {"shard": number}, exchange=dead_queue().exchange, routing_key="bulk.shard"
            )
    assert settled(broker, {BULK: 0, INTERACTIVE: 0, DEAD: 3})[DEAD] == 3
    with open_catalog(None, tmp_path) as catalog:
        job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec={}))
        catalog.jobs.claim_this(job.id, "planner", 60.0)
        plan(catalog.shards, job.id, "planner", [NewShard(1, 1, 1, (0, 0))], complete=True)
        sent = []
        catalog.shards.publish(10, sent.extend)
        catalog.shards.publish(10, sent.extend)
        assert sent == [ShardId(job.id, 0)]
        assert redrive_messages(catalog, broker) == 3
        assert broker.depths()[DEAD] == 0
        catalog.shards.publish(10, sent.extend)
        assert sent == [ShardId(job.id, 0)] * 2


def test_a_virtual_host_that_there_is_not_is_a_sentence(rabbit):
    broker = Broker(make_app(f"{rabbit.url.removesuffix('//')}/elsewhere"))
    for ask in (broker.declare, broker.depths, broker.seen, lambda: broker.send_operations(["a"])):
        with pytest.raises(OutputError, match=r"the broker lets nobody in .*elsewhere"):
            ask()


def test_queues_of_another_kind_are_a_sentence(rabbit, broker):
    name = queue_name(BULK)
    with Connection(rabbit.url) as connection:
        connection.default_channel.queue_declare(name, durable=True, auto_delete=False)
    try:
        with pytest.raises(OutputError, match="inequivalent arg"):
            broker.send_shards([ShardId("a", 0)])
    finally:
        with Connection(rabbit.url) as connection:
            connection.default_channel.queue_delete(name)


def test_a_broker_that_confirms_nothing_is_not_waited_for_long(rabbit, broker, monkeypatch):
    monkeypatch.setattr("pixmill.jobs.cluster._CONFIRM_S", 0.3)
    broker.send_shards([ShardId("a", 0)])  # so that all is connected
    with rabbit.hanging():
        began = time.monotonic()
        with pytest.raises(OutputError, match="can not be used"):
            broker.send_shards([ShardId("a", 1)])
        assert time.monotonic() - began < 60
    broker.send_shards([ShardId("a", 2)])
    assert broker.depths()[BULK] >= 2


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://127.0.0.1", "begins with amqp:// or amqps://"),
        ("amqp://me:hid/den@host:5672//", "%2F %40 %23"),
        ("amqp://me:hidden@host:many//", "%2F %40 %23"),
        ("amqp://me:hidden@host:70000//", "%2F %40 %23"),
        ("amqp://me:hidden@host:0//", "%2F %40 %23"),
        ("amqp://me:hidden@[host//", "%2F %40 %23"),
        ("amqp:///", "%2F %40 %23"),
    ],
)
def test_what_is_no_url_of_a_broker_is_refused_without_its_password(url, told):
    with pytest.raises(UsageError, match=told) as refused:
        make_app(url)
    assert "hid" not in str(refused.value)


def test_a_queue_outlives_its_server_and_gives_up_late():
    for queue in queues():
        assert queue.queue_arguments["x-queue-type"] == "quorum"
        assert queue.queue_arguments["x-delivery-limit"] == 100
        assert queue.durable
