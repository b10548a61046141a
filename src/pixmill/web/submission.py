"""Jobs into the catalog: chains as requests tell them, and refusals of what it does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import UsageError
from pixmill.imaging.operations import ChainError, canonical, parse_text, parse_words
from pixmill.jobs.operations import KIND
from pixmill.store.jobs import NewJob, OtherRequest, TooManyJobs, check_word
from pixmill.web.armor import MADE_JOB
from pixmill.web.errors import ApiError, invalid_request
from pixmill.web.services import key_id_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from pixmill.imaging.operations import Chain
    from pixmill.store.jobs import Job
    from pixmill.web.depot import Sender
    from pixmill.web.services import Services

_RETRY_AFTER_S = 10


def read_chain(lines: str | list[str]) -> Chain:
    """Read operations: a text of one a line, or a list. Raises ApiError 400 with all mistakes."""
    try:
        return parse_text(lines) if isinstance(lines, str) else parse_words(lines)
    except ChainError as error:
        raise ApiError(400, "invalid_request", *error.mistakes) from error


def chain_job(
    request: Request, md5: str, chain: Chain, who: Sender, webhook: str | None = None
) -> NewJob:
    """Order a chain on an image of the archive, for the key that asks."""
    spec = {"md5": md5, "operations": canonical(chain)}
    spec |= {"source": who.source} if who.source else {}
    spec |= {"reference": who.reference} if who.reference else {}
    return NewJob(
        key_id=key_id_of(request),
        kind=KIND,
        spec=spec,
        word=word_of(request),
        webhook=webhook,
    )


def word_of(request: Request) -> str | None:
    """Read the idempotency key. Raises ApiError 400 for a word that is none."""
    word = request.headers.get("idempotency-key")
    try:
        check_word(word)
    except UsageError as error:
        raise _refused(error) from error
    return word


def _refused(error: UsageError) -> ApiError:
    return invalid_request(f"{str(error)[:1].upper()}{str(error)[1:]}")


def too_many(error: TooManyJobs) -> ApiError:
    """Refuse a key one more job that waits."""
    headers = {"Retry-After": str(_RETRY_AFTER_S)}
    return ApiError(429, "too_many_requests", f"Of this key {error}", headers=headers)


async def add_job(request: Request, parts: Services, new: NewJob) -> tuple[Job, bool]:
    """Keep a job, or find the one that the same request made; whether it is new.

    Raises ApiError: 400 for a word that is no idempotency key, 409 for one that stands for another
    request, 429 where the key has too many jobs.
    """
    try:
        added = await parts.ask_catalog(parts.catalog.jobs.add, new)
    except OtherRequest as error:
        sentence = "This Idempotency-Key stands for another request"
        raise ApiError(409, "conflict", sentence) from error
    except TooManyJobs as error:
        raise too_many(error) from error
    except UsageError as error:
        raise _refused(error) from error
    job, is_new = added
    request.scope["state"][MADE_JOB] = job.id, is_new
    parts.wake_jobs()
    return added
