"""Spans of a job come to a collector as one trace, and none that is away costs the job anything."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import threading
import time

import pytest

from pixmill.errors import CorruptImage, MissingExtra, OutputError, UsageError
from pixmill.telemetry import traces
from pixmill.telemetry.exporting import CLOSE_S, Exporting
from pixmill.telemetry.traces import Begun, delivered, is_shown, record, span, traces_sent
from tests.telemetry import Receiver

JOB = "0af7651916cd43dd8448eb211c80319c"
OTHER = "4bf92f3577b34da6a3ce929d0e0e4736"
THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _no_variables_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def collector(monkeypatch):
    with Receiver() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


def untold(what, error):
    raise AssertionError((what, error))


def by_name(collector):
    spans = collector.spans()
    named = {each.name: each for each in spans}
    assert len(named) == len(spans)
    return named


# One trace


def test_what_processes_do_for_a_job_is_one_trace_whose_id_is_the_jobs(collector):
    """A request, a sending elsewhere, a worker that the message came to, and one without any."""
    with traces_sent("api", untold):
        record(Begun("POST /jobs", JOB, "server", first=True, ago_s=1.5), {}, request_id="r")
    with traces_sent("relay", untold), span("send", JOB, kind="producer", shard=3) as sent:
        header = sent.traceparent
    with traces_sent("worker", untold, instance="w-1"):
        with delivered(JOB, header), span("shard", JOB, kind="consumer"), span("part", JOB):
            pass
        with delivered(JOB, None), span("lost", JOB):
            pass
    found = by_name(collector)
    assert {each.trace for each in found.values()} == {JOB}
    first = found["POST /jobs"]
    assert first.parent == ""
    assert first.seconds == pytest.approx(1.5, abs=0.5)
    assert header == f"00-{JOB}-{found['send'].id}-{header[-2:]}"
    assert int(header[-2:], 16) & 1
    assert found["send"].parent == found["lost"].parent == first.id
    assert found["shard"].parent == found["send"].id
    assert found["part"].parent == found["shard"].id
    assert [found[name].kind for name in ("part", "POST /jobs", "send", "shard")] == [1, 2, 4, 5]
    assert found["send"].attributes == {"pixmill.job": JOB, "pixmill.shard": 3}
    assert first.attributes == {"pixmill.job": JOB, "pixmill.request_id": "r"}
    resource = found["shard"].resource
    assert (resource["service.name"], resource["service.instance.id"]) == ("worker", "w-1")


def test_no_span_gets_into_the_trace_of_another_job(collector):
    with traces_sent("worker", untold):
        for told in (THEIRS, "garbage", 7, f"00-{JOB}-{'0' * 16}-01"):
            with delivered(JOB, told), span("shard", JOB):
                pass
        with span("outer", OTHER), span("inner", JOB):
            pass
        record(Begun("POST /jobs", JOB, "server", first=True, link=THEIRS), {})
    *shards, inner, outer, request = collector.spans()
    assert {each.trace for each in (*shards, inner, request)} == {JOB}
    assert {each.parent for each in (*shards, inner)} == {request.id}
    assert outer.trace == OTHER
    assert request.links == [(OTHER, "00f067aa0ba902b7")]
    assert [each.links for each in shards] == [[]] * 4


def test_a_span_tells_of_an_error_its_kind_alone(collector):
    with traces_sent("worker", untold):
        for error in (ValueError("https://user:secret@example.org"), CorruptImage("secret")):
            with pytest.raises(type(error)), span("shard", JOB):
                raise error
        with span("shard", JOB) as told:
            told.fail("timeout")
            told.add(failed=2, code=None)
    value, image, told = collector.spans()
    assert [each.error for each in (value, image, told)] == [True] * 3
    errors = [each.attributes["error.type"] for each in (value, image, told)]
    assert errors == ["ValueError", "corrupt_image", "timeout"]
    assert told.attributes["pixmill.failed"] == 2
    assert "pixmill.code" not in told.attributes
    assert all(b"secret" not in request.body for request in collector.requests)


def test_a_dropped_span_is_not_sent(collector):
    with traces_sent("worker", untold):
        with span("shard", JOB) as told:
            told.drop()
        with span("kept", JOB):
            pass
    assert [each.name for each in collector.spans()] == ["kept"]


def test_of_many_shards_few_are_shown():
    assert all(map(is_shown, range(1000)))
    assert [number for number in range(1000, 1050) if is_shown(number)] == list(
        range(1000, 1050, 10)
    )
    assert sum(map(is_shown, range(500_000))) == 1000 + 900 + 900 + 400


def test_all_processes_agree_which_jobs_are_sampled(collector, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    jobs = [secrets.token_hex(16) for _ in range(100)]
    headers = {}
    with traces_sent("api", untold):
        for job in jobs:
            record(Begun("first", job, first=True), {})
            with span("send", job) as sent:
                headers[job] = sent.traceparent
    with traces_sent("worker", untold):
        for job in jobs:
            with delivered(job, headers[job]), span("shard", job):
                pass
            with span("lost", job):
                pass
    traced = {name: set() for name in ("first", "send", "shard", "lost")}
    for each in collector.spans():
        traced[each.name].add(each.trace)
    assert 20 < len(traced["first"]) < 80
    assert traced["first"] == traced["send"] == traced["shard"] == traced["lost"]


# What the environment says


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported():
    program = (
        "import sys\n"
        "from pixmill.telemetry.traces import Begun, record, span, traces_sent\n"
        "with traces_sent('api', print), span('shard', 'f' * 32, shard=1) as told:\n"
        "    told.add({'a': 1}, b=2)\n"
        "    told.fail('internal')\n"
        "    told.drop()\n"
        "    record(Begun('x', 'f' * 32), {})\n"
        "    print(told.traceparent, [name for name in sys.modules if 'opentelemetry' in name])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={}
    )
    assert run.stdout == "None []\n"


def test_variables_of_opentelemetry_are_heeded(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=abc,authorization=Basic%20c2VjcmV0")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mill")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with traces_sent("api", untold), span("shard", JOB):
        pass
    (request,), (sent,) = collector.requests, collector.spans()
    assert request.path == "/v1/traces"
    assert request.headers["x-team"] == "abc"
    assert request.headers["authorization"] == "Basic c2VjcmV0"
    assert sent.resource["service.name"] == "mill"
    assert sent.resource["deployment.environment.name"] == "test"
    assert sent.resource["service.version"]


def test_traces_may_have_an_endpoint_of_their_own(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/own")
    with traces_sent("api", untold), span("shard", JOB):
        pass
    assert [request.path for request in collector.requests] == ["/own"]


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
def test_variables_that_turn_it_off_do(collector, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with traces_sent("api", untold), span("shard", JOB) as told:
        assert told.traceparent is None
    assert collector.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
    ],
)
def test_what_could_never_be_sent_is_refused(collector, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"^{name}: "), traces_sent("api", untold):
        pass
    assert traces._process.sink is None


def test_a_missing_extra_is_one_sentence(collector, monkeypatch):
    monkeypatch.delitem(sys.modules, "pixmill.telemetry.exporting")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtra) as error, traces_sent("api", untold):
        pass
    assert str(error.value) == (
        "tracing, which OTEL_EXPORTER_OTLP_ENDPOINT asks for, needs an extra: "
        "pip install 'pixmill[otel]'"
    )


# A collector that is away


def test_a_collector_that_refuses_is_told_of_once_until_it_takes_spans_again(
    monkeypatch, caplog, capfd
):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    told = []
    with Receiver(status=401) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with traces_sent("api", lambda what, error: told.append((what, error))):
            for number in range(1, 4):
                _send_one(collector, number)
            assert len(told) == 1
            collector.status = 200
            _send_one(collector, 4)
            collector.status = 400
            _send_one(collector, 5)
            _send_one(collector, 6)
    assert [what for what, _ in told] == ["traces can not be sent, and are lost meanwhile"] * 2
    assert all(isinstance(error, OutputError) for _, error in told)
    assert ["401" in str(told[0][1]), "400" in str(told[1][1])] == [True, True]
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("opentelemetry").propagate


def _send_one(collector, number):
    with span("shard", JOB):
        pass
    deadline = time.monotonic() + 10
    while len(collector.requests) < number:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)  # so that what was answered is heard


def test_a_collector_that_hangs_holds_up_neither_work_nor_the_end(monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "600")
    with Receiver(delay_s=60) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        sink = Exporting("api", None, lambda *_: None)
        monkeypatch.setattr(traces._process, "sink", sink)
        began = time.monotonic()
        for _ in range(5000):  # more than are kept
            with span("shard", JOB):
                pass
        worked = time.monotonic()
        sink.close()
        ended = time.monotonic()
    assert worked - began < 30
    assert ended - worked < CLOSE_S + 10
    assert len(collector.requests) == 1


def test_a_collector_that_is_not_there_holds_up_no_end(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    told = threading.Event()
    began = time.monotonic()
    with traces_sent("api", lambda *_: told.set()), span("shard", JOB):
        pass
    assert time.monotonic() - began < CLOSE_S + 10
