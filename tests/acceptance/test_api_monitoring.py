"""`/monitoring`: what came in every minute, as JSON and as a page; for all where it is to be."""

from __future__ import annotations

import itertools
import random
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.pictures import png
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.serving import Service

MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with serving(folder, "--workers", "1", env={"PIXMILL_PUBLIC_READ": "1"}) as running:
        yield running


@pytest.fixture(scope="module")
def client(service) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def three_have_come(client) -> str:
    """One image, the same again, and one that is none; gives the MD5."""
    data = png(random.Random(1))
    for content in (data, data, b"no image"):
        answer = client.post("/images", content=content)
    assert answer.status_code == 400
    return client.get("/images").json()["images"][0]["md5"]


def test_the_last_hour_is_told_minute_by_minute_with_zeros_in_its_gaps(client):
    minutes = client.get("/monitoring").json()
    assert len(minutes) == 60
    times = [datetime.strptime(each["interval"], MOMENT) for each in minutes]  # noqa: DTZ007
    steps = {later - earlier for earlier, later in itertools.pairwise(times)}
    assert steps == {timedelta(minutes=1)}
    now = datetime.now(UTC).replace(tzinfo=None)
    assert now - timedelta(minutes=2) < times[-1] <= now
    for name, count in (("success", 1), ("duplicate", 1), ("fail", 1)):
        assert sum(each[name] for each in minutes) == count
    codes = [each["codes"] for each in minutes if each["codes"]]
    assert codes == [{"unsupported_format": 1}]
    empty = {"success": 0, "fail": 0, "duplicate": 0, "codes": {}}
    assert {**minutes[0], "interval": ""} == {"interval": "", **empty}


def test_a_span_is_chosen_by_its_beginning_and_length(client):
    answer = client.get("/monitoring", params={"from": "2026-11-20T10:31:30Z", "minutes": "3"})
    assert [each["interval"] for each in answer.json()] == [
        "2026-11-20T10:31:00Z",
        "2026-11-20T10:32:00Z",
        "2026-11-20T10:33:00Z",
    ]
    eastern = client.get(
        "/monitoring", params={"from": "2026-11-20T12:31:00+02:00", "minutes": "1"}
    )
    assert eastern.json()[0]["interval"] == "2026-11-20T10:31:00Z"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"minutes": "0"}, "Invalid minutes"),
        ({"minutes": "10081"}, "Invalid minutes"),
        ({"minutes": "x"}, "Invalid minutes"),
        ({"from": "yesterday"}, "Invalid from"),
        ({"from": "9999-12-31T23:59:00Z"}, "Invalid from"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "Invalid from"),
    ],
)
def test_a_span_that_can_not_be_is_refused(client, query, sentence):
    answer = client.get("/monitoring", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0].startswith(sentence)


def test_a_browser_is_shown_a_page_with_bars_codes_and_totals(client):
    page = client.get("/monitoring", headers={"Accept": "text/html,*/*"}).text
    for result in ("success", "duplicate", "fail"):
        assert re.search(rf'<rect class="{result}" x="[0-9.]+" y="[0-9.]+"', page)
    assert "<code>unsupported_format</code>" in page
    assert "style=" not in page


def test_greys_and_monitoring_are_open_to_all_where_they_are_to_be_and_nothing_else_is(
    service, three_have_come
):
    with service.client(auth=None) as nobody:
        assert nobody.get(f"/image/{three_have_come}").status_code == 200
        assert nobody.get("/monitoring").status_code == 200
        page = nobody.get("/monitoring", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert "Sign in" in page.text
        for path in ("/images", f"/images/{three_have_come}", "/image", "/monitoring/"):
            assert nobody.get(path).status_code == 401, path
        assert nobody.post(f"/image/{three_have_come}").status_code == 401


def test_a_wrong_key_is_as_none(service, three_have_come):
    with service.client(auth=("x", "pm_wrong")) as wrong:
        assert wrong.get(f"/image/{three_have_come}").status_code == 200
        assert wrong.get("/images").status_code == 401
