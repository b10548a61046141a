"""Who is asking: how credentials are read, what is believed, and for how long."""

from __future__ import annotations

import asyncio
import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from pixmill.store import open_catalog
from pixmill.web.auth import (
    BELIEVED_S,
    COOKIE,
    Credentials,
    _named_key,
    csrf_token,
    end_session,
    set_session,
)
from pixmill.web.store_calls import StoreCalls


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path) as opened:
        yield opened


@pytest.fixture
def credentials(catalog, clock):
    return Credentials(catalog, StoreCalls("catalog"), clock)


def basic(name, key):
    return "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()


async def test_a_key_by_basic_must_have_its_name(catalog, credentials):
    key, text = catalog.keys.add("shop", ["read"])
    assert (await credentials.find(basic("shop", text), None)).key == key
    for header in (basic("Shop", text), basic("", text), basic("shop", text[:-1]), "Basic", ""):
        assert await credentials.find(header, None) is None


async def test_a_key_by_bearer_needs_no_name(catalog, credentials):
    key, text = catalog.keys.add("shop", ["read"])
    for scheme in ("Bearer", "bearer", "BEARER"):
        caller = await credentials.find(f"{scheme} {text}", None)
        assert (caller.key, caller.session, caller.csrf_token) == (key, None, "")


async def test_a_session_is_found_by_its_cookie(catalog, credentials):
    key, _ = catalog.keys.add("shop", ["read"])
    token = catalog.sessions.start(key.id, 100)
    caller = await credentials.find(None, token)
    assert (caller.key, caller.session) == (key, token)
    assert caller.csrf_token == csrf_token(token) != token


async def test_a_header_goes_before_a_cookie_also_where_it_is_wrong(catalog, credentials):
    key, _ = catalog.keys.add("shop", ["read"])
    token = catalog.sessions.start(key.id, 100)
    assert await credentials.find("Bearer wrong", token) is None


async def test_nothing_is_nobody(credentials):
    assert await credentials.find(None, None) is None


async def test_a_key_is_no_session_and_a_session_no_key(catalog, credentials):
    key, text = catalog.keys.add("shop", ["read"])
    token = catalog.sessions.start(key.id, 100)
    assert await credentials.find(None, text) is None
    assert await credentials.find(f"Bearer {token}", None) is None


async def test_a_revoked_key_is_believed_so_long_and_no_longer(catalog, credentials, clock):
    _, text = catalog.keys.add("shop", ["read"])
    header = f"Bearer {text}"
    await credentials.find(header, None)
    catalog.keys.revoke("shop")
    clock.now += BELIEVED_S - 0.01
    assert await credentials.find(header, None) is not None
    clock.now += 0.01
    assert await credentials.find(header, None) is None
    clock.now -= BELIEVED_S
    assert await credentials.find(header, None) is None


async def test_a_crowd_with_one_key_is_one_look_at_the_catalog(catalog, clock):
    looks = 0

    class Counted(StoreCalls):
        async def __call__(self, *arguments):
            nonlocal looks
            looks += 1
            return await super().__call__(*arguments)

    credentials = Credentials(catalog, Counted("catalog"), clock)
    _, text = catalog.keys.add("shop", ["read"])
    for _ in range(2):
        found = await asyncio.gather(*(credentials.find(f"Bearer {text}", None) for _ in range(64)))
        assert {caller.key.name for caller in found} == {"shop"}
        clock.now += BELIEVED_S
    assert looks == 2


async def test_a_crowd_is_refused_where_the_catalog_hangs(catalog, clock, monkeypatch):
    hanging = threading.Event()
    monkeypatch.setattr(catalog.keys, "find", lambda _: hanging.wait(60))
    credentials = Credentials(catalog, StoreCalls("catalog", threads=2, patience_s=0.2), clock)
    crowd = (credentials.find("Bearer pm_x", None) for _ in range(64))
    errors = await asyncio.gather(*crowd, return_exceptions=True)
    hanging.set()
    assert {error.status for error in errors} == {503}


async def test_what_was_being_looked_up_at_a_sign_out_is_not_believed_after_it(catalog, clock):
    seen, told = asyncio.Event(), asyncio.Event()

    class Slow(StoreCalls):
        async def __call__(self, *arguments):
            found = await super().__call__(*arguments)
            seen.set()
            await told.wait()
            return found

    credentials = Credentials(catalog, Slow("catalog"), clock)
    _, text = catalog.keys.add("shop", ["read"])
    looking = asyncio.create_task(credentials.find(f"Bearer {text}", None))
    await seen.wait()
    catalog.keys.revoke("shop")
    credentials.forget_all()
    told.set()
    assert await looking is not None
    assert await credentials.find(f"Bearer {text}", None) is None


async def test_belief_is_not_lengthened_by_asking(catalog, credentials, clock):
    _, text = catalog.keys.add("shop", ["read"])
    await credentials.find(f"Bearer {text}", None)
    catalog.keys.revoke("shop")
    for _ in range(10):
        clock.now += BELIEVED_S / 10
        found = await credentials.find(f"Bearer {text}", None)
    assert found is None


async def test_all_belief_can_be_dropped(catalog, credentials):
    _, text = catalog.keys.add("shop", ["read"])
    await credentials.find(f"Bearer {text}", None)
    catalog.keys.revoke("shop")
    credentials.forget_all()
    assert await credentials.find(f"Bearer {text}", None) is None


async def test_no_secret_stays_in_memory_and_no_more_than_so_many(catalog, credentials):
    """Wrong ones are not remembered at all."""
    _, text = catalog.keys.add("shop", ["read"])
    await credentials.find(f"Bearer {text}", None)
    for n in range(100):
        await credentials.find(f"Bearer wrong{n}", None)
    assert len(credentials._believed) == 1
    assert text not in repr(credentials._believed)
    for n in range(4200):  # the same key in other words
        await credentials.find("Bearer" + " " * (1 + n % 900) + text, None)
    assert len(credentials._believed) <= 4096


async def test_a_text_without_end_is_not_even_looked_at(catalog, credentials):
    catalog.close()
    assert await credentials.find("Bearer " + "x" * 10**6, None) is None


@given(st.text(max_size=200))
def test_any_header_is_read_or_is_none(text):
    """Never an exception, whatever stands behind the scheme."""
    for header in (text, f"Basic {text}", f"Bearer {text}"):
        name, key = _named_key(header)
        assert name is None or isinstance(name, str)
        assert isinstance(key, str)


@given(st.text(max_size=40).filter(lambda text: ":" not in text), st.text(max_size=40))
def test_basic_is_read_back(name, key):
    """A colon in the key is the key's (RFC 7617, section 2)."""
    try:
        header = basic(name, key)
    except UnicodeEncodeError:
        return
    assert _named_key(header) == (name, key)


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_for_this_site_alone(secure):
    response = Response()
    set_session(response, "token", secure=secure)
    end_session(response, secure=secure)
    given_, taken = response.headers.getlist("set-cookie")
    assert given_.startswith(f"{COOKIE}=token; ")
    assert taken.startswith(f'{COOKIE}=""; ')
    for line in (given_, taken):
        flags = {flag.strip().lower() for flag in line.split(";")}
        assert {"httponly", "samesite=strict", "path=/"} <= flags
        assert ("secure" in flags) is secure
        assert not any(flag.startswith("domain") for flag in flags)


def test_a_forms_token_tells_nothing_of_the_cookie():
    assert csrf_token("a") != csrf_token("b")
    assert "secret" not in csrf_token("secret")
    assert len(csrf_token("secret")) == 64
