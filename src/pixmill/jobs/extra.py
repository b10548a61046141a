"""The extra that a cluster needs, told in a sentence where it is missing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixmill.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULES = {"celery", "kombu", "amqp", "billiard", "vine"}


@contextmanager
def needing_celery() -> Iterator[None]:
    """Wrap the import of a module that is built on Celery; MissingExtra where that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _MODULES:
            raise
        raise MissingExtra("a cluster", "cluster") from error
