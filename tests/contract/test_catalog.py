"""The contract of the catalog, over every adapter: keys and sessions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pixmill.errors import UsageError
from pixmill.store import SCOPES, open_catalog
from pixmill.store.catalog import MAX_LIFETIME_S, LastAdmin, NameTaken
from tests.contract.catalogs import HOSTILE, START, Clock, race


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path, clock):
    """An empty catalog of each adapter."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        yield opened


def test_a_key_is_found_by_its_text_and_by_nothing_else(catalog):
    key, text = catalog.keys.add("shop", ["match", "read"])
    other, other_text = catalog.keys.add("other", SCOPES)
    assert text.startswith(f"pm_{key.prefix}_")
    assert len(text) >= 3 + 8 + 1 + 32
    assert catalog.keys.find(text) == key
    assert catalog.keys.find(other_text) == other
    assert (key.name, key.scopes, key.revoked_at) == ("shop", {"match", "read"}, None)
    assert START < key.created_at < START + timedelta(seconds=1)
    crossed = text[:12] + other_text[12:]  # one's prefix, the other's secret
    wrong = [crossed, text[:-1], text + "A", text.upper(), f"{text}\n", "pm_", key.prefix, "shop"]
    wrong += [text[:20] + ("A" if text[20] != "A" else "B") + text[21:]]
    for attempt in [*wrong, *HOSTILE]:
        assert catalog.keys.find(attempt) is None


def test_the_name_of_a_live_key_is_taken_and_that_of_a_revoked_one_free(catalog):
    first, first_text = catalog.keys.add("shop", ["read"])
    with pytest.raises(UsageError, match="there is a key shop already"):
        catalog.keys.add("shop", ["read"])
    assert catalog.keys.revoke("shop").id == first.id
    second, second_text = catalog.keys.add("shop", ["read"])
    assert catalog.keys.find(first_text) is None
    assert catalog.keys.find(second_text) == second
    gone, live = catalog.keys.all()
    assert (gone.id, gone.name, gone.prefix) == (first.id, "shop", first.prefix)
    assert gone.revoked_at > gone.created_at
    assert live == second
    assert catalog.keys.count() == 1


def test_a_key_has_a_plain_name(catalog):
    for name in HOSTILE:
        with pytest.raises(UsageError, match="a key's name is"):
            catalog.keys.add(name, ["read"])
        assert catalog.keys.revoke(name) is None
    assert catalog.keys.all() == []


@pytest.mark.parametrize("scopes", [[], ["read", "root"], ["\x1b"], ["read match"], "read"])
def test_a_key_has_known_scopes(catalog, scopes):
    for add in (catalog.keys.add, catalog.keys.add_first):
        with pytest.raises(UsageError, match="a key's scopes are of read, match, write"):
            add("shop", scopes)
    assert catalog.keys.all() == []


def test_a_key_is_revoked_by_name_prefix_or_text_and_only_once(catalog):
    ways = [lambda key, text: text, lambda key, text: key.prefix]
    ways += [lambda key, text: f"pm_{key.prefix}", lambda key, text: key.name]
    for way in ways:
        key, text = catalog.keys.add("shop", ["read"])
        assert catalog.keys.revoke(way(key, text)).prefix == key.prefix
        assert catalog.keys.revoke(way(key, text)) is None
        assert catalog.keys.find(text) is None
    assert catalog.keys.count() == 0
    assert catalog.keys.revoke("nobody") is None


def test_a_name_goes_before_a_prefix(catalog):
    shop, _ = catalog.keys.add("shop", ["read"])
    named, _ = catalog.keys.add(shop.prefix, ["read"])
    assert catalog.keys.revoke(shop.prefix).id == named.id
    assert catalog.keys.revoke(shop.prefix).id == shop.id


def test_a_key_that_is_taken_is_told_apart_from_a_name_that_none_may_have(catalog):
    catalog.keys.add("shop", ["read"])
    with pytest.raises(NameTaken):
        catalog.keys.add("shop", ["read"])


def test_the_last_admin_can_be_spared(catalog):
    admin, text = catalog.keys.add("boss", ["read", "admin"])
    catalog.keys.add("shop", ["read"])
    for name in ("boss", admin.prefix, text):
        with pytest.raises(LastAdmin, match="the key boss is the last one with the scope"):
            catalog.keys.revoke(name, spare_last_admin=True)
    assert catalog.keys.find(text) == admin
    assert catalog.keys.revoke("shop", spare_last_admin=True).name == "shop"
    assert catalog.keys.revoke("nobody", spare_last_admin=True) is None
    catalog.keys.add("other", ["admin"])
    assert catalog.keys.revoke("boss", spare_last_admin=True).id == admin.id
    assert catalog.keys.revoke("other").name == "other"


def test_admins_that_revoke_each_other_at_once_leave_one(catalog):
    def revoke(name):
        try:
            return catalog.keys.revoke(name, spare_last_admin=True)
        except LastAdmin:
            return None

    names = [f"boss{number}" for number in range(6)]
    for name in names:
        catalog.keys.add(name, ["admin"])
    gone = race(*[lambda name=name: revoke(name) for name in names])
    assert sum(key is not None for key in gone) == 5
    assert catalog.keys.count() == 1


def test_there_is_a_first_key_only_once_ever(catalog):
    key, text = catalog.keys.add_first("first", ["admin"])
    assert catalog.keys.find(text) == key
    assert catalog.keys.add_first("second", ["admin"]) is None
    catalog.keys.revoke("first")
    assert catalog.keys.add_first("first", ["admin"]) is None


def test_a_key_that_was_asked_for_is_the_first_one(catalog):
    catalog.keys.add("mine", ["read"])
    assert catalog.keys.add_first("first", ["admin"]) is None
    assert [key.name for key in catalog.keys.all()] == ["mine"]


def test_of_many_that_want_the_first_key_one_gets_it(catalog):
    made = race(*[lambda: catalog.keys.add_first("first", ["admin"])] * 8)
    assert sum(result is not None for result in made) == 1
    assert catalog.keys.count() == 1


def test_a_session_lasts_until_its_end_and_no_longer(catalog, clock):
    key, _ = catalog.keys.add("shop", ["read"])
    token = catalog.sessions.start(key.id, 60)
    assert len(token) >= 32
    assert catalog.sessions.find(token) == key
    clock.forward(59)
    assert catalog.sessions.find(token) == key
    clock.forward(1)
    assert catalog.sessions.find(token) is None


def test_a_session_can_be_ended_alone(catalog):
    key, _ = catalog.keys.add("shop", ["read"])
    one, other = (catalog.sessions.start(key.id, 60) for _ in range(2))
    for _ in range(2):
        catalog.sessions.end(one)
        assert catalog.sessions.find(one) is None
        assert catalog.sessions.find(other) == key


def test_sessions_and_links_end_with_their_key(catalog):
    key, _ = catalog.keys.add("shop", ["read"])
    token, link = catalog.sessions.start(key.id, 60), catalog.sessions.add_link(key.id, 60)
    catalog.keys.revoke("shop")
    late = catalog.sessions.start(key.id, 60)  # asked for just before, started just after
    assert catalog.sessions.find(token) is None
    assert catalog.sessions.find(late) is None
    assert catalog.sessions.redeem(link) is None


def test_a_link_is_redeemed_once_and_in_time(catalog, clock):
    key, _ = catalog.keys.add("shop", ["read"])
    used, late = catalog.sessions.add_link(key.id, 60), catalog.sessions.add_link(key.id, 60)
    assert catalog.sessions.redeem(used) == key
    assert catalog.sessions.redeem(used) is None
    clock.forward(61)
    assert catalog.sessions.redeem(late) is None


def test_of_many_that_redeem_a_link_one_gets_the_key(catalog):
    key, _ = catalog.keys.add("shop", ["read"])
    link = catalog.sessions.add_link(key.id, 60)
    got = race(*[lambda: catalog.sessions.redeem(link)] * 8)
    assert sorted(got, key=bool) == [None] * 7 + [key]


def test_a_session_is_no_link_and_a_link_no_session(catalog):
    key, text = catalog.keys.add("shop", ["read"])
    token, link = catalog.sessions.start(key.id, 60), catalog.sessions.add_link(key.id, 60)
    assert catalog.sessions.redeem(token) is None
    assert catalog.sessions.find(link) is None
    catalog.sessions.end(link)
    assert catalog.sessions.redeem(link) == key
    assert catalog.sessions.find(token) == key
    for wrong in [*HOSTILE, text, token[:-1], token + "A"]:
        catalog.sessions.end(wrong)
        assert catalog.sessions.find(wrong) is None
        assert catalog.sessions.redeem(wrong) is None


@pytest.mark.parametrize("lifetime", [0, -1, float("nan"), float("inf"), MAX_LIFETIME_S * 2])
def test_a_session_has_a_lifetime_and_a_key(catalog, lifetime):
    key, _ = catalog.keys.add("shop", ["read"])
    for start in (catalog.sessions.start, catalog.sessions.add_link):
        with pytest.raises(UsageError, match="a lifetime is above 0"):
            start(key.id, lifetime)
        with pytest.raises(UsageError, match="there is no such key"):
            start(key.id + 1, 60)


def test_of_too_many_sessions_the_oldest_end(catalog, monkeypatch):
    monkeypatch.setattr("pixmill.store.sql.sessions.MAX_TOKENS_OF_KEY", 20)
    key, _ = catalog.keys.add("shop", ["read"])
    other, _ = catalog.keys.add("other", ["read"])
    others = catalog.sessions.start(other.id, 60)
    tokens = [catalog.sessions.start(key.id, 60) for _ in range(22)]
    assert [catalog.sessions.find(token) for token in tokens[:2]] == [None, None]
    assert [catalog.sessions.find(token) for token in (tokens[2], tokens[-1])] == [key, key]
    assert catalog.sessions.find(others) == other


def test_a_catalog_may_be_closed_again(catalog):
    catalog.close()
    catalog.close()
