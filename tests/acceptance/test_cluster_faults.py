"""Whatever of a cluster dies, at any moment: no row is lost, none stands twice, and all goes on.

While a list is worked at, and cameras send pictures, a worker or a child of one is killed, or the
service, or RabbitMQ or PostgreSQL breaks off and starts again.
"""

from __future__ import annotations

import contextlib
import os
import random
import time

import psutil
import pytest

from tests.acceptance.lists import listed
from tests.acceptance.test_cameras import EXPECTED, begin, finish, results
from tests.cluster import Cluster
from tests.command import kill, kill_group, run, start
from tests.origin import answer, delayed
from tests.pictures import png
from tests.services import free_port
from tests.serving import serving

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1500)]

LINES, FAULTS, RUNS = (1500, 8, 1) if os.environ.get("PIXMILL_SOAK") == "short" else (5000, 30, 5)
PICTURES = 50


class Breaking:
    """A cluster with two workers and a service, of which anything may be broken."""

    def __init__(self, cluster, rabbit, postgres, stack, rng):
        self.cluster, self.rabbit, self.postgres = cluster, rabbit, postgres
        self.stack, self.rng = stack, rng
        self.port, self.key, self.started = free_port(), None, 2
        self.told = []
        cluster.start("w0", "w1")
        self.serve()

    def serve(self):
        flags = ("--port", str(self.port))
        self.service = self.stack.enter_context(
            serving(self.cluster.folder, *flags, env=self.cluster.env)
        )
        self.key = self.key or self.service.credential[1]

    def hit(self):
        """Break something at a moment of its own, and let it come back as a supervisor would."""
        faults = (self.break_child, self.break_worker, self.break_service, self.break_rabbit)
        fault = self.rng.choice((*faults, self.postgres.break_off))
        time.sleep(self.rng.uniform(0, 2))
        self.told.append(fault.__name__)
        fault()

    def break_child(self):
        worker = self.cluster.workers[self.rng.choice(sorted(self.cluster.workers))]
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(worker.process.pid).children(recursive=True)
            self.rng.choice(children or [psutil.Process(worker.process.pid)]).kill()

    def break_worker(self):
        self.cluster.kill(self.rng.choice(sorted(self.cluster.workers)))
        self.cluster.launch(f"w{self.started}")
        self.started += 1

    def break_service(self):
        kill(self.service.process)
        self.serve()

    def break_rabbit(self):
        if self.rng.random() < 0.5:
            self.rabbit.kill()
        self.rabbit.stop()
        self.rabbit.start()

    def revive(self):
        """Start anew the workers that died of a fault that was not meant for them."""
        for name, worker in list(self.cluster.workers.items()):
            if worker.process.poll() is not None:
                self.cluster.kill(name)
                self.cluster.launch(f"w{self.started}")
                self.started += 1


def write_list(origin, folder):
    """A list of slow pictures, of which a tenth fails."""
    rng = random.Random(6)
    for number in range(PICTURES):
        origin.on(f"/p{number}.png", delayed(0.4, answer(png(rng))))
    failing = [origin.url("/missing.png"), "ftp://nowhere/", origin.url("/p7.png/")]
    urls = [
        failing[line // 10 % 3] if line % 10 == 9 else origin.url(f"/p{line % PICTURES}.png?{line}")
        for line in range(LINES)
    ]
    return listed(folder, urls)


@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_no_row_is_lost_or_stands_twice(rabbit, own_postgres, origin, tmp_path, seed):
    urls = write_list(origin, tmp_path)
    env = {
        "PIXMILL_SHARD_LINES": "50",
        "PIXMILL_JOB_LEASE": "6",
        "PIXMILL_PER_HOST": "8",
    }
    with (
        contextlib.ExitStack() as stack,
        Cluster(rabbit.url, own_postgres.url, tmp_path, **env) as cluster,
    ):
        alone = {**cluster.alone, "PIXMILL_PER_HOST": "200", "PIXMILL_FETCHERS": "200"}
        ended = run("colors", urls, "-o", "one.jsonl", cwd=tmp_path, env=alone, timeout_s=300)
        assert ended.returncode == 0, ended.stderr
        broken = Breaking(cluster, rabbit, own_postgres, stack, random.Random(seed))
        words = ["colors", urls, "-o", "many.jsonl"]
        command = start(*words, cwd=tmp_path, env=cluster.env)
        cameras = begin(f"http://127.0.0.1:{broken.port}", broken.key, tmp_path / "out", "one")
        try:
            for _ in range(FAULTS):
                broken.hit()
                broken.revive()
                assert command.poll() is None, (broken.told, command.communicate())
            said, errors = command.communicate(timeout=900)
        except BaseException:
            kill_group(command)
            cameras.kill()
            cameras.communicate()
            raise
        assert command.returncode == 0, (broken.told, said, errors)
        finish(cameras)
        assert results(tmp_path / "out") == EXPECTED
        for name in ("{}.jsonl", "{}-errors.csv"):
            one, many = (tmp_path / name.format(word) for word in ("one", "many"))
            assert many.read_bytes() == one.read_bytes(), broken.told
        # All who are alive work again.
        command_again(cluster, urls)


def command_again(cluster, urls):
    """Do a part of the list; each worker has had a part in it then."""
    few = listed(cluster.folder, urls.read_text().splitlines()[:200], "few.txt")
    words = ["colors", few, "--shard-lines", "10"]
    cluster.await_consumers()
    with cluster.catalog() as catalog:
        alive = {worker.name for worker in catalog.workers.alive()}
    with cluster.shares() as shares:
        ended = run(*words, cwd=cluster.folder, env=cluster.env, timeout_s=300)
    assert ended.returncode == 0, ended.stderr
    assert set(shares) == alive == set(cluster.workers)
