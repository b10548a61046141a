"""`/jobs`, and operations on images of the archive as jobs: submitted, followed, ended, fetched."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from pixmill.errors import UsageError
from pixmill.imaging.operations import ChainError, canonical, parse_text, parse_words
from pixmill.jobs.operations import KIND
from pixmill.store.jobs import FINISHED, NewJob, OtherRequest, TooManyJobs
from pixmill.web.errors import ApiError, invalid_request
from pixmill.web.files import Facts, file_answer, not_modified
from pixmill.web.job_views import job_as_json
from pixmill.web.openapi import answers
from pixmill.web.openapi_images import PARTS
from pixmill.web.openapi_jobs import CHAIN_TO_DO, EVENTS, JOB, JOBS
from pixmill.web.routes.images import find_image, sender, small_body
from pixmill.web.services import Parts, key_id_of, needs
from pixmill.web.webhooks import webhook_asked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pixmill.imaging.operations import Chain
    from pixmill.store.jobs import Event, Job
    from pixmill.web.services import Services

router = APIRouter(tags=["jobs"])
_JOBS = [Depends(needs("jobs"))]
_DEFAULT_PAGE, _MOST_JOBS = 50, 200
_LOOK_EVERY_S, _SIGN_OF_LIFE_S = 0.5, 15.0
_RETRY_AFTER_S = 10
_PLACE = re.compile(r"[0-9]{1,15}")
_WISH = ("source", "reference", "webhook")
Id = Annotated[str, Path(description="id of the job, 32 hex digits")]
Md5 = Annotated[str, Path(description="MD5 of the file, 32 hex digits")]
Word = Annotated[str | None, Query(description="letters, digits, dots, dashes and _, at most 100")]


@router.post(
    "/images/{md5}/operations",
    summary="Have operations carried out",
    dependencies=_JOBS,
    status_code=202,
    responses={
        **answers(JOB, 400, 401, 403, 404, 409, 413, 415, 429, 503, status=202),
        200: answers(JOB)[200],
    },
    openapi_extra=CHAIN_TO_DO,
)
async def operate(  # noqa: PLR0913, PLR0917  FastAPI reads the request's parameters from these
    request: Request,
    parts: Parts,
    md5: Md5,
    source: Word = None,
    reference: Word = None,
    webhook: Annotated[
        str | None, Query(description="http or https URL that the end of the job is told to")
    ] = None,
) -> JSONResponse:
    """Make a job of a chain of operations: `{"operations": […]}`, or a text of one a line.

    202 for a new job, 200 where the same request with the same `Idempotency-Key` made it before.
    """
    body = await small_body(request)
    chain, wish = _asked(request, body)
    if not chain:
        raise invalid_request("There is no operation: name one at least")
    who = sender(source or wish.get("source"), reference or wish.get("reference"), "")
    told_to = webhook_asked(parts.poster, webhook or wish.get("webhook"))
    stored = await find_image(parts.depot, md5)
    spec = {"md5": stored.image.md5, "operations": canonical(chain)}
    spec |= {"source": who.source} if who.source else {}
    spec |= {"reference": who.reference} if who.reference else {}
    new = NewJob(
        key_id=key_id_of(request),
        kind=KIND,
        spec=spec,
        word=request.headers.get("idempotency-key"),
        webhook=told_to,
    )
    job, is_new = await _added(parts, new)
    headers = {"Location": f"/jobs/{job.id}"}
    return JSONResponse(job_as_json(job), 202 if is_new else 200, headers)


def _asked(request: Request, body: bytes) -> tuple[Chain, dict[str, str]]:
    """Read the chain, and what else a JSON document says. Raises ApiError 400."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind != "application/json":
            return parse_text(body.decode()), {}
        wish = json.loads(body)
        if not isinstance(wish, dict) or not isinstance(wish.get("operations"), list):
            raise invalid_request('The body is a JSON object with a list "operations"')
        lines = wish["operations"]
        if not all(isinstance(line, str) for line in lines) or not all(
            isinstance(wish.get(name, ""), str) for name in _WISH
        ):
            raise invalid_request("Operations, source, reference and webhook are texts")
        return parse_words(lines), wish
    except ChainError as error:
        raise ApiError(400, "invalid_request", *error.mistakes) from error
    except (ValueError, RecursionError) as error:
        raise invalid_request("The body is neither text nor JSON of UTF-8") from error


async def _added(parts: Services, new: NewJob) -> tuple[Job, bool]:
    try:
        added = await parts.ask_catalog(parts.catalog.jobs.add, new)
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


@router.get(
    "/jobs",
    summary="List jobs",
    dependencies=_JOBS,
    responses=answers(JOBS, 400, 401, 403, 429, 503),
)
async def list_jobs(
    request: Request,
    parts: Parts,
    limit: Annotated[str | None, Query(description="how many, 1 to 200, by default 50")] = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> JSONResponse:
    """List the jobs of the key that asks, the newest first, a page at a time."""
    number = int(limit) if limit and limit.isascii() and limit.isdecimal() and len(limit) < 9 else 0
    if limit and not 1 <= number <= _MOST_JOBS:
        raise invalid_request(f"Invalid limit, it is 1 to {_MOST_JOBS}")
    if cursor and not _PLACE.fullmatch(cursor):
        raise invalid_request("Invalid cursor")
    number = number or _DEFAULT_PAGE
    behind = int(cursor) if cursor else None
    found = await parts.ask_catalog(parts.catalog.jobs.page, number, key_id_of(request), behind)
    more = str(found[-1].place) if len(found) == number else None
    return JSONResponse({"jobs": [job_as_json(job) for job in found], "next": more})


@router.get(
    "/jobs/{job_id}",
    summary="Look at a job",
    dependencies=_JOBS,
    responses=answers(JOB, 401, 403, 404, 429, 503),
)
async def look(request: Request, parts: Parts, job_id: Id) -> JSONResponse:
    """Tell how a job stands."""
    return JSONResponse(job_as_json(await _find(request, parts, job_id)))


@router.delete(
    "/jobs/{job_id}",
    summary="Cancel a job, or drop its result",
    dependencies=_JOBS,
    responses=answers(JOB, 401, 403, 404, 429, 503),
)
async def end(request: Request, parts: Parts, job_id: Id) -> JSONResponse:
    """Cancel a job that waits or runs; of one that has ended, drop the result."""
    job = await _find(request, parts, job_id)
    if job.state not in FINISHED:
        canceled = await _moved(request, parts, job_id, "cancel")
        job = canceled or await _find(request, parts, job_id)  # it has ended meanwhile
    elif job.state != "expired":
        await parts.ask_catalog(parts.expiry.expire, job)
        job = await _find(request, parts, job_id)
    return JSONResponse(job_as_json(job))


@router.post(
    "/jobs/{job_id}/retry",
    summary="Do a failed job again",
    dependencies=_JOBS,
    responses=answers(JOB, 401, 403, 404, 409, 429, 503),
)
async def retry(request: Request, parts: Parts, job_id: Id) -> JSONResponse:
    """Have a job done again that has failed; 409 for any other."""
    job = await _find(request, parts, job_id)
    moved = await _moved(request, parts, job_id, "retry") if job.state == "failed" else None
    if moved is None:
        raise ApiError(409, "conflict", f"The job is {job.state}; only a failed one is done again")
    parts.executor.wake()
    return JSONResponse(job_as_json(moved))


async def _moved(request: Request, parts: Services, job_id: str, event: Event) -> Job | None:
    return await parts.ask_catalog(parts.catalog.jobs.move, job_id, event, key_id_of(request))


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job",
    dependencies=_JOBS,
    responses={**answers(None, 401, 403, 404, 429, 503), **EVENTS},
)
async def events(request: Request, parts: Parts, job_id: Id) -> Response:
    """Tell each change of a job as it comes, until its end, as server-sent events named `job`."""
    job = await _find(request, parts, job_id)
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(
        _changes(request, parts, job), media_type="text/event-stream", headers=headers
    )


async def _changes(request: Request, parts: Services, job: Job) -> AsyncIterator[bytes]:
    loop, told = asyncio.get_running_loop(), 0
    heard_at = loop.time()
    while True:
        if job.revision != told:
            told, heard_at = job.revision, loop.time()
            document = json.dumps(job_as_json(job))
            yield f"id: {told}\nevent: job\ndata: {document}\n\n".encode()
        elif loop.time() - heard_at > _SIGN_OF_LIFE_S:
            heard_at = loop.time()
            yield b": still here\n\n"
        if job.state in FINISHED:
            return
        await asyncio.sleep(_LOOK_EVERY_S)
        found = await parts.ask_catalog(parts.catalog.jobs.find, job.id, key_id_of(request))
        if found is None:
            return
        job = found


@router.head("/jobs/{job_id}/result", dependencies=_JOBS, include_in_schema=False)
@router.get(
    "/jobs/{job_id}/result",
    summary="Read what a job made",
    dependencies=_JOBS,
    responses={**answers(None, 401, 403, 404, 409, 416, 429, 503), **PARTS},
)
async def result(request: Request, parts: Parts, job_id: Id) -> Response:
    """Read the result of a job; 409 while it has not ended, 404 where it has none."""
    job = await _find(request, parts, job_id)
    if job.state not in FINISHED:
        raise ApiError(409, "conflict", f"The job is {job.state}")
    made = job.outcome.result
    if made is None or job.state == "expired":
        raise ApiError(404, "not_found", f"The job is {job.state} and has no result")
    name = made.name.rpartition("/")[2]
    headers = {
        "Content-Type": made.media_type,
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private, no-cache",
    }
    made_at = job.finished_at or job.created_at
    facts = Facts(f"{job.id}-{made_at.timestamp() * 1000:.0f}", made_at, headers)
    answer = not_modified(request, facts)
    if answer is not None:
        return answer
    blob = await parts.depot.ask(parts.results.open, made.name)
    if blob is None:
        raise ApiError(404, "not_found", "The result is not there any more")
    return file_answer(request, blob, facts, parts.depot.ask)


async def _find(request: Request, parts: Services, job_id: str) -> Job:
    job = await parts.ask_catalog(parts.catalog.jobs.find, job_id, key_id_of(request))
    if job is None:
        raise ApiError(404, "not_found", "There is no such job")
    return job
