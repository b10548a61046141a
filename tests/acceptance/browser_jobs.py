"""Jobs for browser tests: pictures that come when the test says so, and pages as they look."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tests.origin import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.acceptance.browser_site import Site
    from tests.replies import Exchange

SHOTS = os.environ.get("PIXMILL_TEST_SHOTS")  # folder for screenshots, to be looked at


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


def shot(page: Page, name: str) -> None:
    """Take a screenshot where a folder for these is named."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
