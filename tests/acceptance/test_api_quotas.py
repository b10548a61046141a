"""How often a key and an address may ask, and how an overloaded service says no."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from pixmill.store import open_catalog
from tests import origin as o
from tests.pictures import plain
from tests.serving import serving, within_a_minute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.origin import Origin

LIMIT, REMAINING, RESET = "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"


def until(condition: Callable[[], object]) -> None:
    """Wait for what is about to happen."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_key_that_asks_too_often_is_429_and_others_are_not(tmp_path: Path) -> None:
    """Every answer tells what is left; refused ones when to come back."""
    with (
        serving(tmp_path, env={"PIXMILL_KEY_RATE": "5"}) as service,
        service.client() as client,
    ):
        within_a_minute()
        answers = [client.get("/palettes") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        left = [int(answer.headers[REMAINING]) for answer in answers]
        assert left == [4, 3, 2, 1, 0, 0, 0]
        assert {answer.headers[LIMIT] for answer in answers} == {"5"}
        assert all(1 <= int(answer.headers[RESET]) <= 60 for answer in answers)
        refused = answers[-1]
        assert refused.json() == {
            "errors": ["More than 5 requests a minute"],
            "code": "too_many_requests",
        }
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert client.post("/colours/match", content=plain((0, 0, 0))).status_code == 429
        with open_catalog(None, tmp_path / "data") as catalog:
            other = ("other", catalog.keys.add("other", ["read"])[1])
        assert client.get("/palettes", auth=other).status_code == 200
        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200] * 2


def test_an_address_that_asks_too_often_is_429_and_others_are_not(tmp_path: Path) -> None:
    """Also one without any key; who stands behind a trusted proxy is counted for himself."""
    flags = ("--trusted-proxy", "127.0.0.1/32")
    with (
        serving(tmp_path, *flags, env={"PIXMILL_ADDRESS_RATE": "4"}) as service,
        service.client(auth=None) as client,
    ):
        first, second = ({"x-forwarded-for": f"203.0.113.{n}"} for n in (1, 2))
        within_a_minute()
        answers = [client.get("/palettes", headers=first) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 4 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert client.get("/sign-in", headers=first).status_code == 429
        assert client.get("/healthz", headers=first).status_code == 200
        assert client.get("/palettes", headers=second).status_code == 401
        answer = client.get("/palettes", headers=second, auth=service.credential)
        assert answer.status_code == 200


def test_whoever_is_no_trusted_proxy_claims_no_address(tmp_path: Path) -> None:
    with (
        serving(tmp_path, env={"PIXMILL_ADDRESS_RATE": "2"}) as service,
        service.client() as client,
    ):
        claims = [{"x-forwarded-for": f"203.0.113.{n}"} for n in range(3)]
        within_a_minute()
        statuses = [client.get("/palettes", headers=claim).status_code for claim in claims]
        assert statuses == [200, 200, 429]


def test_an_overloaded_service_says_so_at_once(tmp_path: Path, origin: Origin) -> None:
    """With one download at once, that of a source that hangs, and no place to wait: 503 at once.

    Uploads need no download, and are answered meanwhile.
    """
    slow = origin.on("/slow", o.hang())
    env = {"PIXMILL_WAITING": "0", "PIXMILL_FETCHERS": "1"}
    with serving(tmp_path, env=env) as service, service.client() as client:
        done = threading.Event()

        def hold_the_turn() -> None:
            with service.client() as holder, pytest.raises(httpx.TransportError):
                holder.get("/colours/match", params={"url": slow})
            done.set()

        holder = threading.Thread(target=hold_the_turn)
        holder.start()
        until(lambda: origin.hits("/slow"))
        answer = client.get("/colours/match", params={"url": origin.url("/0.png")})
        assert answer.status_code == 503
        assert answer.json() == {
            "errors": ["Too many requests are at work and waiting"],
            "code": "overloaded",
        }
        assert int(answer.headers["retry-after"]) >= 1
        assert client.post("/colours/match", content=plain((0, 0, 0))).status_code == 200
        assert client.post("/colors/top", files={"image": plain((0, 0, 0))}).status_code == 200
        assert not done.is_set()
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/palettes").status_code == 200
        assert origin.hits("/0.png") == 0
        service.process.kill()
        holder.join(30)
        assert done.is_set()


def test_who_waits_has_a_turn_when_it_is_free(tmp_path: Path, origin: Origin) -> None:
    """With one turn and three places to wait, a key's fourth is refused, its others are served."""
    picture = o.answer(plain((0, 0, 0)))
    gate = threading.Event()

    async def held(exchange: o.Exchange) -> None:
        while not gate.is_set():  # noqa: ASYNC110  another thread sets it
            await asyncio.sleep(0.01)
        await picture(exchange)

    urls = [origin.on(f"/held/{n}", held) for n in range(4)]
    env = {"PIXMILL_WAITING": "3", "PIXMILL_FETCHERS": "1"}
    with serving(tmp_path, env=env) as service, service.client() as client:
        statuses: list[int] = []

        def ask(url: str) -> None:
            statuses.append(client.get("/colours/match", params={"url": url}).status_code)

        def waiting() -> bool:
            return 'pixmill_pool{state="waiting"} 2.0' in client.get("/metrics").text

        threads = [threading.Thread(target=ask, args=[url]) for url in urls[:3]]
        for thread in threads:
            thread.start()
        until(waiting)
        ask(urls[3])
        assert statuses == [503]
        gate.set()
        for thread in threads:
            thread.join(30)
        assert statuses == [503, 200, 200, 200]


def test_a_client_that_goes_away_gives_its_turn_back(tmp_path: Path, origin: Origin) -> None:
    """At once, long before its download's own deadline."""
    slow = origin.on("/slow", o.hang())
    env = {"PIXMILL_WAITING": "0", "PIXMILL_FETCHERS": "1"}
    with serving(tmp_path, env=env) as service, service.client() as client:
        with service.client(timeout=0.2) as hasty, pytest.raises(httpx.ReadTimeout):
            hasty.get("/colours/match", params={"url": slow})
        query = {"url": origin.url("/0.png")}
        until(lambda: client.get("/colours/match", params=query).status_code in {200, 404})


def test_failed_sign_ins_of_an_address_have_a_limit(tmp_path: Path) -> None:
    """Which shuts nobody out of that address whose key is right."""
    rate = 3
    env = {"PIXMILL_SIGN_IN_RATE": str(rate)}
    with serving(tmp_path, env=env) as service, service.client(auth=None) as client:
        wrong = (service.credential[0], "pm_wrongone_" + "W" * 43)
        within_a_minute()
        answers = [client.get("/palettes", auth=wrong) for _ in range(rate + 1)]
        assert [answer.status_code for answer in answers] == [401] * rate + [429]
        last = answers[-1]
        assert last.json() == {
            "errors": [f"More than {rate} failed sign-ins a minute"],
            "code": "too_many_requests",
        }
        assert 1 <= int(last.headers["retry-after"]) <= 60
        page = client.get("/sign-in")
        token = re.search(r'name="csrf_token" value="(\w+)"', page.text)
        assert token
        form = {"key": wrong[1], "csrf_token": token[1]}
        assert client.post("/sign-in", data=form).status_code == 429
        assert client.get("/healthz").status_code == 200
        assert client.get("/palettes", auth=service.credential).status_code == 200
