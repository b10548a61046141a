"""What the acceptance tests share: the origin, and pictures that tell them apart."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.origin import Origin
from tests.pictures import png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A real browser without a window; what is expected of its pages may come late."""
    expect.set_options(timeout=30_000)
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A server with `/0.png` to `/9.png`, small pictures of few colours."""
    with Origin() as server:
        for number in range(10):
            server.serve(f"/{number}.png", png(random.Random(number)))
        yield server
