"""Defects come to Sentry with nothing of anybody's in them, and what can be expected does not."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

import pytest
import sentry_sdk

from pixmill.errors import (
    FetchTimeout,
    InternalError,
    MissingExtra,
    OutputError,
    RunError,
    UsageError,
)
from pixmill.jobs.executor import Executor
from pixmill.settings import load_settings
from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from pixmill.telemetry.defects import (
    CLOSE_S,
    Defects,
    _client,
    defects_reported,
    is_defect,
    without_secrets,
)
from pixmill.web.access import Log, libraries_speak_through
from tests.telemetry import Receiver

KEY = "pm_abcdefgh_" + "A" * 43


@pytest.fixture(autouse=True)
def _no_variables_from_outside(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PIXMILL_", "SENTRY_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def sentry():
    with Receiver() as running:
        yield running


def reporting(sentry):
    return defects_reported(load_settings(sentry_dsn=sentry.dsn), "pixmill-worker")


def trip(body):
    """Fail with a value at hand that is nobody's business."""
    secret = f"{body}-in-a-variable"
    raise ZeroDivisionError(f"no {len(secret)} https://me:pass@example.org:8/private?signature=xyz")


# What is one


@pytest.mark.parametrize(
    "error",
    [
        UsageError("x"),
        OutputError("x"),
        RunError("x"),
        FetchTimeout("x"),
        KeyboardInterrupt(),
        SystemExit(1),
    ],
)
def test_what_can_be_expected_is_no_defect(sentry, error):
    with reporting(sentry) as defects:
        defects.report(error, "defect")
    assert sentry.requests == []
    assert not is_defect(error)


def test_a_defect_is_reported(sentry):
    with reporting(sentry) as defects:
        defects.report(InternalError("no wonder"), "a job failed", job="5", request_id="7", key="k")
    (event,) = sentry.events()
    assert event["exception"]["values"][0]["type"] == "InternalError"
    assert event["exception"]["values"][0]["value"] == "no wonder"
    assert event["tags"] == {"service": "pixmill-worker", "job": "5", "request_id": "7"}
    assert event["transaction"] == "a job failed"
    assert event["release"].startswith("pixmill@")
    assert sentry.requests[0].path == "/api/7/envelope/"


# What is in it


def test_nothing_of_anybodys_is_in_a_report(sentry):
    with reporting(sentry) as defects:
        try:
            try:
                trip("private-body")
            except ZeroDivisionError as error:
                raise LookupError(f"{KEY} Bearer {KEY} at amqp://pixmill:pass@bus/host") from error
        except LookupError as error:
            defects.report(error, f"defect of https://me:pass@example.org/private {KEY}")
    (event,) = sentry.events()
    inner, outer = event["exception"]["values"]
    assert inner["value"] == "no 26 https://example.org:8/…"
    assert outer["value"] == "pm_abcdefgh_*** Bearer *** at amqp://bus/…"
    assert [frame["function"] for frame in inner["stacktrace"]["frames"]][-1] == "trip"
    frames = inner["stacktrace"]["frames"] + outer["stacktrace"]["frames"]
    assert not any("vars" in frame for frame in frames)
    assert not {"request", "user", "extra", "breadcrumbs", "modules"} & event.keys()
    # The lines of the code itself are this test's, and hold the words that are looked for.
    told = {**event, "exception": [value["value"] for value in event["exception"]["values"]]}
    assert not any(
        word in str(told) for word in ("pass", "private", "signature", "AAAA", sys.argv[0])
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to http://a.b/c?d=e and back", "to http://a.b/… and back"),
        ("'https://user@a.b:81/c'", "'https://a.b:81/…'"),
        ("postgresql+psycopg://me:p@ss@db:5432/x", "postgresql+psycopg://db:5432/…"),
        ("amqp://me:p/ss@bus:5672//", "amqp://…"),
        ("https://a.b/c@d", "https://…"),
        ("GET /render?url=x&signature=y failed", "GET /render?*** failed"),
        ("what? nothing", "what? nothing"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!", "whsec_***!"),
        ("(sqlite3.Error) x\n[SQL: y]\n[parameters: ('secret', 1)]\nmore", None),
        ("x" * 2000, "x" * 999 + "…"),
        ("plain words", "plain words"),
    ],
)
def test_secrets_are_taken_out_of_a_text(text, expected):
    if expected is None:
        expected = "(sqlite3.Error) x\n[SQL: y]\n[parameters: ***]"
    assert without_secrets(text) == expected


# Where it comes from


def test_the_log_reports_what_it_writes_as_a_defect(sentry, capsys):
    with reporting(sentry) as defects:
        own = Log("json", defects=defects)
        own.error("the broker is away", OutputError("x"))
        own.error("defect", ValueError("one"), request_id="7")
        with libraries_speak_through(own, ("asyncio", "kombu")):
            logging.getLogger("kombu").error("x", exc_info=ValueError("not ours"))
            logging.getLogger("asyncio").error("x", exc_info=ValueError("two"))
    events = sentry.events()
    assert [event["exception"]["values"][-1]["value"] for event in events] == ["one", "two"]
    assert [event["tags"].get("request_id") for event in events] == ["7", None]
    assert capsys.readouterr().err.count("\n") == 4


def test_a_job_that_fails_by_a_defect_is_reported(sentry, tmp_path, capsys):
    class Runner:
        def run(self, job, hold):
            trip("x")

    with reporting(sentry) as defects, open_catalog(None, tmp_path) as catalog:
        catalog.keys.add("one", ["jobs"])
        job, _ = catalog.jobs.add(NewJob(key_id=1, kind="trip", spec={}))
        told = Log("json", defects=defects).error
        executor = Executor(catalog.jobs, {"trip": Runner()}, at_once=0, told=told)
        executor.take(job.id)
        assert catalog.jobs.find(job.id).state == "failed"
    (event,) = sentry.events()
    assert event["transaction"] == "a job failed by a defect"
    assert event["tags"]["job"] == job.id


def test_what_ends_a_thread_or_the_process_is_reported(sentry, monkeypatch):
    ended = []
    monkeypatch.setattr(threading, "excepthook", ended.append)
    with pytest.raises(ZeroDivisionError):
        _trip_twice(sentry)
    assert [event["transaction"] for event in sentry.events()] == [
        "a thread ended by a defect",
        "the process ended by a defect",
    ]
    assert len(ended) == 1
    assert threading.excepthook == ended.append


def _trip_twice(sentry):
    with reporting(sentry):
        thread = threading.Thread(target=trip, args=("x",))
        thread.start()
        thread.join()
        trip("x")


def test_what_ends_the_process_as_expected_is_not_reported(sentry):
    for error in (UsageError("x"), SystemExit(1), KeyboardInterrupt()):
        with pytest.raises(type(error)), reporting(sentry):
            raise error
    assert sentry.requests == []


# How much


def test_a_defect_in_a_loop_is_reported_often_enough(sentry):
    times = [0.0] * 100 + [59.0, 60.0]
    client = _client(sentry.dsn)
    assert not client.should_send_default_pii()
    assert client.integrations == {}
    assert not sentry_sdk.get_client().is_active()  # nobody else's errors are sent by it
    defects = Defects(client, clock=iter(times).__next__)
    for _ in times:
        defects.report(ValueError("x"), "defect")
    client.close(timeout=10)
    assert len(sentry.events()) == 31


def test_a_sentry_that_hangs_holds_up_neither_work_nor_the_end():
    with Receiver(delay_s=60) as sentry:
        began = time.monotonic()
        with reporting(sentry) as defects:
            for _ in range(30):
                defects.report(ValueError("x"), "defect")
        assert time.monotonic() - began < CLOSE_S + 10
        assert len(sentry.requests) == 1


# Where to


def test_without_a_dsn_nothing_of_sentry_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with defects_reported(load_settings(), "x") as defects:
        defects.report(ValueError("x"), "defect")


def test_the_dsn_is_a_setting_its_file_or_the_variable_of_sentry(sentry, monkeypatch, tmp_path):
    with Receiver() as other:
        monkeypatch.setenv("SENTRY_DSN", other.dsn)
        _report()
        assert len(other.events()) == 1
        file = tmp_path / "dsn"
        file.write_text(sentry.dsn + "\n")
        monkeypatch.setenv("PIXMILL_SENTRY_DSN_FILE", str(file))
        _report()
        assert (len(other.events()), len(sentry.events())) == (1, 1)


def _report():
    settings = load_settings()
    assert "public@" not in repr(settings)
    with defects_reported(settings, "x") as defects:
        defects.report(ValueError("x"), "defect")


def test_what_is_no_dsn_is_refused_and_not_shown(monkeypatch):
    for dsn in ("secret", "https://secret@example.org"):
        with (
            pytest.raises(UsageError, match="no DSN") as error,
            defects_reported(load_settings(sentry_dsn=dsn), "x"),
        ):
            pass
        assert "secret" not in str(error.value)


def test_a_missing_extra_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    monkeypatch.setenv("SENTRY_DSN", "https://secret@example.org/1")
    with pytest.raises(MissingExtra) as error, defects_reported(load_settings(), "x"):
        pass
    assert str(error.value) == (
        "reporting defects, which a DSN of Sentry asks for, needs an extra: "
        "pip install 'pixmill[sentry]'"
    )
