"""More pictures asked for than can be made: each answer is one, or says when to come back."""

from __future__ import annotations

import asyncio
import io
import os
import time

import httpx
import pytest
from PIL import Image

from tests.acceptance.test_overload import MEGAPIXELS, assert_idle
from tests.acceptance.test_service_memory import SLACK, Gauge
from tests.serving import serving

pytestmark = pytest.mark.soak  # half a minute of load

CLIENTS = 64
SECONDS = 8.0 if os.environ.get("PIXMILL_SOAK") == "short" else 30.0
ENV = {
    "PIXMILL_ANSWERS_BYTES": "0",
    "PIXMILL_WAITING": "16",
    "PIXMILL_KEY_RATE": "1000000",
    "PIXMILL_ADDRESS_RATE": "1000000",
}


async def crowd(service, path):
    """What so many clients are answered who ask again and again, and the probes between them."""
    end = time.monotonic() + SECONDS
    options = {"base_url": service.url, "auth": service.credential, "trust_env": False}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)

    async def ask(client):
        answers = []
        while time.monotonic() < end:
            answers.append(await client.get(path, timeout=60))
        return answers

    async def probe(client):
        statuses = []
        while time.monotonic() < end:
            statuses.append((await client.get("/healthz", timeout=60)).status_code)
            await asyncio.sleep(0.1)
        return statuses

    async with httpx.AsyncClient(**options, limits=limits) as client:
        probes, *answers = await asyncio.gather(
            probe(client), *(ask(client) for _ in range(CLIENTS))
        )
    return probes, [answer for each in answers for answer in each]


def test_every_answer_is_the_picture_or_a_time_to_come_back(tmp_path):
    with serving(tmp_path, env=ENV, fresh=True) as service, service.client() as client:
        md5 = client.post("/images", content=MEGAPIXELS).raise_for_status().json()["md5"]
        path = f"/images/{md5}/render?op=resize+512+512&format=jpeg"
        wanted = client.get(path).raise_for_status().content
        with Image.open(io.BytesIO(wanted)) as image:
            assert max(image.size) == 512
        asyncio.run(crowd(service, path))  # buffers have grown to what they are under load
        with Gauge(service) as gauge:
            probes, answers = asyncio.run(crowd(service, path))
        assert {answer.status_code for answer in answers} == {200, 429}
        assert {answer.content for answer in answers if answer.status_code == 200} == {wanted}
        assert all(
            int(answer.headers["retry-after"]) >= 1
            for answer in answers
            if answer.status_code == 429
        )
        assert probes
        assert set(probes) == {200}
        assert gauge.peak - gauge.start < SLACK
        assert_idle(service)
