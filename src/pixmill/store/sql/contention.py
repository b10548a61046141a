"""Doing again what a database refused because of others who wrote at the same time.

SQLite lets one write at a time, and its own waiting is not fair: under many writers some wait for
long. PostgreSQL ends one of two transactions that wait for each other.
"""

from __future__ import annotations

import random
import sqlite3
import time
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE_S = 60.0
_PAUSE_S = 0.05
# PostgreSQL's codes for a deadlock and for a transaction that can not be put in order with others.
_SQLSTATES = {"40P01", "40001"}


def patiently(work: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Do a transaction, again for as long as others are in its way; then OutputError."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return work()
        except OutputError as error:
            if not _is_contention(error.__cause__) or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0, _PAUSE_S))  # noqa: S311  so that not all come back at once


def _is_contention(cause: BaseException | None) -> bool:
    if not isinstance(cause, DBAPIError):
        return False
    code = getattr(cause.orig, "sqlite_errorcode", None)
    busy = code is not None and code & 0xFF == sqlite3.SQLITE_BUSY
    return busy or getattr(cause.orig, "sqlstate", None) in _SQLSTATES
