"""What a cluster needs, told in a sentence where it is missing: its extra, and settings."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixmill.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.settings import Settings

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


def broker_of(settings: Settings) -> str:
    """Give the URL of the broker. Raises UsageError where there is none, or no common catalog."""
    if settings.broker is None:
        raise UsageError("a cluster needs a broker: --broker amqp://… or PIXMILL_BROKER")
    if settings.catalog is None:
        raise UsageError(
            "a cluster needs a catalog that all of it reach: --catalog postgresql://… or "
            "PIXMILL_CATALOG"
        )
    return settings.broker
