"""The service as an operator sees it: probes, metrics, ids, dying decoders, signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import command
from tests import origin as o
from tests.drawn import encoded, picture
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.origin import Origin
    from tests.serving import Service

NO_IMAGE = "Could not parse image"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {"PIXMILL_LOG_FORMAT": "json", "PIXMILL_RETRIES": "0"}
    with serving(tmp_path_factory.mktemp("api"), env=env) as running:
        yield running


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def samples(api: httpx.Client) -> Samples:
    """All that `/metrics` tells, by name and labels."""
    text = api.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def gained(before: Samples, after: Samples, name: str, **labels: str) -> float:
    place = (name, tuple(sorted(labels.items())))
    return after.get(place, 0.0) - before.get(place, 0.0)


def workers(service: Service) -> list[psutil.Process]:
    """The processes that decode: those that the fork server has started."""
    own = psutil.Process(service.process.pid)
    return [grandchild for child in own.children() for grandchild in child.children(recursive=True)]


def test_metrics_count_requests_items_stages_and_answers(api: httpx.Client, origin: Origin) -> None:
    before = samples(api)
    url = origin.serve("/a", plain((9, 99, 199)))
    for _ in range(2):
        api.get("/colours/match", params={"url": url, "max_distance": "9"})
    api.get("/colours/match", params={"url": origin.url("/missing")})
    api.get("/colours/match", params={"url": "http://nowhere.invalid/"})
    api.post("/colors/top", content=b"no image")
    api.get("/colours/match")
    api.get("/no/such/path")
    after = samples(api)

    def requests(method: str, route: str, status: str) -> float:
        labels = {"method": method, "route": route, "status": status}
        return gained(before, after, "pixmill_requests_total", **labels)

    assert requests("GET", "/colours/match", "200") == 2
    assert requests("GET", "/colours/match", "400") == 3
    assert requests("POST", "/colors/top", "400") == 1
    assert requests("GET", "unmatched", "404") == 1
    for code, number in (
        ("ok", 2), ("http_error", 1), ("dns_failed", 1), ("unsupported_format", 1), ("internal", 0),
    ):  # fmt: skip
        assert gained(before, after, "pixmill_items_total", code=code) == number, code
    for stage, number in (("fetching", 4), ("decoding", 1), ("computing", 1)):
        count = gained(before, after, "pixmill_stage_seconds_count", stage=stage)
        assert count == number, stage
    assert gained(before, after, "pixmill_stage_seconds_count", stage="waiting") >= 5
    assert gained(before, after, "pixmill_answers_total", result="hit") == 1
    assert gained(before, after, "pixmill_answers_total", result="miss") == 2
    assert after["pixmill_pool", (("state", "busy"),)] == 0
    assert after["pixmill_requests_in_flight", ()] == 1
    largest = (("le", "30.0"), ("route", "/colours/match"))
    assert ("pixmill_request_seconds_bucket", largest) in after


def test_clients_can_make_no_labels(api: httpx.Client) -> None:
    """Paths, methods and names that they choose are no label of a metric."""
    for n in range(20):
        api.get(f"/made/up/{n}")
        api.get(f"/palettes/made-up-{n}")
        api.get("/colours/match", params={"palette": f"made-up-{n}"})
    assert "made" not in api.get("/metrics").text


def test_each_answer_has_the_id_of_its_line_in_the_log(service: Service, api: httpx.Client) -> None:
    answers = [api.get("/palettes"), api.get("/nothing"), api.get("/healthz", auth=None)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 3
    deadline = time.monotonic() + 30
    while True:
        lines = {line.get("request_id"): line for line in map(json.loads, list(service.log))}
        if all(number in lines for number in ids):
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    told = [(lines[i]["route"], lines[i]["status"], lines[i].get("key")) for i in ids]
    assert told == [
        ("/palettes", 200, "first"), ("unmatched", 404, "first"), ("/healthz", 200, None),
    ]  # fmt: skip


def test_every_answer_has_the_security_headers(api: httpx.Client) -> None:
    answers = [
        api.get("/palettes"), api.get("/nothing"), api.get("/sign-in", auth=None),
        api.get("/palettes", auth=None), api.get("/healthz", auth=None), api.post("/colours/match"),
        api.get("/static/base.css", auth=None),
    ]  # fmt: skip
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "cache-control" in answer.headers
        assert "server" not in answer.headers


def test_killing_every_worker_costs_no_later_request(service: Service, api: httpx.Client) -> None:
    for n in range(3):
        assert api.post("/colours/match", content=plain((255, n, n))).json()["colour"] == "red"
        for process in workers(service):
            process.send_signal(signal.SIGKILL)
    assert api.post("/colours/match", content=plain((0, 0, 255))).json()["colour"] == "blue"
    assert api.get("/readyz").status_code == 200


@pytest.mark.soak
def test_killing_workers_at_work_costs_those_requests_alone(
    service: Service, api: httpx.Client
) -> None:
    """All at once, while large images are decoded: each has an answer, and so has the next."""
    api.post("/colours/match", content=plain((1, 1, 1)))
    before = samples(api)
    pictures = [encoded(picture(3000, 3000) + n, "PNG") for n in range(4)]
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(
            target=lambda data=data: answers.append(api.post("/colors/top", content=data))
        )
        for data in pictures
    ]
    for thread in threads:
        thread.start()
    busy = ("pixmill_pool", (("state", "busy"),))
    while len(answers) < len(pictures) and not samples(api).get(busy):
        pass
    for process in workers(service):
        process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    told = [(answer.status_code, answer.json().get("code")) for answer in answers]
    assert len(told) == len(pictures)
    assert set(told) <= {(200, None), (400, "decoder_crashed")}
    crashed = told.count((400, "decoder_crashed"))
    after = samples(api)
    assert gained(before, after, "pixmill_items_total", code="decoder_crashed") == crashed
    for answer in answers:
        if answer.status_code == 400:
            assert answer.json()["errors"] == [NO_IMAGE]
    assert api.post("/colours/match", content=plain((0, 0, 255))).json()["colour"] == "blue"


def test_hostile_pictures_cost_one_request_each(api: httpx.Client) -> None:
    """Cut, altered and repeated at every place of a picture: an answer, and never a defect."""
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        whole = encoded(picture(40, 60), kind)
        step = max(1, len(whole) // 12)
        for place in range(0, len(whole), step):
            hostile = [
                whole[:place],
                whole[:place] + b"\xff" * 8 + whole[place + 8 :],
                whole[:place] + bytes(8) + whole[place + 8 :],
            ]
            for data in filter(None, hostile):
                answer = api.post("/colours/match", content=data, params={"max_distance": "9"})
                assert answer.status_code in {200, 400, 404}, (kind, place, answer.text)
                if answer.status_code == 400:
                    assert answer.json()["errors"][0] == NO_IMAGE
    assert api.get("/readyz").status_code == 200


def test_a_service_whose_catalog_is_gone_is_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as service, service.client() as client:
        assert client.get("/readyz", auth=None).status_code == 200
        shutil.rmtree(tmp_path / "data")
        answer = client.get("/readyz", auth=None)
        assert answer.status_code == 503
        assert answer.json()["missing"] == ["catalog", "archive"]  # and the folder of images
        assert client.get("/healthz", auth=None).status_code == 200


def test_a_second_service_of_the_same_port_says_so(tmp_path: Path, service: Service) -> None:
    port = service.url.rpartition(":")[2]
    done = command.run(
        "serve", "--port", port, cwd=tmp_path, env={"PIXMILL_DATA": str(tmp_path / "data")}
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"pixmill: port \d+ of .* is taken; name another with --port\n", done.stderr
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish(number: int, tmp_path: Path, origin: Origin) -> None:
    """Then it ends with 0, with no process left of its own."""
    url = origin.on("/slow", o.delayed(1.0, o.answer(plain((255, 0, 0)))))
    with serving(tmp_path) as service, service.client() as client:
        answers: list[httpx.Response] = []
        thread = threading.Thread(
            target=lambda: answers.append(client.get("/colours/match", params={"url": url}))
        )
        thread.start()
        while not origin.hits("/slow"):
            time.sleep(0.01)
        family = psutil.Process(service.process.pid).children(recursive=True)
        assert service.stop(number) == 0
        thread.join()
        assert answers[0].json()["colour"] == "red"
        gone, left = psutil.wait_procs(family, timeout=10)
        assert (len(gone), left) == (len(family), [])


def test_an_operator_may_kill_it_and_start_again(tmp_path: Path) -> None:
    """Whatever it was doing: the next start serves with the same keys."""
    with serving(tmp_path) as service:
        credential = service.credential
        os.kill(service.process.pid, signal.SIGKILL)
    with serving(tmp_path) as service, service.client(auth=credential) as client:
        assert client.post("/colours/match", content=plain((0, 0, 0))).json()["colour"] == "black"
