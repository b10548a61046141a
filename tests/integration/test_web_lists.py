"""Lists, operations and pictures in the whole app of this process: ends, and repeats."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pixmill.batch.job import checkpoint_path
from pixmill.errors import NotKept
from pixmill.jobs.executor import Hold
from pixmill.jobs.list_files import WorkFiles
from pixmill.jobs.lists import ListRunner
from pixmill.settings import load_settings
from pixmill.store import open_archive
from pixmill.store.jobs import Progress
from tests.acceptance.api_lists import ENDED, urls_of
from tests.drawn import encoded
from tests.drawn import picture as photo
from tests.integration.web_app import running
from tests.origin import Origin

LOOPBACK = "127.0.0.0/8"
LINES = 60
PHOTO = encoded(photo(300, 400), "JPEG", quality=95)


@pytest.fixture
def origin():
    with Origin() as server:
        yield server


async def ended(client, answer):
    """Wait for the job of an answer to end, and give it as it stands then."""
    assert answer.status_code in {200, 202}, answer.text
    job = answer.json()
    async with asyncio.timeout(60):
        while job["state"] not in ENDED:
            await asyncio.sleep(0.05)
            job = (await client.get(job["links"]["self"])).json()
    return job


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "colors", "counts": True, "format": "jsonl"},
        {"kind": "match", "space": "lab", "max_distance": 30},
        {"kind": "ingest", "source": "cam-7", "reference": "round"},
    ],
    ids=lambda wish: wish["kind"],
)
async def test_a_list_is_worked_through_and_its_failures_are_tried_again(tmp_path, origin, wish):
    urls = urls_of(origin, LINES)
    async with running(tmp_path, allow_networks=LOOPBACK, workers=1) as app:
        job = await ended(app.client, await app.client.post("/jobs", json={"urls": urls, **wish}))
        assert (job["state"], job["kind"]) == ("succeeded", wish["kind"])
        assert job["progress"] == {"done": LINES, "failed": 6, "total": LINES}
        errors = (await app.client.get(job["links"]["errors"])).text.splitlines()
        assert len(errors) == 7
        origin.serve("/missing.png", PHOTO)
        job = await ended(app.client, await app.client.post(f"{job['links']['self']}/retry"))
        assert job["state"] == "succeeded"
        assert job["progress"] == {"done": LINES, "failed": 4, "total": LINES}
        assert len((await app.client.get(job["links"]["result"])).content) > 0


async def test_a_job_that_was_done_when_its_process_died_tells_all_that_was_done(tmp_path, origin):
    """The table was whole, and nothing of it told yet: whoever takes the job up tells it."""
    urls, settings = urls_of(origin, LINES), load_settings(data=tmp_path / "data")
    async with running(tmp_path, allow_networks=LOOPBACK, workers=1) as app:
        asked = {"urls": urls, "kind": "colors"}
        told = await ended(app.client, await app.client.post("/jobs", json=asked))
        job = replace(app.catalog.jobs.find(told["id"]), progress=Progress())
        with open_archive(None, None, None, settings.data) as archive:
            parts = app.services
            shared = parts.engine.shared(1)
            runner = ListRunner(settings, app.catalog, archive, parts.results, shared)
            hold = Hold(job, "me", 30.0)
            outcome = await asyncio.to_thread(runner.run, job, hold)
            checkpoint_path(WorkFiles(parts.results, job).table).unlink()
            with pytest.raises(NotKept, match="not there any more; submit the list again"):
                await asyncio.to_thread(runner.run, job, Hold(job, "me", 30.0))
    assert hold.progress == Progress(LINES, 6, LINES)
    assert outcome.result.name == told["result"]["path"]


async def test_lists_come_in_every_form(tmp_path, origin):
    url = urls_of(origin, 1)[0]
    forms = {
        "text/plain": f"{url}\n",
        "text/csv": f"id,url\n1,{url}\n",
        "text/tab-separated-values": f"id\turl\n1\t{url}\n",
        "application/jsonl": f'{{"url": "{url}"}}\n',
    }
    async with running(tmp_path, allow_networks=LOOPBACK, workers=1) as app:
        for kind, body in forms.items():
            answer = await app.client.post(
                "/jobs?kind=colors&n=2", content=body, headers={"Content-Type": kind}
            )
            job = await ended(app.client, answer)
            assert job["progress"] == {"done": 1, "failed": 0, "total": 1}, kind
        for body in ({}, {"urls": []}, {"urls": [1]}, {"urls": [url], "kind": "x"}, []):
            assert (await app.client.post("/jobs", json=body)).status_code == 400


async def test_operations_are_carried_out_at_once_and_as_jobs(tmp_path, origin):
    rgb = np.asarray(Image.open(io.BytesIO(PHOTO)).convert("RGB"), np.uint16)
    chain = ["grayscale", "convert png"]
    async with running(tmp_path, allow_networks=LOOPBACK, workers=1) as app:
        kept = await app.client.post("/images", content=PHOTO, params={"operations": chain})
        job, md5 = kept.json()["job"], kept.json()["md5"]
        job = await ended(app.client, await app.client.post(
            f"/images/{md5}/operations", json={"operations": chain}))  # fmt: skip
        pictures = [
            await app.client.get(job["links"]["result"]),
            await app.client.get(f"/images/{md5}/render", params={"op": chain}),
            await app.client.get(f"/images/{md5}/render", params={"op": chain}),
            await app.client.get("/render", params={
                "url": origin.serve("/a.jpg", PHOTO), "op": chain}),
        ]  # fmt: skip
        for answer in pictures:
            grey = np.asarray(Image.open(io.BytesIO(answer.content)))
            assert np.array_equal(grey, rgb.sum(axis=2) // 3)
        tag = {"If-None-Match": pictures[1].headers["etag"]}
        again = await app.client.get(f"/images/{md5}/render", params={"op": chain}, headers=tag)
        assert again.status_code == 304
        dropped = await app.client.delete(job["links"]["self"])
        assert dropped.json()["state"] == "expired"
        assert (await app.client.get(f"/jobs/{job['id']}/result")).status_code == 404
