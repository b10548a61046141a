"""What the integration tests share: the origin, and a look at what a test has started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import origin as o
from tests import warm

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil


@pytest.fixture
def origin():
    with o.Origin() as server:
        yield server


@pytest.fixture
def children() -> Callable[[], list[psutil.Process]]:
    """Call it for the processes below this one that were not there before the test."""
    before = set(warm.children())
    return lambda: [child for child in warm.children() if child not in before]
