"""Lists of URLs as jobs of a running service: how tests send and follow them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from tests.origin import answer
from tests.pictures import png

if TYPE_CHECKING:
    import httpx

    from tests.origin import Origin

ENDED = {"succeeded", "failed", "canceled", "expired"}


def urls_of(origin: Origin, lines: int = 60, pictures: int = 12) -> list[str]:
    """URLs of few pictures, in which every tenth fails in one of three ways."""
    rng = random.Random(5)
    for number in range(pictures):
        origin.on(f"/{number}.png", answer(png(rng)))
    origin.serve("/broken.png", png(rng)[:90])
    urls = []
    for line in range(lines):
        failing = ["/missing.png", "/broken.png", "ftp://nowhere/"][line // 10 % 3]
        path = failing if line % 10 == 9 else f"/{line % pictures}.png"
        urls.append(path if "://" in path else f"{origin.url(path)}?{line}")
    return urls


def submit(client: httpx.Client, urls: list[str], **wish: object) -> dict:
    """Submit a list and give the job."""
    answer = client.post("/jobs", json={"urls": urls, **wish})
    assert answer.status_code == 202, answer.text
    return answer.json()


def followed(client: httpx.Client, job: dict, until: set[str] = ENDED) -> dict:
    """Wait for a job's end, by its events, and give it as it stands then."""
    deadline = time.monotonic() + 90
    while job["state"] not in until:
        assert time.monotonic() < deadline, job
        client.get(job["links"]["events"]).raise_for_status()
        job = client.get(job["links"]["self"]).raise_for_status().json()
    return job


def table_of(client: httpx.Client, job: dict) -> tuple[bytes, bytes]:
    """The bytes of a job's table, and of its table of errors."""
    links = job["links"]
    return tuple(
        client.get(links[name]).raise_for_status().content for name in ("result", "errors")
    )
