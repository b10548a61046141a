"""What the contracts run over."""

from __future__ import annotations

import pytest

from pixmill.batch.sink.table import OUTPUT_ENDINGS


@pytest.fixture(params=[ending.removeprefix(".") for ending in OUTPUT_ENDINGS])
def ending(request):
    """The ending of each format that a table can have."""
    return request.param
