"""Dropping what has not come for long, again and again while a process serves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from pixmill.errors import OutputError
from pixmill.store.opening import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.store import Archive

EVERY_S = 3600.0


async def forget_old_images(
    archive: Archive,
    keep_days: float,
    told: Callable[[int | OutputError], None],
    every_s: float = EVERY_S,
) -> None:
    """Drop at once and every hour what last came more than `keep_days` ago, until canceled.

    `told` is given how many images went, or why none could. Any number of processes may do it at
    once.
    """
    while True:
        try:
            before = utc_now() - timedelta(days=keep_days)
            told(await asyncio.to_thread(archive.forget, before))
        except OutputError as error:  # the next hour may be better
            told(error)
        await asyncio.sleep(every_s)
