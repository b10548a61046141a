"""Traces of jobs as an operator gets them: by a variable, from services, commands and workers."""

from __future__ import annotations

from collections import defaultdict

import pytest

from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from tests import command
from tests.acceptance.test_cluster import write_list
from tests.acceptance.test_cluster_service import PLAIN, followed, operate
from tests.cluster import Cluster, wait_until
from tests.serving import serving
from tests.telemetry import Receiver

SERVER, CONSUMER = 2, 5


@pytest.fixture
def collector():
    with Receiver() as running:
        yield running


def of_job(spans, job_id):
    """The spans of a job's trace, by their names."""
    named = defaultdict(list)
    for span in spans:
        if span.trace == job_id:
            assert span.attributes["pixmill.job"] == job_id
            named[span.name].append(span)
    return named


def test_a_service_alone_sends_the_traces_of_its_jobs(tmp_path, collector):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    with serving(tmp_path, env=env) as service:
        with service.client() as client:
            told = followed(client, operate(client, (1, 2, 3), "invert"))
        assert collector.requests == []
        assert service.stop() == 0  # which sends what is left
    (first,), (done,) = of_job(collector.spans(), told["id"]).values()
    assert (first.name, first.kind) == ("POST /images/{md5}/operations", SERVER)
    assert (done.name, done.parent) == ("job operations", first.id)
    assert done.attributes["pixmill.outcome"] == "succeed"
    assert done.resource["service.name"] == "pixmill-api"


def test_a_service_works_on_without_its_collector_and_says_so_once(tmp_path):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with serving(tmp_path, env={**env, "OTEL_BSP_SCHEDULE_DELAY": "50"}) as service:
        with service.client() as client:
            for number in range(5):
                job = followed(client, operate(client, (number, 2, 3), "invert"))
                assert job["state"] == "succeeded"
        assert service.stop() == 0
    assert len([line for line in service.log if "traces can not be sent" in line]) == 1


def test_a_service_reports_the_defect_that_a_job_failed_by(tmp_path):
    file = tmp_path / "dsn"
    with Receiver() as sentry:
        file.write_text(sentry.dsn)
        with serving(tmp_path, env={"PIXMILL_SENTRY_DSN_FILE": str(file)}) as service:
            with service.client() as client, open_catalog(None, tmp_path / "data") as catalog:
                assert (
                    followed(client, operate(client, (1, 2, 3), "invert"))["state"] == "succeeded"
                )
                spec = {"md5": "0" * 32, "operations": 7}  # no request can make it
                job, _ = catalog.jobs.add(NewJob(key_id=1, kind="operations", spec=spec))
                wait_until(lambda: catalog.jobs.find(job.id).state == "failed")
            assert service.stop() == 0
        (event,) = sentry.events()
    assert event["transaction"] == "a job failed by a defect"
    assert event["tags"] == {"service": "pixmill-api", "job": job.id}
    assert event["exception"]["values"][-1]["stacktrace"]["frames"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "begins with http:// or https://"),
        ("PIXMILL_SENTRY_DSN", "https://hidden@example.org", "this is no DSN of Sentry"),
    ],
)
def test_a_variable_that_makes_no_sense_ends_the_start(tmp_path, name, value, words):
    ended = command.run("serve", cwd=tmp_path, env={"PIXMILL_DATA": str(tmp_path), name: value})
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"pixmill: {name}")
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "hidden" not in ended.stderr


def test_what_a_cluster_does_for_a_job_is_one_trace(rabbit, postgres, tmp_path, collector, origin):
    """The request, each sending, each shard on its worker, the merging; and a command's alike."""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with Cluster(rabbit.url, postgres, tmp_path, **env) as cluster:
        urls = write_list(origin, tmp_path)
        with (
            serving(tmp_path, env=cluster.env) as service,
            service.client() as client,
        ):
            cluster.start("a")
            posted = client.post("/jobs?kind=colors", content=urls.read_bytes(), headers=PLAIN)
            listed = followed(client, posted.json())
            made = followed(client, operate(client, (1, 2, 3), "invert"))
            assert (listed["state"], made["state"]) == ("succeeded", "succeeded")
            assert service.stop() == 0
        words = ("colors", str(urls), "-o", "c.csv", "--strict")
        assert command.run(*words, cwd=tmp_path, env=cluster.env).returncode == 1
        assert cluster.workers["a"].end() == 0
    spans = collector.spans()
    _check_list(of_job(spans, listed["id"]), "POST /jobs", "job colors")
    (other,) = {span.trace for span in spans} - {listed["id"], made["id"]}
    _check_list(of_job(spans, other), "command colors", None)
    trace = of_job(spans, made["id"])
    (sent,), (done,) = trace["send pixmill.interactive"], trace["job operations"]
    assert done.parent == sent.id
    assert done.resource["service.name"] == "pixmill-worker"


def _check_list(trace, first, job):
    (begun,) = trace[first]
    assert begun.parent == ""
    sent = {span.id: span.attributes["pixmill.shard"] for span in trace["send pixmill.bulk"]}
    shards = trace["shard"]
    numbers = [span.attributes["pixmill.shard"] for span in shards]
    assert sorted(numbers) == list(range(len(shards)))
    assert len(shards) > 1
    assert [sent[span.parent] for span in shards] == numbers
    assert {span.parent for span in trace["send pixmill.bulk"]} == {begun.id}
    for span in shards:
        told = span.attributes
        assert (span.kind, told["pixmill.outcome"], told["pixmill.attempt"]) == (
            CONSUMER,
            "done",
            1,
        )
        assert told["pixmill.ok"] + told["pixmill.failed"] == told["pixmill.items"]
        assert told["pixmill.worker"] == span.resource["service.instance.id"] == "a"
    (merge,) = trace["merge"]
    assert merge.parent == (trace[job][0].id if job else begun.id)
    assert merge.attributes["pixmill.last_line"] == max(
        span.attributes["pixmill.last_line"] for span in shards
    )
