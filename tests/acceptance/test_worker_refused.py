"""A worker whom the broker lets in no more, or never: it ends with a sentence and fails."""

from __future__ import annotations

import pytest

from tests.cluster import Cluster, wait_until
from tests.command import run


@pytest.fixture
def cluster(rabbit, postgres, tmp_path):
    with Cluster(rabbit.url, postgres, tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("user", "host", "told"),
    [("guest:hidden", "", "ACCESS_REFUSED"), ("guest:guest", "nowhere", "vhost nowhere not found")],
    ids=["password", "virtual host"],
)
def test_one_that_is_never_let_in_says_so_and_fails(cluster, rabbit, user, host, told):
    url = f"amqp://{user}@127.0.0.1:{rabbit.port}/{host}"
    ended = run("worker", cwd=cluster.folder, env={**cluster.env, "PIXMILL_BROKER": url})
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("pixmill: the broker lets nobody in with this URL: ")
    assert told in line
    assert "hidden" not in line
    with cluster.catalog() as catalog:
        assert catalog.workers.alive() == []


def test_one_that_is_let_in_no_more_hands_back_and_fails(cluster, rabbit):
    rabbit.control("add_vhost", "leaving")
    rabbit.control("set_permissions", "-p", "leaving", "guest", ".*", ".*", ".*")
    url = f"amqp://guest:guest@127.0.0.1:{rabbit.port}/leaving"
    cluster.start("a", env={"PIXMILL_BROKER": url})
    worker = cluster.workers["a"]
    rabbit.control("delete_vhost", "leaving")
    assert worker.process.wait(60) == 1, worker.said
    wait_until(lambda: any("the worker ends" in line for line in worker.said))
    said = "".join(worker.said)
    assert "the broker lets nobody in with this URL" in said
    assert "Traceback" not in said
    with cluster.catalog() as catalog:
        assert catalog.workers.alive() == []
