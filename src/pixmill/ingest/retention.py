"""Dropping what is old, again and again while a process serves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from pixmill.errors import OutputError
from pixmill.store.opening import utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

EVERY_S = 3600.0


async def forget_old(
    forget: Callable[[datetime], Awaitable[int]],
    keep_days: float,
    told: Callable[[int | OutputError], None],
    every_s: float = EVERY_S,
) -> None:
    """Call `forget`, at once and every hour, with the time `keep_days` ago, until canceled.

    `told` is given how many it says went, or why none could.
    """
    while True:
        try:
            before = utc_now() - timedelta(days=keep_days)
            told(await forget(before))
        except OutputError as error:  # the next hour may be better
            told(error)
        await asyncio.sleep(every_s)
