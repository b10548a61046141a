"""A service whose lists and operations the workers of a cluster do."""

from __future__ import annotations

import asyncio
import io
import threading
import time

import pytest
from PIL import Image

from tests import shards
from tests.acceptance.test_cluster import alone, table, write_list
from tests.cluster import Cluster, wait_until
from tests.origin import answer
from tests.pictures import plain
from tests.serving import serving


@pytest.fixture
def cluster(rabbit, postgres, tmp_path):
    """Rabbit and PostgreSQL, and no worker yet."""
    with Cluster(rabbit.url, postgres, tmp_path) as running:
        yield running


@pytest.fixture
def service(cluster):
    """A service that has the cluster do its jobs."""
    with serving(cluster.folder, env=cluster.env) as running, running.client() as client:
        yield client


def followed(client, job, *ends):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = client.get(f"/jobs/{job['id']}").raise_for_status().json()
        if told["state"] in (ends or {"succeeded", "failed", "canceled", "stalled"}):
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def operate(client, color, *operations):
    md5 = client.post("/images", content=plain(color, 60, 40)).raise_for_status().json()["md5"]
    answer = client.post(f"/images/{md5}/operations", json={"operations": operations})
    assert answer.status_code == 202
    return answer.json()


def test_operations_are_done_by_workers_once_there_are_some(cluster, service):
    jobs = [operate(service, (number, 7, 9), "invert", "resize 30 20") for number in range(10)]
    time.sleep(1)
    assert {service.get(f"/jobs/{job['id']}").json()["state"] for job in jobs} == {"queued"}
    cluster.start("a", "b")
    for number, job in enumerate(jobs):
        told = followed(service, job)
        assert told["state"] == "succeeded", told
        with Image.open(io.BytesIO(service.get(told["links"]["result"]).content)) as image:
            assert image.size == (30, 20)
            assert image.getpixel((10, 10)) == (255 - number, 248, 246)


def test_a_list_is_done_by_workers_with_the_bytes_of_one_machine(cluster, service, origin):
    urls = write_list(origin, cluster.folder)
    alone(cluster, "colors", urls, "-o", "one.csv")
    cluster.start("a", "b")
    job = service.post("/jobs?kind=colors", content=urls.read_bytes(), headers=PLAIN).json()
    told = followed(service, job)
    assert told["state"] == "succeeded", told
    got = [service.get(told["links"][name]).content for name in ("result", "errors")]
    assert got == table(cluster.folder, "one.csv")
    assert list((cluster.folder / "nas" / "shards").rglob("*.gz")) == []
    origin.serve("/missing.png", plain((1, 2, 3), 4, 4))
    alone(cluster, "colors", urls, "-o", "after.csv")
    retried = service.post(f"/jobs/{job['id']}/retry").json()
    told = followed(service, retried)
    assert told["state"] == "succeeded", told
    got = [service.get(told["links"][name]).content for name in ("result", "errors")]
    assert got == table(cluster.folder, "after.csv")


PLAIN = {"Content-Type": "text/plain"}


def test_a_canceled_list_is_left_by_its_workers(cluster, service, origin):
    async def hang(exchange):
        await asyncio.sleep(30)

    urls = [origin.on("/slow.png", hang)] * 100
    cluster.start("a")
    job = service.post("/jobs?kind=colors", content="\n".join(urls), headers=PLAIN).json()
    with cluster.catalog() as catalog:
        wait_until(lambda: catalog.shards.standing(job["id"]).states.get("running"))
        service.delete(f"/jobs/{job['id']}").raise_for_status()
        wait_until(lambda: not catalog.shards.standing(job["id"]).states)
    assert followed(service, operate(service, (1, 2, 3), "invert"))["state"] == "succeeded"
    wait_until(lambda: not [p for p in (cluster.folder / "nas").glob("shards/*/*") if p.is_file()])


def test_jobs_wait_for_the_broker(cluster, rabbit, service):
    cluster.start("a")
    assert followed(service, operate(service, (5, 5, 5), "invert"))["state"] == "succeeded"
    rabbit.stop()
    waiting = operate(service, (6, 6, 6), "invert")
    rabbit.start()
    assert followed(service, waiting)["state"] == "succeeded"


def test_the_cluster_is_told_by_the_service_while_it_works(cluster, service, origin):
    release = threading.Event()

    async def hold(exchange):
        await asyncio.to_thread(release.wait, 60)
        await answer(plain((1, 2, 3), 4, 4))(exchange)

    def cluster_now():
        return service.get("/cluster").raise_for_status().json()

    wait_until(lambda: cluster_now()["queues"] == {"interactive": 0, "bulk": 0, "dead": 0})
    urls = [origin.on("/held.png", hold)] * 100
    job = service.post("/jobs?kind=colors", content="\n".join(urls), headers=PLAIN).json()
    wait_until(lambda: (cluster_now()["queues"] or {}).get("bulk") == 5)
    assert cluster_now()["workers"] == []
    cluster.start("a")
    try:
        wait_until(lambda: [len(each["at_work"]) for each in cluster_now()["workers"]] == [2])
        told = cluster_now()
        (worker,) = told["workers"]
        assert {task["job"] for task in worker["at_work"]} == {job["id"]}
        assert told["shards"] == {"waiting": 3, "running": 2, "done": 0, "dead": 0}
        assert service.get(f"/jobs/{job['id']}").json()["shards"] == told["shards"]
    finally:
        release.set()
    told = followed(service, job)
    assert (told["state"], told["progress"]["done"]) == ("succeeded", 100)
    assert "shards" not in told


def test_a_list_of_the_service_goes_on_once_its_dead_shards_are_redriven(cluster, service, origin):
    """What is dead is told, redriven over HTTP, and the table is whole."""
    urls = write_list(origin, cluster.folder)
    alone(cluster, "colors", urls, "-o", "one.csv")
    job = service.post("/jobs?kind=colors", content=urls.read_bytes(), headers=PLAIN).json()
    with cluster.catalog() as catalog:
        wait_until(lambda: catalog.jobs.find(job["id"]).shards)
        shards.kill(catalog, catalog.jobs.find(job["id"]), 1, shards.at_work(catalog, "gone"))
        catalog.workers.leave(shards.at_work(catalog, "gone").token)
    cluster.start("a")
    told = followed(service, job)
    assert (told["state"], told["code"]) == ("stalled", "internal")
    assert f"pixmill jobs redrive {job['id']}" in told["message"]
    assert told["shards"]["dead"] == 1
    (dead,) = service.get("/cluster").json()["dead"]
    assert (dead["job"], dead["shard"]) == (job["id"], 1)
    redriven = service.post(f"/jobs/{job['id']}/redrive").json()
    assert redriven["state"] in {"queued", "running"}
    told = followed(service, job)
    assert told["state"] == "succeeded", told
    got = [service.get(told["links"][name]).content for name in ("result", "errors")]
    assert got == table(cluster.folder, "one.csv")


def test_a_broker_that_hangs_keeps_no_page_waiting(cluster, rabbit, service):
    wait_until(lambda: service.get("/cluster").json()["queues"])
    with rabbit.hanging():
        wait_until(lambda: service.get("/cluster", timeout=5).json()["queues"] is None)
    wait_until(lambda: service.get("/cluster").json()["queues"])
