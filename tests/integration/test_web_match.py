"""Every branch of the match route, in the test's own process."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
import pytest_asyncio

from pixmill.color.palette import Palette
from tests.drawn import encoded, noise
from tests.integration.web_app import running
from tests.pictures import plain
from tests.unit.test_web_asked import PARAMETERS

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATHS = ["/colours/match", "/colors/match"]
RED = plain((255, 0, 0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory):
    async with running(tmp_path_factory.mktemp("app"), allow_networks="127.0.0.0/8") as made:
        yield made


@pytest.fixture
def client(app):
    return app.client


@pytest.mark.parametrize("path", PATHS)
async def test_by_url_and_by_upload(client, origin, path):
    by_url = await client.get(path, params={"url": origin.serve("/a", RED)})
    by_upload = await client.post(path, content=RED)
    by_form = await client.post(path, files={"image": RED})
    assert by_url.status_code == 200
    assert by_url.json() == by_upload.json() == by_form.json()
    body = by_url.json()
    assert (body["colour"], body["distance"]) == ("red", 0.0)
    assert body["image"] == {
        "width": 4, "height": 4, "format": "png", "bytes": len(RED), "md5": body["image"]["md5"],
    }  # fmt: skip
    assert len(body["image"]["md5"]) == 32


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("query", "sentences"), PARAMETERS)
async def test_mistakes_are_told_before_anything_is_done(client, path, query, sentences):
    by_url = await client.get(path, params={"url": "http://127.0.0.1:1/", **query})
    by_upload = await client.post(path, params=query, content=RED)
    for answer in (by_url, by_upload):
        assert answer.status_code == 400
        assert answer.json() == {"errors": sentences, "code": "invalid_request"}


async def test_a_miss_and_a_picture_of_nothing_are_404(client):
    miss = await client.post("/colours/match", params={"max_distance": "0"}, content=RED_ISH)
    assert miss.status_code == 404
    assert miss.json()["errors"] == ["No colour found within 0 units"]
    assert miss.json()["match"]["nearest"]["name"] == "red"
    nothing = encoded(noise(4, 4, 4, high=1), "PNG")
    empty = await client.post("/colours/match", content=nothing)
    assert (empty.status_code, empty.json()["code"]) == (404, "no_match")
    assert empty.json()["errors"] == ["The image has no visible pixel"]
    assert empty.json()["match"]["nearest"] is None


RED_ISH = plain((254, 1, 0))


async def test_a_large_palette_is_searched_beside_the_event_loop(client, monkeypatch):
    """A small one in it: a thread costs more than that search."""
    where = []
    nearest = Palette.nearest

    def noted(self, *arguments):
        where.append((self.name, threading.current_thread() is threading.main_thread()))
        return nearest(self, *arguments)

    monkeypatch.setattr(Palette, "nearest", noted)
    for name, number in (("small", 2000), ("large", 2001)):
        colors = [{"name": f"c{n}", "hex": f"#{n << 8:06X}"} for n in range(number)]
        put = await client.put(f"/palettes/{name}", content=json.dumps(colors))
        assert put.status_code == 200
        query = {"palette": name, "max_distance": "9"}
        answer = await client.post("/colours/match", params=query, content=RED)
        assert answer.json()["match"]["nearest"]["hex"] == "#070000"
    assert where == [("small", True), ("large", False)]


async def test_many_at_once_have_each_its_own_answer(client):
    pictures = {f"#{n:02X}0000": plain((n, 0, 0)) for n in range(0, 240, 8)}
    query = {"max_distance": "9"}
    answers = await asyncio.gather(
        *(client.post("/colours/match", content=data, params=query) for data in pictures.values())
    )
    assert [answer.json()["match"]["color"]["hex"] for answer in answers] == list(pictures)
