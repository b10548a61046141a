"""The way of an image through a service where others cross it: crowded out, canceled, at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pixmill.analysis import Wanted
from tests import origin as o
from tests.integration.web_app import running
from tests.pictures import plain

LOOPBACK = "127.0.0.0/8"
WIDE = {"max_distance": "9"}


def hex_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["match"]["color"]["hex"]


async def test_an_answer_that_is_crowded_out_while_it_is_confirmed_is_given(tmp_path, origin):
    """The 304 comes when others have taken its place in memory: it is fetched no second time."""
    etag = {"ETag": '"one"'}
    may_answer = threading.Event()

    async def confirmed(exchange):
        while not may_answer.is_set():  # noqa: ASYNC110  another thread sets it
            await asyncio.sleep(0.01)
        await o.answer(status=304)(exchange)

    red = o.answer(plain((255, 0, 0)), headers=etag)
    url = origin.on("/a", red, confirmed, red)
    async with running(tmp_path, allow_networks=LOOPBACK, answers_bytes=2000) as app:
        query = {"url": url, **WIDE}
        assert hex_of(await app.client.get("/colours/match", params=query)) == "#FF0000"
        again = asyncio.create_task(app.client.get("/colours/match", params=query))
        while origin.hits("/a") < 2:  # noqa: ASYNC110  another thread counts
            await asyncio.sleep(0.01)
        for n in range(10):
            other = plain((0, n, 200))
            await app.client.post("/colours/match", content=other, params=WIDE)
        may_answer.set()
        assert hex_of(await again) == "#FF0000"
    sent = [request.headers.get("if-none-match") for request in origin.requests]
    assert sent == [None, '"one"']


async def test_who_gives_up_does_not_take_the_answer_from_others(tmp_path):
    """Twenty ask for the same at once and the first goes away: the others have their answer."""
    picture = plain((255, 0, 0), 600, 600)
    async with running(tmp_path) as app:
        tasks = [
            asyncio.create_task(app.client.post("/colours/match", content=picture))
            for _ in range(20)
        ]
        while not app.services.engine._running._answers:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0)
        tasks[0].cancel()
        answers = await asyncio.gather(*tasks[1:])
        assert {hex_of(answer) for answer in answers} == {"#FF0000"}
        assert app.services.engine.analyses.waiting == 0
        assert app.services.engine._at_work == 0


async def test_nothing_of_an_image_stays_held(tmp_path, origin):
    """After answers, failures and refusals alike, all memory of bodies is given back."""
    good, bad = plain((255, 0, 0)), b"no image" * 1000
    async with running(tmp_path, allow_networks=LOOPBACK, retries=0, max_bytes=100_000) as app:
        for data in (good, bad, bytes(100_001)):
            url = origin.serve("/a", data)
            await app.client.get("/colours/match", params={"url": url})
            await app.client.post("/colours/match", content=data)
            await app.client.post("/colours/match", files={"image": data})
            await app.client.post("/colours/match", files={"a": data, "b": data})
        assert app.services.engine._fetcher.budget.used == 0


async def test_failures_are_counted_by_their_code(tmp_path, origin):
    async with running(tmp_path, allow_networks=LOOPBACK, retries=0) as app:
        await app.client.get("/colours/match", params={"url": origin.url("/missing")})
        await app.client.post("/colours/match", content=b"no image")
        text = (await app.client.get("/metrics")).text
        assert 'pixmill_items_total{code="http_error"} 1.0' in text
        assert 'pixmill_items_total{code="unsupported_format"} 1.0' in text


@pytest.mark.parametrize("workers", [1, 2])
async def test_as_many_processes_as_were_asked_for(tmp_path, workers):
    async with running(tmp_path, workers=workers) as app:
        pictures = [plain((n, 0, 0), 300, 300) for n in range(8)]
        engine = app.services.engine
        await asyncio.gather(
            *(app.client.post("/colours/match", content=p, params=WIDE) for p in pictures)
        )
        assert len(engine._pool.pids()) == workers
        assert engine.ready


def test_what_is_wanted_can_be_a_key_of_kept_answers():
    assert hash(Wanted(n=3)) == hash(Wanted(n=3))
    assert Wanted(n=3) != Wanted(n=3, alpha="ignore")
