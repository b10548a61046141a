"""Jobs for browser tests: pictures that come when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

from tests.origin import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.browser_site import Site
    from tests.replies import Exchange


@contextlib.contextmanager
def held(place: Site, path: str, body: bytes) -> Iterator[threading.Event]:
    """Have the origin answer a path once the event is set, which the end of the context does."""
    event = threading.Event()

    async def reply(exchange: Exchange) -> None:
        await asyncio.to_thread(event.wait)
        await answer(body)(exchange)

    place.origin.on(path, reply)
    try:
        yield event
    finally:
        event.set()
