"""Jobs into the catalog, and the refusals of those that it does not take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pixmill.errors import UsageError
from pixmill.store.jobs import OtherRequest, TooManyJobs
from pixmill.web.errors import ApiError, invalid_request

if TYPE_CHECKING:
    from pixmill.store.jobs import Job, NewJob
    from pixmill.web.services import Services

_RETRY_AFTER_S = 10


async def add_job(parts: Services, new: NewJob) -> tuple[Job, bool]:
    """Keep a job, or find the one that the same request made; whether it is new.

    Raises ApiError: 400 for a word that is no idempotency key, 409 for one that stands for another
    request, 429 where the key has too many jobs.
    """
    try:
        added = await asyncio.to_thread(parts.catalog.jobs.add, new)
    except OtherRequest as error:
        sentence = "This Idempotency-Key stands for another request"
        raise ApiError(409, "conflict", sentence) from error
    except TooManyJobs as error:
        headers = {"Retry-After": str(_RETRY_AFTER_S)}
        sentence = f"Of this key {error}"
        raise ApiError(429, "too_many_requests", sentence, headers=headers) from error
    except UsageError as error:
        raise invalid_request(f"{str(error)[:1].upper()}{str(error)[1:]}") from error
    parts.executor.wake()
    return added
