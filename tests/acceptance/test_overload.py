"""A crowd at the real service, and its end in the middle of requests: nobody is left hanging."""

from __future__ import annotations

import asyncio
import re
import signal
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.drawn import encoded, picture, segment
from tests.origin import Origin, delayed
from tests.origin import answer as reply
from tests.pictures import plain
from tests.serving import serving, within_a_minute

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from tests.serving import Service

pytestmark = pytest.mark.soak  # a minute of load

CLIENTS = 200
# Longer than any wait that the service allows.
HANGS_S = 90.0
HONEST = {429, 503}
MEGAPIXELS = encoded(picture(1000, 1500), "JPEG")


def distinct(jpeg: bytes, number: int) -> bytes:
    """The same picture in other bytes: a comment stands after the first marker."""
    return jpeg[:2] + segment(0xFE, struct.pack(">I", number)) + jpeg[2:]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


class Crowd:
    """Clients of one service, each with a connection of its own, all at once."""

    def __init__(self, service: Service, cached_url: str) -> None:
        self._service = service
        self._url = cached_url
        self.probes: list[int] = []

    def gather(self) -> list[httpx.Response]:
        return asyncio.run(self._gather())

    async def _gather(self) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(
            base_url=self._service.url,
            auth=self._service.credential,
            timeout=HANGS_S,
            limits=limits,
            trust_env=False,
        ) as client:
            probing = asyncio.create_task(self._probe(client))
            answers = await asyncio.gather(*(self._ask(client, n) for n in range(CLIENTS)))
            probing.cancel()
            return answers

    def _ask(self, client: httpx.AsyncClient, number: int) -> Coroutine[None, None, httpx.Response]:
        if number % 2:
            return client.get("/colours/match", params={"url": self._url})
        body = distinct(MEGAPIXELS, number)
        return client.post("/colours/match", files={"image": body})

    async def _probe(self, client: httpx.AsyncClient) -> None:
        while True:
            self.probes.append((await client.get("/healthz")).status_code)
            await asyncio.sleep(0.05)


def summon(service: Service, origin: Origin) -> list[httpx.Response]:
    """A crowd's answers; the probes meanwhile were all answered."""
    url = origin.serve("/a.png", plain((1, 2, 3)), headers={"Cache-Control": "max-age=600"})
    with service.client() as client:
        assert client.get("/colours/match", params={"url": url}).status_code == 200
    crowd = Crowd(service, url)
    answers = crowd.gather()
    assert crowd.probes
    assert set(crowd.probes) == {200}
    assert origin.hits("/a.png") == 1
    return answers


def gauge(client: httpx.Client, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


def assert_idle(service: Service) -> None:
    """Nothing is at work, waiting or held, and the next picture is served."""
    with service.client() as client:
        deadline = time.monotonic() + 20
        while gauge(client, "pixmill_requests_in_flight") > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert gauge(client, "pixmill_requests_in_flight") == 1  # the one that asks
        assert gauge(client, 'pixmill_pool{state="busy"}') == 0
        assert gauge(client, 'pixmill_pool{state="waiting"}') == 0
        assert unnamed_files(service.process.pid) == 0
        answer = client.post("/colours/match", content=distinct(MEGAPIXELS, CLIENTS + 1))
        assert answer.status_code == 200


def unnamed_files(pid: int) -> int:
    """How many temporary files of bodies a process still has open."""
    links = [
        str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()
    ]
    return sum(link.endswith("(deleted)") and not link.startswith("/memfd:") for link in links)


def assert_honest(answers: list[httpx.Response]) -> None:
    for answer in answers:
        assert answer.status_code in {200, *HONEST}, answer.text
        if answer.status_code in HONEST:
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.json()["code"] in {"overloaded", "too_many_requests"}


def test_two_hundred_clients_are_all_answered(tmp_path: Path, origin: Origin) -> None:
    with serving(tmp_path) as service:
        answers = summon(service, origin)
        assert len(answers) == CLIENTS
        assert_honest(answers)
        assert sum(answer.status_code == 200 for answer in answers) > CLIENTS / 2
        assert_idle(service)


def test_who_is_too_much_is_told_to_come_back(tmp_path: Path, origin: Origin) -> None:
    """One worker and hardly any room to wait; what is at hand needs neither."""
    few = {"PIXMILL_WAITING": "3"}
    with serving(tmp_path, "--workers", "1", "--fetchers", "2", env=few) as service:
        answers = summon(service, origin)
        assert_honest(answers)
        uploads, looks = answers[0::2], answers[1::2]
        assert {answer.status_code for answer in looks} == {200}
        assert {answer.status_code for answer in uploads} == {200, 503}
        assert_idle(service)


def test_beyond_its_rate_a_key_is_told_when_to_come_back(tmp_path: Path, origin: Origin) -> None:
    slow = {"PIXMILL_KEY_RATE": "50"}
    with serving(tmp_path, "--workers", "1", env=slow) as service:
        within_a_minute()
        answers = summon(service, origin)
        assert_honest(answers)
        assert sum(answer.status_code == 429 for answer in answers) >= CLIENTS - 50


def test_running_requests_are_finished_before_the_end(tmp_path: Path, origin: Origin) -> None:
    """At SIGTERM: those that wait for another server, and those that wait for their turn."""
    slow = [origin.on(f"/{n}.png", delayed(2.0, reply(plain((n, 0, 0))))) for n in range(8)]
    with serving(tmp_path, "--workers", "1") as service, ThreadPoolExecutor(16) as threads:

        def look(url: str) -> httpx.Response:
            with service.client() as client:
                return client.get("/colors/top", params={"url": url})

        def upload(number: int) -> httpx.Response:
            with service.client() as client:
                return client.post("/colors/top", content=distinct(MEGAPIXELS, number))

        running = [threads.submit(look, url) for url in slow]
        running += [threads.submit(upload, number) for number in range(8)]
        with service.client() as client:
            # All that are not over are there, beside this look itself.
            while (
                sum(not future.done() for future in running)
                > gauge(client, "pixmill_requests_in_flight") - 1
            ):
                time.sleep(0.02)
        assert service.stop() == 0
        assert [future.result(HANGS_S).status_code for future in running] == [200] * len(running)


def test_a_kill_loses_no_key_palette_or_session(tmp_path: Path) -> None:
    palette = {"name": "mine", "colors": [{"name": "paper", "hex": "#FEFEFE"}]}
    with serving(tmp_path, "--workers", "1") as first:
        credential = first.credential
        session = signed_in(first)
        with first.client() as client:
            assert client.put("/palettes/mine", json=palette).status_code == 200
        children = psutil.Process(first.process.pid).children(recursive=True)
        writing = threading.Thread(target=keep_writing, args=[first])
        writing.start()
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        writing.join()
        assert psutil.wait_procs(children, timeout=20)[1] == []
    with serving(tmp_path, "--workers", "1") as again:
        assert not any("first key" in line for line in again.said)
        with again.client(auth=credential) as client:
            assert client.get("/palettes/mine").json() == palette
            names = [info["name"] for info in client.get("/palettes").json()["palettes"]]
            assert names[:2] == ["css", "mine"]
        with again.client(auth=None, cookies=session) as page:
            assert page.get("/", headers={"Accept": "text/html"}).status_code == 200


def keep_writing(service: Service) -> None:
    """Write palettes until the service is gone, so that the kill comes in the middle of one."""
    try:
        with service.client() as client:
            for number in range(10_000):
                client.put(f"/palettes/new{number}", content=b"red,#FF0000\n")
    except httpx.TransportError:
        pass


def signed_in(service: Service) -> dict[str, str]:
    """Use the one-time link up, as a browser does; gives the cookies."""
    with service.client(auth=None) as browser:
        page = browser.get(service.link)
        token = re.search(r'name="csrf_token" value="(\w+)"', page.text)
        code = re.search(r'name="code" value="([^"]+)"', page.text)
        assert token
        assert code
        form = {"csrf_token": token[1], "code": code[1]}
        assert browser.post("/sign-in/link", data=form).status_code == 303
        return dict(browser.cookies)
