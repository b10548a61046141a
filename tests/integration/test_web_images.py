"""The routes of the archive within the test's own process: their answers, and faults of parts."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import time
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
from PIL import Image

from pixmill.errors import OutputError
from pixmill.store import open_archive
from pixmill.store.archive import Minute
from pixmill.web.histogram import HEIGHT, draw
from tests.contract.archives import capture, new_image
from tests.integration.web_app import running
from tests.origin import Origin
from tests.pictures import png

FETCHING = {"allow_private": True, "workers": 1}
HTML = {"Accept": "text/html"}


class Nobody(httpx.Auth):
    """Sends no credential."""

    def auth_flow(self, request):
        request.headers.pop("authorization", None)
        yield request


def picture(seed):
    return png(random.Random(seed))


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mongod"])
async def test_an_image_goes_in_is_told_of_and_comes_out(tmp_path, request, engine):
    data = picture(1)
    url = None if engine == "sqlite" else request.getfixturevalue(engine)
    async with running(tmp_path, workers=1, archive=url) as app:
        first = await app.client.post("/images", content=data, params={"source": "cam-7"})
        form = await app.client.post(
            "/images", files={"image": data}, data={"source": "cam-8", "reference": "x"}
        )
        assert (first.status_code, form.status_code) == (201, 200)
        listed = (await app.client.get("/images", params={"limit": "1"})).json()
        assert [each["md5"] for each in listed["images"]] == [md5(data)]
        looked = (await app.client.get(f"/images/{md5(data)}")).json()
        assert [each["source"] for each in looked["arrivals"]] == ["cam-8", "cam-7"]
        original = f"/images/{md5(data)}/original"
        assert (await app.client.get(original)).content == data
        part = await app.client.get(original, headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content) == (206, data[1:4])
        assert (await app.client.get(original, headers={"Range": "bytes=-2"})).content == data[-2:]
        gone = await app.client.get(original, headers={"Range": "bytes=99999-"})
        assert gone.status_code == 416
        assert (await app.client.head(original)).status_code == 200
        tag = {"If-None-Match": f'"{hashlib.sha256(data).hexdigest()}"'}
        listed = {"If-None-Match": f'"other", W/{tag["If-None-Match"]}'}
        for path in (original, f"/image/{md5(data)}"):
            for headers in (tag, listed, {"If-None-Match": "*"}):
                assert (await app.client.get(path, headers=headers)).status_code == 304
        grey = [await app.client.get(f"/image/{md5(data)}") for _ in range(2)]
        assert grey[0].content == grey[1].content
        assert (await app.client.delete(f"/images/{md5(data)}")).status_code == 204
        assert (await app.client.get(f"/image/{md5(data)}")).status_code == 404


async def test_a_large_grey_image_is_read_from_its_file_a_piece_at_a_time(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (1600, 2000, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "png", compress_level=1)
    async with running(tmp_path, workers=1, answers_bytes=2**20) as app:
        kept = (await app.client.post("/images", content=written.getvalue())).json()
        answer = await app.client.get(f"/image/{kept['md5']}")
        assert answer.headers["content-type"] == "image/png"
        pixels = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(pixels, noise.sum(axis=2, dtype=np.uint16) // 3)
        head = await app.client.head(f"/image/{kept['md5']}")
        assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))
        found = await app.services.depot.grey(kept["md5"])
        assert found.png is None  # nothing of it stays in memory


async def test_nothing_stays_of_an_upload_whose_client_goes_away(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (1600, 2000, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "png", compress_level=1)
    async with running(tmp_path, workers=1) as app:
        for wait_s in (0.0, 0.05, 0.1, 0.2, 0.3):
            sent = asyncio.ensure_future(app.client.post("/images", content=written.getvalue()))
            await asyncio.sleep(wait_s)
            sent.cancel()
            await asyncio.wait([sent])
        assert (await app.client.post("/images", content=picture(1))).status_code == 201
        spool = app.services.depot.archive.blobs.spool
        deadline = time.monotonic() + 30
        while list(spool.iterdir()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_passwords_of_urls_are_kept_nowhere_and_sources_shown_to_no_visitor(tmp_path):
    url = "http://user:secretpw@127.0.0.1:9/a.jpg"
    async with running(tmp_path, workers=1, public_read=True) as app:
        answer = await app.client.post("/images", json={"url": url})
        assert answer.status_code == 400
        page = (await app.client.get("/monitoring", headers=HTML)).text
        assert "http://127.0.0.1:9/a.jpg" in page
        assert "secretpw" not in page
        visitor = await app.client.get("/monitoring", headers=HTML, auth=Nobody())
        assert visitor.status_code == 200
        assert "invalid_url" in visitor.text
        assert "127.0.0.1:9" not in visitor.text
        (arrival,) = app.services.depot.archive.arrivals(10)
        assert arrival.source == "http://127.0.0.1:9/a.jpg"


async def test_an_upload_that_is_too_large_is_counted(tmp_path):
    async with running(tmp_path, workers=1, max_bytes=1000) as app:
        assert (await app.client.post("/images", content=bytes(1001))).status_code == 413
        minutes = (await app.client.get("/monitoring")).json()
        assert sum(each["codes"].get("too_many_bytes", 0) for each in minutes) == 1


async def test_json_is_json_in_any_case_of_its_name(tmp_path):
    async with running(tmp_path, workers=1) as app:
        headers = {"Content-Type": "Application/JSON; charset=utf-8"}
        answer = await app.client.post("/images", content=b'{"url": 7}', headers=headers)
        assert "URL" in answer.text or "url" in answer.text
        assert (await app.client.get("/monitoring")).json()[-1]["fail"] == 0


async def test_an_image_is_fetched_and_what_fails_is_kept_as_a_capture(tmp_path):
    with Origin() as origin:
        url = origin.serve("/a.png", picture(2))
        async with running(tmp_path, **FETCHING) as app:
            assert (await app.client.post("/images", json={"url": url})).status_code == 201
            for wish in ({"url": origin.url("/gone.png")}, {"url": "ftp://x/"}, {"url": 7}, []):
                answer = await app.client.post("/images", json=wish)
                assert answer.status_code == 400
            assert (await app.client.post("/images", content=b"no image")).status_code == 400
            minutes = (await app.client.get("/monitoring")).json()
            codes = {code for each in minutes for code in each["codes"]}
            assert codes == {"http_error", "unsupported_format"}
            page = await app.client.get("/monitoring?minutes=1440", headers=HTML)
            assert url.replace("/a.png", "/gone.png") in page.text
            for query in ("minutes=x", "from=x", "from=9999-01-01"):
                assert (await app.client.get(f"/monitoring?{query}")).status_code == 400


async def test_the_pages_show_what_is_there(tmp_path):
    async with running(tmp_path, workers=1) as app:
        assert "No image has come yet" in (await app.client.get("/gallery")).text
        data = picture(3)
        await app.client.post("/images", content=data)
        assert md5(data) in (await app.client.get("/gallery")).text
        page = await app.client.get(f"/gallery/{md5(data)}")
        assert hashlib.sha256(data).hexdigest() in page.text
        for path in ("/gallery/x", "/gallery?cursor=x", "/images?limit=0", "/images?cursor=x"):
            assert (await app.client.get(path)).status_code in {400, 404}, path


async def test_another_file_with_the_same_md5_is_409(tmp_path):
    data = picture(4)
    async with running(tmp_path, workers=1) as app:
        new_image(app.services.depot.archive, md5=md5(data), sha256="0" * 64)
        answer = await app.client.post("/images", content=data)
        assert (answer.status_code, answer.json()["code"]) == (409, "md5_collision")


async def test_an_archive_that_can_not_be_used_is_503_and_not_ready(tmp_path, monkeypatch):
    async with running(tmp_path, workers=1) as app:
        archive = app.services.depot.archive

        def broken(*_arguments, **_more):
            raise OutputError("its disk is gone")

        for verb in ("page", "find", "add", "known"):
            monkeypatch.setattr(archive, verb, broken)
        for path in ("/images", f"/images/{'0' * 32}", f"/image/{'0' * 32}"):
            answer = await app.client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded"), path
        answer = await app.client.post("/images", content=picture(5))
        assert answer.status_code == 503
        ready = await app.client.get("/readyz")
        assert (ready.status_code, ready.json()["missing"]) == (503, ["archive"])


async def test_a_file_that_was_lost_is_404(tmp_path):
    async with running(tmp_path, workers=1) as app:
        one = new_image(app.services.depot.archive)
        for name in one.blobs:
            app.services.depot.archive.blobs.delete(name)
        for path in (f"/images/{one.md5}/original", f"/image/{one.md5}"):
            assert (await app.client.get(path)).status_code == 404


async def test_old_images_are_dropped_where_that_is_set(tmp_path):
    with open_archive(None, None, None, tmp_path / "data") as archive:
        one = new_image(archive)
    async with running(tmp_path, workers=1, keep=1e-9) as app:
        while (await app.client.get(f"/images/{one.md5}")).status_code == 200:
            pass  # a thread drops it
        while not app.log("retention"):  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.01)
    assert [(each["of"], each["number"]) for each in app.log("retention")] == [("images", 1)]


def minute(number, **counts):
    return Minute(minute=datetime(2026, 11, 20, 10, number, tzinfo=UTC), **counts)


def test_bars_stand_on_each_other_and_the_tallest_fits():
    chart = draw([minute(0, success=3, duplicate=1, fail=4), minute(1)])
    tall, empty = chart.columns
    assert [bar.result for bar in tall.bars] == ["success", "duplicate", "fail"]
    assert empty.bars == ()
    for below, above in zip(tall.bars, tall.bars[1:], strict=False):
        assert above.y + above.height == pytest.approx(below.y)
    assert tall.bars[-1].y >= 0
    assert tall.bars[0].y + tall.bars[0].height == HEIGHT
    assert "3 success, 1 duplicate, 4 fail" in tall.title


def test_many_minutes_share_columns():
    chart = draw([minute(number % 60, success=1) for number in range(1000)])
    assert len(chart.columns) == 200
    assert "5 success" in chart.columns[0].title


async def test_examples_beside_codes_are_of_the_span_that_is_asked_for(tmp_path):
    async with running(tmp_path) as app:
        archive = app.services.depot.archive
        now = datetime.now(UTC)
        archive._database.now = lambda: now - timedelta(hours=3)
        archive.add([capture(code="timeout", source="http://old.example/")])
        archive._database.now = lambda: now
        archive.add([capture(code="timeout", source="http://new.example/")])
        shown = (await app.client.get("/monitoring?minutes=60", headers=HTML)).text
        assert "http://new.example/" in shown
        assert "http://old.example/" not in shown
        begin = (now - timedelta(hours=3, minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"minutes": "60", "from": begin}
        shown = (await app.client.get("/monitoring", params=query, headers=HTML)).text
        assert "http://old.example/" in shown
        assert "http://new.example/" not in shown
