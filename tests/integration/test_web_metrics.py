"""What is counted and timed, under labels that no client can multiply."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pixmill.web.metrics import Metrics
from tests.integration.web_serving import serving


def samples(metrics):
    text, kind = metrics.render()
    assert kind.startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_template_method_and_status():
    with serving() as service:
        for path in ("/named/a", "/named/b", "/nowhere/1", "/nowhere/2", "/boom"):
            service.request("GET", path)
        service.request("PROPFIND", "/hello")
        service.lines("request", 6)
        found = samples(service.metrics)
    assert {
        key[1:]: value for key, value in found.items() if key[0] == "pixmill_requests_total"
    } == {
        ("GET", "/named/{secret}", "200"): 2,
        ("GET", "unmatched", "404"): 2,
        ("GET", "/boom", "500"): 1,
        ("other", "/hello", "405"): 1,
    }
    assert found["pixmill_requests_in_flight",] == 0
    assert found["pixmill_request_seconds_bucket", "+Inf", "/boom"] == 1


def test_requests_under_way_are_gauged():
    metrics = Metrics()
    metrics.request_begins()
    assert samples(metrics)["pixmill_requests_in_flight",] == 1


def test_buckets_go_to_thirty_seconds():
    metrics = Metrics()
    metrics.stage_took("decoding", 29.0)
    found = samples(metrics)
    assert found["pixmill_stage_seconds_bucket", "10.0", "decoding"] == 0
    assert found["pixmill_stage_seconds_bucket", "30.0", "decoding"] == 1


def test_a_stage_that_fails_is_timed_too():
    metrics = Metrics()
    with pytest.raises(KeyError), metrics.timed("fetching"):
        raise KeyError
    assert samples(metrics)["pixmill_stage_seconds_count", "fetching"] == 1


def test_stages_and_lookups_stand_at_zero_before_the_first():
    """A graph of a rate needs a point to start from."""
    found = samples(Metrics())
    assert found["pixmill_stage_seconds_count", "waiting"] == 0
    assert found["pixmill_answers_total", "hit"] == 0


def test_items_lookups_and_the_pool_are_told():
    metrics = Metrics()
    metrics.item("ok")
    metrics.item("http_error")
    metrics.answer_looked_up(hit=True)
    metrics.answer_looked_up(hit=False)
    metrics.watch_pool(busy=lambda: 2, waiting=lambda: 7)
    found = samples(metrics)
    assert found["pixmill_items_total", "http_error"] == 1
    assert found["pixmill_answers_total", "hit"] == found["pixmill_answers_total", "miss"] == 1
    assert (found["pixmill_pool", "busy"], found["pixmill_pool", "waiting"]) == (2, 7)


def test_two_services_in_one_process_count_for_themselves():
    one, other = Metrics(), Metrics()
    one.item("ok")
    assert re.search(rb'items_total\{code="ok"\} 1', one.render()[0])
    assert b'code="ok"' not in other.render()[0]
