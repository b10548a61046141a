"""What the app says where one of its parts can not go on, and that it says so of itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from pixmill.errors import DecoderCrashed
from tests.integration.web_app import running
from tests.pictures import plain

RED = plain((255, 0, 0))
NOT_NOW = {"errors": ["The service can not store anything just now"], "code": "overloaded"}


def spoil(app, folder):
    """Put garbage in place of the catalog, behind connections that were closed."""
    app.catalog.close()
    for file in (folder / "data").glob("catalog.*"):
        file.unlink()
    (folder / "data" / "catalog.sqlite").write_bytes(b"no database" * 1000)


async def begun(app):
    """Wait until images can be analyzed."""
    while not app.services.engine.ready:  # noqa: ASYNC110  a pool tells of nothing by itself
        await asyncio.sleep(0.01)


async def test_a_service_is_ready_once_it_can_serve(tmp_path, monkeypatch):
    async with running(tmp_path) as app:
        with monkeypatch.context() as patch:
            patch.setattr(app.services.engine._pool, "pids", list)
            unready = await app.client.get("/readyz", auth=None)
        assert (unready.status_code, unready.json()["missing"]) == (503, ["analysis processes"])
        await begun(app)
        answer = await app.client.get("/readyz", auth=None)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "missing": []})


async def test_without_its_catalog_it_is_not_ready_and_says_so(tmp_path):
    """Nobody can sign in, palettes can not be read, and it stays alive."""
    async with running(tmp_path) as app:
        assert (await app.client.get("/palettes")).status_code == 200
        await begun(app)
        spoil(app, tmp_path)
        ready = await app.client.get("/readyz", auth=None)
        assert ready.status_code == 503
        assert ready.json() == {
            "errors": ["The catalog can not be used"],
            "code": "overloaded",
            "missing": ["catalog"],
        }
        assert int(ready.headers["retry-after"]) >= 1
        assert (await app.client.get("/healthz", auth=None)).status_code == 200
        for method, path in (
            ("GET", "/palettes"), ("GET", "/palettes/mine"), ("PUT", "/palettes/mine"),
            ("DELETE", "/palettes/mine"),
        ):  # fmt: skip
            answer = await app.client.request(method, path, content=b"red,#FF0000")
            assert (answer.status_code, answer.json()) == (503, NOT_NOW), (method, path)
            assert int(answer.headers["retry-after"]) >= 1
        believed = await app.client.post("/colours/match", content=RED)
        assert believed.json()["colour"] == "red"


async def test_without_its_catalog_nobody_comes_in(tmp_path):
    """Whoever is not believed already is told to come back, not that the key is wrong."""
    async with running(tmp_path) as app:
        spoil(app, tmp_path)
        session = {"cookie": "pixmill_session=" + "A" * 43}
        answers = [
            await app.client.post("/colours/match", content=RED),
            await app.client.get("/", auth=None, headers=session),
        ]
        for answer in answers:
            assert answer.status_code == 503
            assert answer.json()["code"] == "overloaded"
            assert int(answer.headers["retry-after"]) >= 1
        assert app.log("defect") == []


async def test_a_catalog_that_is_gone_is_missed(tmp_path):
    """Also while open connections to the file would still work."""
    async with running(tmp_path) as app:
        await begun(app)
        for file in (tmp_path / "data").glob("catalog.*"):
            file.unlink()
        answer = await app.client.get("/readyz", auth=None)
        assert (answer.status_code, answer.json()["missing"]) == (503, ["catalog"])


async def test_without_analysis_processes_it_is_not_ready(tmp_path):
    """Pages and palettes go on; images are refused for now."""
    async with running(tmp_path) as app:
        app.services.engine._pool._dispatcher.give_up("the test said so")
        ready = await app.client.get("/readyz", auth=None)
        assert ready.status_code == 503
        assert ready.json()["missing"] == ["analysis processes"]
        assert ready.json()["errors"] == ["The analysis processes can not be used"]
        answer = await app.client.post("/colours/match", content=RED)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await app.client.get("/palettes")).status_code == 200


async def test_a_defect_is_500_and_tells_nothing(tmp_path, monkeypatch):
    """Its text is for the log, under the id that the answer carries."""
    async with running(tmp_path) as app:

        def broken(*_):
            raise ZeroDivisionError("a secret of ours")

        monkeypatch.setattr("pixmill.web.routes.match.Matcher", broken)
        answer = await app.client.post("/colours/match", content=RED)
        assert answer.status_code == 500
        assert answer.json() == {
            "errors": ["Something went wrong here; it has been noted"],
            "code": "internal",
        }
        (line,) = app.log("defect")
        assert "a secret of ours" in line["traceback"]
        assert line["request_id"] == answer.headers["x-request-id"]


async def test_a_worker_that_is_killed_costs_no_request(tmp_path):
    """An analysis process dies between requests, and again: the next image is answered."""
    async with running(tmp_path, workers=1) as app:
        pool = app.services.engine._pool
        await begun(app)
        for n in range(3):
            answer = await app.client.post("/colours/match", content=plain((255, n, 0)))
            assert answer.json()["colour"] == "red"
            (pid,) = pool.pids()
            os.kill(pid, signal.SIGKILL)
        assert (await app.client.get("/readyz", auth=None)).status_code == 200


async def test_a_worker_that_dies_at_its_work_costs_one_request(tmp_path, monkeypatch):
    """However often it is killed: each time one image, never the service."""
    async with running(tmp_path, workers=1) as app:
        engine = app.services.engine
        await app.client.post("/colours/match", content=RED)
        submit, killed = engine._pool.submit, []

        def submit_and_kill(*arguments, **more):
            (pid,) = engine._pool.pids()
            os.kill(pid, signal.SIGSTOP)
            future = submit(*arguments, **more)
            time.sleep(0.05)  # until it was handed over
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            return future

        with monkeypatch.context() as patched:
            patched.setattr(engine._pool, "submit", submit_and_kill)
            answer = await app.client.post("/colours/match", content=plain((0, 255, 0)))
        assert killed
        assert answer.status_code in {200, 400}
        if answer.status_code == 400:
            assert answer.json()["code"] == DecoderCrashed.code
            assert answer.json()["errors"] == ["Could not parse image"]
        again = await app.client.post("/colours/match", content=plain((0, 0, 255)))
        assert again.json()["colour"] == "blue"
        assert (await app.client.get("/readyz", auth=None)).status_code == 200


async def test_who_waits_for_the_pool_too_long_is_told_so(tmp_path):
    """An image that can not have its turn in time is 503, and leaves nothing behind."""
    async with running(tmp_path, workers=1, timeout=0.5) as app:
        while not app.services.engine._pool.pids():  # noqa: ASYNC110  a process has no event
            await asyncio.sleep(0.02)
        (pid,) = app.services.engine._pool.pids()
        os.kill(pid, signal.SIGSTOP)
        try:
            answers = await asyncio.gather(
                *(app.client.post("/colours/match", content=plain((n, 9, 9))) for n in range(3))
            )
        finally:
            os.kill(pid, signal.SIGCONT)
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            assert answer.json()["errors"] == ["The image had to wait too long for its turn"]
        assert app.services.engine._at_work == 0
        for n in range(50):  # it may have to warm up first
            late = await app.client.post("/colours/match", content=plain((0, n, 255)))
            if late.status_code == 200:
                return
        pytest.fail("no image has its turn any more")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_each_request_has_an_id_of_ours(tmp_path, method):
    async with running(tmp_path) as app:
        claim = {"x-request-id": "mine"}
        answers = [await app.client.request(method, "/nothing", headers=claim) for _ in range(3)]
        ids = [answer.headers["x-request-id"] for answer in answers]
        assert len(set(ids)) == 3
        assert "mine" not in ids
        assert [line["request_id"] for line in app.log("request")] == ids
