"""A command whose work many workers do: the bytes of one machine, whatever dies meanwhile."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter

import pytest

from pixmill.store import open_archive
from tests.acceptance.lists import listed
from tests.cluster import Cluster, wait_until
from tests.command import kill, run, start
from tests.origin import answer, delayed
from tests.pictures import png

LINES = 200
PICTURES = 40
SHARDS = LINES // 20


@pytest.fixture
def cluster(rabbit, postgres, tmp_path):
    """Rabbit and PostgreSQL, and no worker yet."""
    with Cluster(rabbit.url, postgres, tmp_path) as running:
        yield running


@pytest.fixture
def urls(origin, tmp_path):
    """A list in which every tenth line fails in one of three ways, and some lines come again."""
    return write_list(origin, tmp_path)


def write_list(origin, folder, reply=answer):
    rng = random.Random(5)
    for number in range(PICTURES):
        origin.on(f"/p{number}.png", reply(png(rng)))
    origin.serve("/broken.png", png(rng)[:90])
    failing = [origin.url("/missing.png"), origin.url("/broken.png"), "ftp://nowhere/", '"a,b"']
    lines = [
        failing[line // 10 % 4]
        if line % 10 == 9
        else origin.url(f"/p{line % PICTURES}.png?{line % 150}")
        for line in range(LINES)
    ]
    return listed(folder, lines)


def table(folder, name):
    """A table and its errors."""
    return [
        (folder / name).read_bytes(),
        (folder / f"{name.partition('.')[0]}-errors.csv").read_bytes(),
    ]


def carried_out(cluster, *words, **more):
    ended = run(*words, cwd=cluster.folder, env={**cluster.env, **more})
    assert ended.returncode == 0, ended.stderr
    return ended


def alone(cluster, *words):
    ended = run(*words, cwd=cluster.folder, env=cluster.alone)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("csv", ["colors", "-n", "2", "--counts", "--header"]),
        ("jsonl", ["colors", "--method", "clusters"]),
        ("parquet", ["match", "--space", "oklab", "--max-distance", "0.5"]),
    ],
)
def test_many_workers_make_the_bytes_of_one_machine(cluster, urls, ending, words):
    command, *options = words
    ended = run(
        command, urls, *options, "-o", f"one.{ending}", cwd=cluster.folder, env=cluster.alone
    )
    cluster.start("a", "b")
    many = run(command, urls, *options, "-o", f"many.{ending}", cwd=cluster.folder, env=cluster.env)
    assert many.returncode == ended.returncode, many.stderr
    assert table(cluster.folder, f"many.{ending}") == table(cluster.folder, f"one.{ending}")
    assert many.stderr.splitlines()[0].startswith("line 10: http_error 404")
    assert f"{LINES:,} images: " in many.stderr
    with cluster.catalog() as catalog:
        assert catalog.jobs.page(10) == []
    left = [path for path in (cluster.folder / "nas").rglob("*") if path.is_file()]
    assert {path.parent.name for path in left} == {"place"}
    again = run(
        command, urls, *options, "-o", f"many.{ending}", cwd=cluster.folder, env=cluster.env
    )
    assert "finished already" in again.stderr


def test_retrying_failed_lines_gives_the_bytes_of_a_run_without_failures(cluster, urls, origin):
    alone(cluster, "colors", urls, "-o", "before.csv")
    cluster.start("a")
    carried_out(cluster, "colors", urls, "-o", "many.csv")
    assert table(cluster.folder, "many.csv") == table(cluster.folder, "before.csv")
    origin.serve("/missing.png", png(random.Random(8)))
    origin.serve("/broken.png", png(random.Random(9)))
    alone(cluster, "colors", urls, "-o", "after.csv")
    carried_out(cluster, "colors", urls, "-o", "many.csv", "--retry-failed")
    assert table(cluster.folder, "many.csv") == table(cluster.folder, "after.csv")


def test_flags_that_only_workers_could_obey_are_named(cluster, urls):
    cluster.start("a")
    flags = ["--per-host", "16", "--allow-network", "10.0.0.0/8", "--timeout", "50"]
    told = carried_out(cluster, "colors", urls, "-o", "many.csv", *flags, PIXMILL_MEMORY="900M")
    notes = [line for line in told.stderr.splitlines() if "settings of their own" in line]
    flags = "--per-host and --allow-network"
    assert notes == [f"workers go by settings of their own: with a broker {flags} change nothing"]
    told = carried_out(cluster, "colors", urls, "-o", "other.csv", PIXMILL_MEMORY="900M")
    assert "settings of their own" not in told.stderr


def test_a_killed_command_joins_its_job_again(cluster, origin):
    urls = write_list(origin, cluster.folder, lambda body: delayed(0.3, answer(body)))
    alone(cluster, "colors", urls, "-o", "one.csv")
    cluster.start("a")
    words = ["colors", urls, "-o", "many.csv"]
    for kills in range(3):
        command = start(*words, cwd=cluster.folder, env=cluster.env)
        with cluster.catalog() as catalog:
            before, over = done(catalog), command.poll
            wait_until(lambda b=before, o=over: done(catalog) > b or o() is not None)
            kill(command)
            command.communicate()
            jobs = catalog.jobs.page(10)
            if kills and not jobs:  # it has ended
                break
            assert [job.kind for job in jobs] == ["command"]
        time.sleep(3)  # until nobody is held to be at the job
    carried_out(cluster, *words)
    assert table(cluster.folder, "many.csv") == table(cluster.folder, "one.csv")


def done(catalog):
    return sum(
        catalog.shards.standing(job.id).states.get("done", 0) for job in catalog.jobs.page(10)
    )


def test_what_a_killed_worker_had_is_done_by_others(cluster, origin):
    urls = write_list(origin, cluster.folder, lambda body: delayed(0.05, answer(body)))
    alone(cluster, "colors", urls, "-o", "one.csv")
    cluster.start("a", "b")
    command = start("colors", urls, "-o", "many.csv", cwd=cluster.folder, env=cluster.env)
    with cluster.catalog() as catalog:
        for name in ("a", "b", "c", "d"):
            before = done(catalog)
            wait_until(lambda before=before: done(catalog) > before or command.poll() is not None)
            if command.poll() is not None:
                break
            cluster.kill(name)
            cluster.start(chr(ord(name) + 2))
    _, err = command.communicate(timeout=90)
    assert command.returncode == 0, err
    assert table(cluster.folder, "many.csv") == table(cluster.folder, "one.csv")


def test_a_worker_that_is_stopped_hands_back_what_it_has(cluster, origin):
    hanging = origin.on("/hanging.png", delayed(40, answer(b"")))
    urls = listed(cluster.folder, [hanging] * 3)
    cluster.start("a", env={"PIXMILL_JOB_LEASE": "60"})
    command = start("colors", urls, cwd=cluster.folder, env=cluster.env)
    with cluster.catalog() as catalog:
        wait_until(lambda: states(catalog)["running"])
        assert cluster.workers["a"].end() == 0
        assert states(catalog) == {"waiting": 1}
        assert catalog.workers.alive() == []
    kill(command)
    command.communicate()


def states(catalog):
    found = Counter()
    for job in catalog.jobs.page(10):
        found.update(catalog.shards.standing(job.id).states)
    return found


def test_a_shard_that_kills_its_workers_is_named_and_its_neighbors_are_done(cluster, origin):
    """It asks for a URL that a worker does not outlive, and is redriven once that is healed."""
    urls = write_list(origin, cluster.folder)
    lines = urls.read_text().splitlines()
    lines[100] = origin.url("/killer.png")
    urls = listed(cluster.folder, lines)
    origin.serve("/killer.png", png(random.Random(1)))
    alone(cluster, "colors", urls, "-o", "one.csv")

    async def kills(exchange):
        for name, worker in list(cluster.workers.items()):
            worker.process.send_signal(signal.SIGKILL)
            dead.append(name)
        await delayed(30, answer(b""))(exchange)

    dead = []
    origin.on("/killer.png", kills)
    cluster.start("a0")
    command = start("colors", urls, "-o", "many.csv", cwd=cluster.folder, env=cluster.env)
    for number in range(1, 9):
        wait_until(lambda: dead or command.poll() is not None, 90)
        if command.poll() is not None:
            break
        cluster.kill(dead.pop())
        dead.clear()
        cluster.start(f"a{number}")
    _, err = command.communicate(timeout=90)
    assert command.returncode == 1
    assert "lines 101 to 120" in err
    assert "died" in err
    with cluster.catalog() as catalog:
        (job,) = catalog.jobs.page(10)
        assert job.state == "stalled"
        assert states(catalog) == {"done": SHARDS - 1, "dead": 1}
    told = run("jobs", "dead", cwd=cluster.folder, env=cluster.env).stdout
    assert job.id in told
    assert told.count("died: ") == 3  # and not those that died beside another
    again = run("colors", urls, "-o", "many.csv", cwd=cluster.folder, env=cluster.env)
    assert again.returncode == 1
    assert f"pixmill jobs redrive {job.id}" in again.stderr

    origin.serve("/killer.png", png(random.Random(1)))
    carried_out(cluster, "jobs", "redrive", job.id)
    carried_out(cluster, "colors", urls, "-o", "many.csv")
    assert table(cluster.folder, "many.csv") == table(cluster.folder, "one.csv")


def test_an_ingest_is_shared_and_every_image_stands_once(cluster, urls):
    cluster.start("a", "b")
    carried_out(cluster, "ingest", urls, "-o", "many.jsonl")
    rows = [json.loads(line) for line in (cluster.folder / "many.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rows] == list(range(1, LINES + 1))
    arrivals = Counter(row["arrival"] or "fail" for row in rows)
    assert arrivals == {"success": PICTURES - 4, "duplicate": 144, "fail": 20}
    with open_archive(None, cluster.catalog_url, cluster.folder / "nas", cluster.folder) as archive:
        assert len(archive.page(1000)) == arrivals["success"]


def test_without_its_broker_a_command_says_so_at_once(cluster, urls):
    ended = run(
        "colors", urls,
        cwd=cluster.folder,
        env={**cluster.env, "PIXMILL_BROKER": "amqp://me:hidden@127.0.0.1:9//"},
    )  # fmt: skip
    assert ended.returncode == 1
    assert "the broker can not be used" in ended.stderr
    assert "hidden" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-"], "need -o OUTPUT"),
        (["-", "-o", "x.csv"], "a stream can not be given to a cluster"),
        (["pictures", "-o", "x.csv"], "the files of this machine"),
    ],
)
def test_what_no_worker_can_reach_is_refused(cluster, words, told):
    (cluster.folder / "pictures").mkdir()
    (cluster.folder / "pictures" / "1.png").write_bytes(png(random.Random(1)))
    ended = run("colors", *words, cwd=cluster.folder, env=cluster.env, text="http://x/1.png\n")
    assert ended.returncode == 2 or "stream" in told
    assert told in ended.stderr
    assert list(cluster.folder.glob("x*")) == []
    with cluster.catalog() as catalog:
        assert catalog.jobs.page(1) == []


@pytest.mark.parametrize("words", [["colors", "urls.txt"], ["worker"], ["serve", "--port", "0"]])
def test_who_has_no_catalog_that_others_reach_is_refused(cluster, urls, words):
    env = {name: value for name, value in cluster.env.items() if name != "PIXMILL_CATALOG"}
    ended = run(*words, cwd=cluster.folder, env=env)
    assert ended.returncode == 2
    assert "a cluster needs a catalog that all of it reach" in ended.stderr
    assert not (cluster.folder / "data").exists()


@pytest.mark.parametrize("words", [["colors", "urls.txt"], ["worker"], ["serve", "--port", "0"]])
def test_who_has_other_files_than_the_workers_is_refused(cluster, urls, words):
    cluster.start("a")
    elsewhere = {**cluster.env, "PIXMILL_BLOBS": str(cluster.folder / "elsewhere")}
    ended = run(*words, cwd=cluster.folder, env=elsewhere)
    assert ended.returncode == 1
    told = f"{cluster.folder / 'elsewhere'} is not the place where the files of the other "
    assert told in ended.stderr
    with cluster.catalog() as catalog:
        assert catalog.jobs.page(1) == []
        assert [worker.name for worker in catalog.workers.alive()] == ["a"]


def test_a_list_may_be_taken_away_once_it_is_cut(cluster, urls):
    alone(cluster, "colors", urls, "-o", "one.csv")
    process = start("colors", urls, "-o", "many.csv", cwd=cluster.folder, env=cluster.env)
    with cluster.catalog() as catalog:
        wait_until(lambda: catalog.jobs.page(1))
        (job,) = catalog.jobs.page(1)
        wait_until(lambda: catalog.shards.planned(job.id).complete)
        urls.unlink()
        cluster.start("a")
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert catalog.jobs.page(1) == []
    assert table(cluster.folder, "many.csv") == table(cluster.folder, "one.csv")


def test_without_a_worker_a_command_says_what_it_waits_for_and_may_be_left_behind(cluster, urls):
    process = start("colors", urls, "-o", "x.csv", cwd=cluster.folder, env=cluster.env)
    line = next(line for line in process.stderr if "no worker is there" in line)
    assert "`pixmill worker` starts one" in line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with cluster.catalog() as catalog:
        assert [job.state for job in catalog.jobs.page(2)] == ["queued"]
        time.sleep(2)
        cluster.start("a", env={"PIXMILL_JOB_KEEP": "0.00001"})  # a second
        wait_until(lambda: catalog.jobs.page(1) == [])
    nas = cluster.folder / "nas"
    wait_until(lambda: not [path for path in nas.glob("shards/**/*") if path.is_file()])


def test_all_workers_together_are_as_polite_to_a_server_as_one(cluster, origin):
    asking = peak = 0

    async def counted(exchange):
        nonlocal asking, peak
        asking += 1
        peak = max(peak, asking)
        try:
            await delayed(0.05, answer(body))(exchange)
        finally:
            asking -= 1

    body = png(random.Random(4))
    origin.on("/counted.png", counted)
    urls = listed(cluster.folder, [origin.url(f"/counted.png?{n}") for n in range(160)])
    few = {"PIXMILL_PER_HOST": "3"}
    cluster.start("a", "b", env=few)
    carried_out(cluster, "colors", urls, "--no-dedupe")
    assert peak == 3
