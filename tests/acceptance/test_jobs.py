"""`pixmill jobs`: an operator looks at the jobs of all keys, on the service's own machine."""

from __future__ import annotations

import json

import pytest

from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob, Outcome, Progress, Result
from pixmill.store.shards import MAX_DEATHS, NewShard, ShardId
from tests.acceptance.lists import body
from tests.command import run, start
from tests.services import free_port
from tests.serving import serving

CHAIN = "grayscale\nconvert png"


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def jobs(tmp_path, data):
    """Call it with arguments to run the command; another exit status fails the test."""

    def call(*arguments, status=0):
        done = run("jobs", *arguments, cwd=tmp_path, env={"PIXMILL_DATA": str(data)})
        assert done.returncode == status, done.stderr
        return done

    return call


@pytest.fixture
def made(data):
    """Three jobs, of two keys; the last one failed."""
    with open_catalog(None, data) as catalog:
        keys = [catalog.keys.add(name, ["jobs"])[0] for name in ("line-1", "line-2")]
        ids = []
        for number, key in enumerate([*keys, keys[0]]):
            spec = {"md5": "0" * 32, "operations": CHAIN, "source": f"cam-{number}"}
            job, _ = catalog.jobs.add(NewJob(key_id=key.id, kind="operations", spec=spec))
            ids.append(job.id)
            if number == 0:
                fail(catalog, job.id)
        return ids


def fail(catalog, id_):
    claimed = catalog.jobs.claim("owner", 60, ["operations"])
    assert claimed.id == id_
    outcome = claimed.outcome._replace(code="not_found", message="gone \x1b[31m")
    assert catalog.jobs.end(id_, "owner", "fail", outcome, claimed.progress)


@pytest.fixture
def stalled(data):
    """A job of three shards, of which the second is dead and the others are done."""
    spec = {"product": "colors", "output": "o.csv"}
    with open_catalog(None, data) as catalog:
        job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec=spec))
        catalog.jobs.claim_this(job.id, "me", 60)
        new = [NewShard(10, 1 + 10 * n, 10 + 10 * n, (0, n)) for n in range(3)]
        catalog.shards.plan(job.id, "me", 0, new, complete=True)
        for number in (0, 2):
            shard = catalog.shards.claim(ShardId(job.id, number), "w", "worker-1")
            catalog.shards.commit(shard, shard.counts)
        for death in range(MAX_DEATHS):
            shard = catalog.shards.claim(ShardId(job.id, 1), "w", "worker-\x1b[31m")
            catalog.shards.hand_back(shard, f"death {death} \x1b[31m", how="died")
        outcome = Outcome(code="internal", message="all is done but shard 1")
        catalog.jobs.end(job.id, "me", "stall", outcome, Progress(20, 0, 0))
    return job.id


def states(jobs):
    return [json.loads(line)["state"] for line in jobs("list", "--json").stdout.splitlines()]


def test_jobs_of_all_keys_are_listed_the_newest_first(jobs, made):
    head, *rows = [line.split() for line in jobs("list").stdout.splitlines()]
    assert head[:2] == ["id", "state"]
    assert [row[0] for row in rows] == made[::-1]
    assert [row[1] for row in rows] == ["queued", "queued", "failed"]
    assert [row[5] for row in rows] == ["line-1", "line-2", "line-1"]
    assert rows[2][-1] == "not_found"
    assert len(jobs("list", "--limit", "1").stdout.splitlines()) == 2
    failed = jobs("list", "--state", "failed", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in failed] == made[:1]


def test_the_job_of_a_command_is_told_by_product_and_output(jobs, data, made):
    output = f"/nas/{'deep/' * 30}o \x1b[31m.csv"
    with open_catalog(None, data) as catalog:
        spec = {"product": "colors", "output": output}
        job, _ = catalog.jobs.add(NewJob(key_id=None, kind="command", spec=spec, total=0))
        catalog.jobs.claim_this(job.id, "me", 60)
        catalog.jobs.renew(job.id, "me", 60, Progress(940, 739))
    head, row, *others = jobs("list").stdout.splitlines()
    assert head.split()[-1] == "output"
    assert row.startswith(job.id)
    assert "  command colors  " in row
    assert row.endswith(output.replace("\x1b", "\\x1b"))
    assert row.index("command") == head.index("kind")
    assert all(other[head.index("kind") :].startswith("operations  ") for other in others)
    told = dict(line.split(None, 1) for line in jobs("show", job.id).stdout.splitlines())
    assert told["progress"] == "940, 739 failed"
    assert told["product"] == "colors"


def test_more_jobs_than_a_page_are_listed(jobs, data, made):
    with open_catalog(None, data) as catalog:
        key_id = catalog.keys.all()[0].id
        spec = {"md5": "0" * 32, "operations": CHAIN}
        for _ in range(230):
            catalog.jobs.add(NewJob(key_id=key_id, kind="operations", spec=spec))
    assert len(jobs("list", "--limit", "1000").stdout.splitlines()) == 234
    assert len(jobs("list", "--state", "failed").stdout.splitlines()) == 2


def test_a_job_is_shown_canceled_and_done_again(jobs, made):
    shown = jobs("show", made[0]).stdout
    assert "cam-0" in shown
    assert "grayscale, convert png" in shown
    assert "\x1b" not in shown
    assert json.loads(jobs("show", made[0], "--json").stdout)["code"] == "not_found"
    assert "canceled" in jobs("cancel", made[1]).stdout
    assert "has ended already" in jobs("cancel", made[1], status=1).stderr
    assert json.loads(jobs("retry", made[0], "--json").stdout)["state"] == "queued"
    assert "is queued: only what failed" in jobs("retry", made[2], status=1).stderr
    assert states(jobs) == ["queued", "canceled", "queued"]


def test_a_job_of_a_list_is_shown(jobs, data, made):
    with open_catalog(None, data) as catalog:
        options = {"n": 3, "columns": ["a", "b"], "counts": True, "header": False, "alpha": None}
        options |= {"max_distance": 0.0}
        spec = {"options": options, "list": "lists/a.txt", "source": "cam-9"}
        key_id = catalog.keys.all()[0].id
        job, _ = catalog.jobs.add(NewJob(key_id=key_id, kind="colors", spec=spec))
    told = dict(line.split(None, 1) for line in jobs("show", job.id).stdout.splitlines())
    assert (told["kind"], told["state"], told["source"]) == ("colors", "queued", "cam-9")
    assert (told["n"], told["columns"], told["counts"]) == ("3", "a, b", "yes")
    assert told["progress"] == "0 of 1, 0 failed"
    assert told["max_distance"] == "0.0"
    assert not {"header", "alpha"} & told.keys()


def test_a_list_of_which_something_failed_is_done_again(jobs, data, made):
    with open_catalog(None, data) as catalog:
        key_id = catalog.keys.all()[0].id
        spec = {"options": {"n": 3}, "list": "lists/a.txt"}
        job, _ = catalog.jobs.add(NewJob(key_id=key_id, kind="colors", spec=spec))
        catalog.jobs.claim("me", 30, ["colors"])
        done = Outcome(Result("results/a.csv", 7, "text/csv"))
        catalog.jobs.end(job.id, "me", "succeed", done, Progress(3, 1, 3))
    assert json.loads(jobs("retry", job.id, "--json").stdout)["state"] == "queued"


def test_what_is_not_there_is_one_sentence(jobs, made):
    for verb in ("show", "cancel", "retry", "wait"):
        for id_ in ("0" * 32, "nonsense", "\x1b[31m", ""):
            done = jobs(verb, id_, status=1)
            assert "there is no job" in done.stderr
            assert "\x1b" not in done.stderr


def test_looking_makes_no_catalog(jobs, data):
    told = jobs("list", status=1).stderr
    assert f"there is no catalog in {data}; PIXMILL_DATA names its folder, or" in told
    assert "PIXMILL_CATALOG" in told
    assert not data.exists()


def test_the_catalog_that_is_not_there_is_the_one_that_was_named(tmp_path, data):
    url = f"sqlite:///{tmp_path}/own.sqlite"
    env = {"PIXMILL_DATA": str(data), "PIXMILL_CATALOG": url}
    done = run("jobs", "list", cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert f"there is no catalog at {url}, which PIXMILL_CATALOG names" in done.stderr
    assert [*tmp_path.iterdir()] == []


def test_a_job_is_waited_for(tmp_path, jobs, made):
    assert "is still queued after 0 s" in jobs("wait", made[1], "--timeout", "0", status=1).stderr
    assert "failed" in jobs("wait", made[0], status=1).stdout
    with serving(tmp_path) as service:
        (tmp_path / "a.png").write_bytes(body(1))
        words = ("--server", service.url, "--op", "flip", "--json")
        key = {"PIXMILL_KEY": service_key(tmp_path / "data")}
        sent = run("upload", "a.png", *words, cwd=tmp_path, env=key)
        id_ = json.loads(sent.stdout)["job"]
        done = jobs("wait", id_, "--json")
        assert json.loads(done.stdout)["state"] == "succeeded"
        assert "is succeeded: only what failed" in jobs("retry", id_, status=1).stderr


def test_waiting_ends_when_another_cancels(tmp_path, jobs, data, made):
    waiting = start("jobs", "wait", made[1], cwd=tmp_path, env={"PIXMILL_DATA": str(data)})
    jobs("cancel", made[1])
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert "canceled" in out


def service_key(data):
    with open_catalog(None, data) as catalog:
        return catalog.keys.add("uploader", ["write", "jobs", "read"])[1]


def test_the_dead_parts_of_lists_are_told_with_all_that_is_known(jobs, stalled):
    head, *causes = jobs("dead").stdout.splitlines()
    assert head == f"{stalled}  shard 1, lines 11 to 20"
    assert [cause.split(": ")[1][:7] for cause in causes] == ["death 0", "death 1", "death 2"]
    assert "\x1b" not in "".join(causes)
    (told,) = map(json.loads, jobs("dead", "--json").stdout.splitlines())
    assert (told["job"], told["shard"]) == (stalled, 1)
    assert (told["first_line"], told["last_line"], len(told["attempts"])) == (11, 20, MAX_DEATHS)
    assert set(told["attempts"][0]) == {"worker", "ended_at", "cause"}


def test_what_the_broker_can_not_tell_of_is_no_success(tmp_path, data, stalled):
    broker = f"amqp://guest:hidden@127.0.0.1:{free_port()}//"
    env = {"PIXMILL_DATA": str(data), "PIXMILL_BROKER": broker}
    done = run("jobs", "dead", cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{stalled}  shard 1, lines 11 to 20\n")
    assert done.stderr.startswith("pixmill: the broker can not be used: ")
    assert "hidden" not in done.stderr
    assert run("jobs", "dead", "--json", cwd=tmp_path, env=env).returncode == 0


def test_what_is_redriven_waits_again_with_its_job(jobs, data, stalled, made):
    assert json.loads(jobs("redrive", stalled, "--json").stdout)["state"] == "queued"
    with open_catalog(None, data) as catalog:
        assert catalog.shards.find(ShardId(stalled, 1)).state == "waiting"
    assert jobs("dead").stdout == "no shard is dead\n"
    assert jobs("dead", "--json").stdout == ""
    for id_ in (stalled, made[1]):
        assert f"no shard of the job {id_} is dead" in jobs("redrive", id_, status=1).stderr
    assert "there is no job" in jobs("redrive", "f" * 32, status=1).stderr


def test_a_stalled_job_goes_on_also_where_its_dead_parts_were_redriven_before(jobs, data, stalled):
    """By a command that was killed then, or just before the job came to be stalled."""
    with open_catalog(None, data) as catalog:
        assert catalog.shards.redrive(stalled) == 1
    assert json.loads(jobs("redrive", stalled, "--json").stdout)["state"] == "queued"


def test_the_dead_parts_of_a_job_that_is_over_are_not_redriven(jobs, data, stalled):
    jobs("cancel", stalled)
    assert "is canceled" in jobs("redrive", stalled, status=1).stderr
    with open_catalog(None, data) as catalog:
        assert catalog.shards.find(ShardId(stalled, 1)).state == "dead"
