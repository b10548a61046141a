"""What the integration tests share: the origin."""

from __future__ import annotations

import pytest

from tests import origin as o


@pytest.fixture
def origin():
    with o.Origin() as server:
        yield server
