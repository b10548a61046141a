"""A worker is alive as long as it could work; whether its catalog answers is another question."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request

import pytest

from tests.cluster import Cluster, wait_until
from tests.integration.test_web_stalls import postgres_processes, stopped
from tests.services import free_port

LEASE_S = 1.0


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def cluster(rabbit, own_postgres, tmp_path, port):
    """One worker that answers at a port, over a PostgreSQL that may be broken."""
    env = {"PIXMILL_JOB_LEASE": f"{LEASE_S:g}", "PIXMILL_METRICS_PORT": str(port)}
    with Cluster(rabbit.url, own_postgres.url, tmp_path, **env) as running:
        running.start("w0")
        yield running


def health(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def silent_s(port):
    """How long, as the worker tells, the catalog has not known that it is alive."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return float(re.search(r"^pixmill_catalog_silent_seconds (\S+)$", text, re.MULTILINE)[1])


@pytest.mark.timeout(120)
def test_a_catalog_that_hangs_is_no_reason_to_kill_a_worker(cluster, own_postgres, port):
    assert health(port) == 200
    with stopped(postgres_processes(own_postgres.url)):
        begun = time.monotonic()
        wait_until(lambda: silent_s(port) > 5 * LEASE_S)
        assert time.monotonic() - begun > 3 * LEASE_S
        assert health(port) == 200
    wait_until(lambda: silent_s(port) < LEASE_S)
    assert health(port) == 200
    assert cluster.workers["w0"].end() == 0


@pytest.mark.timeout(120)
def test_a_catalog_that_is_gone_for_a_while_is_none_either(cluster, own_postgres, port):
    own_postgres.break_off()
    with cluster.catalog() as catalog:
        wait_until(lambda: [worker.name for worker in catalog.workers.alive()] == ["w0"])
    wait_until(lambda: silent_s(port) < LEASE_S)
    assert health(port) == 200
