"""One download by a fetcher that may call loopback, and a look at what it holds afterwards."""

from __future__ import annotations

import random
from ipaddress import ip_network

import pytest

from pixmill.errors import FetchError
from pixmill.fetch.client import Fetcher
from pixmill.fetch.options import FetchOptions

LOOPBACK = (ip_network("127.0.0.0/8"),)
BODY = bytes(range(256)) * 400


class NoJitter(random.Random):
    """Draws 0, so that backing off takes no time."""

    def random(self):
        return 0.0


def options(**changes):
    return FetchOptions(**{"allow_networks": LOOPBACK, "timeout_s": 20.0, **changes})


async def fetch(url, *, headers=None, rng=None, ssl_context=None, **changes):
    """One download, whole; what the fetcher holds afterwards must be nothing."""
    fetcher = Fetcher(options(**changes), rng=rng or NoJitter(), ssl_context=ssl_context)
    async with fetcher:
        try:
            download = await fetcher.fetch(url, headers=headers or {})
            with download.body as body:
                return bytes(body.view()), download
        finally:
            assert_nothing_held(fetcher)


def assert_nothing_held(fetcher):
    assert fetcher.budget.used == 0
    assert fetcher._slots.idle
    assert not fetcher._hosts._gates
    assert not fetcher._connector._acquired


async def failing(url, **changes):
    with pytest.raises(FetchError) as caught:
        await fetch(url, **changes)
    return caught.value
