"""The service tells a collector of the requests that make jobs, and Sentry of its defects."""

from __future__ import annotations

import os

import pytest

from pixmill.settings import load_settings
from pixmill.telemetry.defects import defects_reported
from pixmill.telemetry.traces import traces_sent
from tests.integration.web_app import running
from tests.pictures import plain
from tests.telemetry import Receiver

RED = plain((255, 0, 0))
THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECRET = "very-secret"


@pytest.fixture(autouse=True)
def _no_variables_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("OTEL_", "SENTRY_"))]:
        monkeypatch.delenv(name)


def untold(what, error):
    raise AssertionError((what, error))


async def submit(app, word):
    return await app.client.post(
        "/jobs",
        params={"kind": "colors", "source": SECRET},
        content=f"https://{SECRET}.invalid/1.png",
        headers={"content-type": "text/plain", "idempotency-key": word, "traceparent": THEIRS},
    )


async def test_a_request_that_makes_a_job_is_the_first_span_of_its_trace(tmp_path, monkeypatch):
    with Receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with traces_sent("pixmill-api", untold):
            async with running(tmp_path, jobs=0) as app:
                made = await submit(app, "one")
                again = await submit(app, "one")
                await app.client.get("/jobs", params={"cursor": SECRET})
                await app.client.post("/colours/match", content=RED)
                logged = [each["request_id"] for each in app.log("request")]
        assert (made.status_code, again.status_code) == (202, 200)
        first, second = collector.spans()
    assert first.trace == second.trace == made.json()["id"]
    assert (first.parent, second.parent) == ("", first.id)
    assert first.name == second.name == "POST /jobs"
    assert first.links == [("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")]
    assert first.attributes == {
        "http.request.method": "POST",
        "http.route": "/jobs",
        "http.response.status_code": 202,
        "pixmill.job": made.json()["id"],
        "pixmill.request_id": logged[0],
    }
    assert all(SECRET.encode() not in request.body for request in collector.requests)


async def test_what_is_done_again_is_of_the_same_trace(tmp_path, monkeypatch):
    with Receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with traces_sent("pixmill-api", untold):
            async with running(tmp_path, jobs=0) as app:
                job = (await submit(app, "one")).json()["id"]
                (claimed,) = [app.catalog.jobs.claim_this(job, "me", 60)]
                app.catalog.jobs.end(job, "me", "fail", claimed.outcome, claimed.progress)
                assert (await app.client.post(f"/jobs/{job}/retry")).status_code == 200
        first, retried = collector.spans()
    assert (retried.name, retried.trace) == ("POST /jobs/{job_id}/retry", job)
    assert retried.parent == first.id


async def test_fastapi_sends_no_spans_of_its_own(tmp_path, monkeypatch):
    """Its spans tell paths and queries; whoever instruments the process would get them."""
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
        InMemorySpanExporter,
    )

    heard = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(heard))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    async with running(tmp_path, jobs=0) as app:
        await app.client.get("/jobs", params={"cursor": SECRET})
    assert heard.get_finished_spans() == ()


async def test_a_defect_is_answered_500_and_reported_without_what_was_sent(tmp_path, monkeypatch):
    def trip(*_):
        raise ZeroDivisionError(f"of https://me:{SECRET}@example.org/?signature={SECRET}")

    with Receiver() as sentry:
        with defects_reported(load_settings(sentry_dsn=sentry.dsn), "pixmill-api") as defects:
            async with running(tmp_path, defects, jobs=0) as app:
                monkeypatch.setattr(app.catalog.jobs, "page", trip)
                answer = await app.client.get(
                    "/jobs", params={"limit": "7"}, headers={"x-secret": SECRET}
                )
                wrong = await app.client.get("/jobs", params={"limit": SECRET})
                missing = await app.client.get(f"/jobs/{'0' * 32}")
                (told,) = app.log("defect")
        statuses = (answer.status_code, wrong.status_code, missing.status_code)
        assert statuses == (500, 400, 404)
        (event,) = sentry.events()
        body = sentry.requests[0].body
    assert event["exception"]["values"][-1]["value"] == "of https://example.org/…"
    assert event["tags"] == {"service": "pixmill-api", "request_id": told["request_id"]}
    assert SECRET.encode() not in body
    assert not {"request", "user"} & event.keys()


async def test_a_service_that_can_not_do_something_just_now_reports_nothing(tmp_path, monkeypatch):
    from pixmill.errors import OutputError  # noqa: PLC0415

    def away(*_):
        raise OutputError("the catalog is away")

    with Receiver() as sentry:
        with defects_reported(load_settings(sentry_dsn=sentry.dsn), "pixmill-api") as defects:
            async with running(tmp_path, defects, jobs=0) as app:
                monkeypatch.setattr(app.catalog.jobs, "page", away)
                assert (await app.client.get("/jobs")).status_code == 503
        assert sentry.requests == []
