"""`pixmill doctor` tells whether the catalog and the broker that settings name can be used."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time

import pytest

from pixmill.jobs.cluster import Broker, make_app
from pixmill.store import catalog_form, open_catalog
from pixmill.store.opening import utc_now
from pixmill.store.shards import ShardId, Worker
from tests.command import run
from tests.services import free_port

SECRET = "den7"  # the end of every password here


@pytest.fixture
def doctor(tmp_path):
    """Call it with settings; gives facts and troubles, of the catalog and the broker alone."""

    def call(**settings):
        env = {f"PIXMILL_{name.upper()}": value for name, value in settings.items()}
        env = {"PIXMILL_DATA": str(tmp_path / "data"), **env}
        done = run("doctor", "--json", cwd=tmp_path, env=env)
        assert SECRET not in done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert done.returncode == int(bool(found["troubles"]))
        troubles = [each for each in found["troubles"] if "open files" not in each]
        return found["facts"], troubles

    return call


@pytest.fixture
def mute():
    """The port of a server that takes connections and says nothing."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_nothing_is_told_of_what_is_not_named(doctor):
    facts, troubles = doctor()
    assert not {"catalog", "broker", "workers alive"} & facts.keys()
    assert troubles == []
    names = ("celery", "kombu", "amqp", "psycopg", "pymongo", "obstore")
    assert all(facts[name] for name in names)


def test_a_cluster_where_all_is_well(doctor, rabbit, postgres, tmp_path):
    facts, troubles = doctor(broker=rabbit.url, catalog=postgres)
    assert troubles == []
    assert facts["catalog"].startswith("empty")
    assert facts["messages bulk"] == "no such queue yet"
    assert "workers alive" not in facts
    assert catalog_form(postgres, tmp_path)[0] is None

    with open_catalog(postgres, tmp_path) as catalog:
        Broker(make_app(rabbit.url)).send_shards([ShardId("a", 0), ShardId("a", 1)])
        facts, troubles = doctor(broker=rabbit.url, catalog=postgres)
        assert troubles == []
        assert facts["catalog"] == f"revision {catalog_form(postgres, tmp_path)[1]}"
        assert facts["broker"] == "lets this user in"
        queues = [facts[f"messages {name}"] for name in ("interactive", "bulk", "dead")]
        assert queues == ["0", "2", "0"]
        assert facts["workers alive"].startswith("none: ")
        for name in ("a", "b"):
            now = utc_now()
            catalog.workers.renew(Worker(secrets.token_hex(16), name, 2, "1", now, now), 60)
        assert doctor(broker=rabbit.url, catalog=postgres)[0]["workers alive"] == "2"


def test_what_nobody_listens_at_is_amiss(doctor):
    port = free_port()
    facts, troubles = doctor(
        broker=f"amqp://user:hid{SECRET}@127.0.0.1:{port}//",
        catalog=f"postgresql://user:hid{SECRET}@127.0.0.1:{port}/db",
    )
    assert facts["catalog"] == facts["broker"] == "can not be used"
    of_catalog, of_broker = troubles
    assert of_catalog.startswith(f"the catalog postgresql://127.0.0.1:{port}/db can not be used: ")
    assert of_broker.startswith("the broker can not be used: ")


def test_what_answers_nothing_is_amiss_soon(doctor, mute):
    for name, scheme in (("catalog", "postgresql"), ("broker", "amqp")):
        begun = time.monotonic()
        facts, troubles = doctor(**{name: f"{scheme}://user:hid{SECRET}@127.0.0.1:{mute}/db"})
        assert time.monotonic() - begun < 15
        assert facts[name] == "can not be used"
        assert any(f"the {name} " in trouble for trouble in troubles)


@pytest.mark.parametrize(
    ("broker", "told"),
    [
        ("redis://user:hidden7@host", "begins with amqp://"),
        ("amqp://user:hid/den7@host", "is no amqp://USER"),
        ("amqp://guest:hidden7@127.0.0.1:{port}//", "lets nobody in"),
        ("amqp://guest:guest@127.0.0.1:{port}/nowhere", "nowhere"),
    ],
)
def test_a_broker_that_lets_nobody_in_is_amiss(doctor, rabbit, tmp_path, broker, told):
    catalog = f"sqlite:///{tmp_path}/own.sqlite"
    facts, (trouble,) = doctor(broker=broker.format(port=rabbit.port), catalog=catalog)
    assert facts["broker"] == "can not be used"
    assert told in trouble


def test_a_broker_without_a_catalog_is_amiss(doctor, rabbit):
    facts, (trouble,) = doctor(broker=rabbit.url)
    assert facts["broker"] == "lets this user in"
    assert "a cluster needs a catalog" in trouble
    assert "PIXMILL_CATALOG" in trouble


def test_a_catalog_is_neither_made_nor_migrated(doctor, tmp_path):
    path = tmp_path / "own.sqlite"
    facts, troubles = doctor(catalog=f"sqlite:///{path}")
    assert facts["catalog"].startswith("empty")
    assert troubles == []
    assert not path.exists()
    for url, told in (
        (f"sqlite:///{tmp_path}/nowhere/own.sqlite", "can not be made"),
        (f"oracle://user:hid{SECRET}@host/db", "begins with sqlite:///"),
    ):
        facts, (trouble,) = doctor(catalog=url)
        assert facts["catalog"] == "can not be used"
        assert told in trouble
