"""The contract of the catalog, over every adapter: secrets that are signed with."""

from __future__ import annotations

import pytest

from pixmill.store import open_catalog
from pixmill.store.catalog import SIGNING_BYTES
from tests.contract.catalogs import Clock, race


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path, clock):
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=clock) as opened:
        yield opened


def test_there_is_one_from_the_start_and_it_stays(catalog):
    (first,) = catalog.secrets.live()
    assert len(first) == SIGNING_BYTES
    assert catalog.secrets.live() == [first]


def test_of_many_who_ask_first_all_have_the_same(catalog):
    assert len({tuple(found) for found in race(*[catalog.secrets.live] * 8)}) == 1


def test_an_old_one_counts_for_a_while_after_a_new_one(catalog, clock):
    (first,) = catalog.secrets.live()
    catalog.secrets.rotate(100)
    second, kept = catalog.secrets.live()
    assert kept == first != second
    clock.forward(50)
    catalog.secrets.rotate(1000)
    assert catalog.secrets.live()[1:] == [second, first]
    clock.forward(60)  # the first ends when it would have ended anyway
    assert catalog.secrets.live()[1:] == [second]
    catalog.secrets.rotate(0)
    assert len(catalog.secrets.live()) == 1
    assert not {first, second} & set(catalog.secrets.live())


def test_those_of_webhooks_and_of_urls_know_nothing_of_each_other(catalog):
    (first,), (other,) = catalog.secrets.live(), catalog.webhook_secrets.live()
    assert first != other
    catalog.webhook_secrets.rotate(100)
    assert catalog.secrets.live() == [first]
    assert catalog.webhook_secrets.live()[1:] == [other]
    catalog.secrets.rotate(0)
    assert len(catalog.webhook_secrets.live()) == 2
