"""`/jobs`, and operations on images of the archive as jobs: submitted, followed, ended, fetched."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from pixmill.store.jobs import FINISHED, TooManyJobs, may_retry
from pixmill.web.armor import MADE_JOB
from pixmill.web.arrival import media_type_of, sender
from pixmill.web.errors import ApiError, invalid_request
from pixmill.web.files import Facts, file_answer, not_modified
from pixmill.web.job_pages import shown, way_to_follow
from pixmill.web.job_views import job_as_json
from pixmill.web.openapi import answers
from pixmill.web.openapi_jobs import CHAIN_TO_DO, EVENTS, JOB, JOBS, RESULT
from pixmill.web.pages import by_accept, wants_page
from pixmill.web.routes.images import find_image, small_body
from pixmill.web.server import is_ending
from pixmill.web.services import Parts, caller_still_there, key_id_of, needs, visitor_of
from pixmill.web.shard_views import may_have_shards, shards_shown, told_of
from pixmill.web.submission import add_job, chain_job, read_chain, too_many
from pixmill.web.webhooks import webhook_asked

if TYPE_CHECKING:
    from pixmill.imaging.operations import Chain
    from pixmill.store.jobs import Event, Job, Result
    from pixmill.web.services import Services

router = APIRouter(tags=["jobs"])
_JOBS = [Depends(needs("jobs"))]
# Whoever has the result sees the image: one that may see the archive, or one that sends images.
_OPERATE = [*_JOBS, Depends(needs("read", "write"))]
_DEFAULT_PAGE, _MOST_JOBS = 50, 200
_PLACE = re.compile(r"[0-9]{1,15}")
_WISH = ("source", "reference", "webhook")
Id = Annotated[str, Path(description="id of the job, 32 hex digits")]
Md5 = Annotated[str, Path(description="MD5 of the file, 32 hex digits")]
Word = Annotated[str | None, Query(description="letters, digits, dots, dashes and _, at most 100")]

Webhook = Annotated[
    str | None, Query(description="http or https URL that the end of the job is told to")
]


@router.post(
    "/images/{md5}/operations",
    summary="Have operations carried out",
    dependencies=_OPERATE,
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
    webhook: Webhook = None,
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
    new = chain_job(request, stored.image.md5, chain, who, told_to)
    job, is_new = await add_job(request, parts, new)
    headers = {"Location": f"/jobs/{job.id}"}
    return JSONResponse(job_as_json(job), 202 if is_new else 200, headers)


def _asked(request: Request, body: bytes) -> tuple[Chain, dict[str, str]]:
    """Read the chain, and what else a JSON document says. Raises ApiError 400."""
    kind = media_type_of(request)
    try:
        if kind != "application/json":
            return read_chain(body.decode()), {}
        wish = json.loads(body)
        if not isinstance(wish, dict) or not isinstance(wish.get("operations"), list):
            raise invalid_request('The body is a JSON object with a list "operations"')
        lines = wish["operations"]
        if not all(isinstance(line, str) for line in lines) or not all(
            isinstance(wish.get(name, ""), str) for name in _WISH
        ):
            raise invalid_request("Operations, source, reference and webhook are texts")
        return read_chain(lines), wish
    except (ValueError, RecursionError) as error:
        raise invalid_request("The body is neither text nor JSON of UTF-8") from error


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
) -> Response:
    """List the jobs of the key that asks, the newest first, a page at a time.

    A browser is shown a page.
    """
    number = int(limit) if limit and limit.isascii() and limit.isdecimal() and len(limit) < 9 else 0
    if limit and not 1 <= number <= _MOST_JOBS:
        raise invalid_request(f"Invalid limit, it is 1 to {_MOST_JOBS}")
    if cursor and not _PLACE.fullmatch(cursor):
        raise invalid_request("Invalid cursor")
    number = number or _DEFAULT_PAGE
    behind = int(cursor) if cursor else None
    found = await parts.ask_catalog(parts.catalog.jobs.page, number, key_id_of(request), behind)
    more = str(found[-1].place) if len(found) == number else None
    if not wants_page(request):
        jobs = [job_as_json(job) for job in found]
        return by_accept(JSONResponse({"jobs": jobs, "next": more}))
    page = parts.pages.render(
        "jobs.html",
        **visitor_of(request),
        jobs=[shown(job) for job in found],
        follow=min(filter(None, map(way_to_follow, found)), default=None),  # the most frequent
        next=more,
        limit=number if limit else None,
        is_first=behind is None,
    )
    return by_accept(page)


@router.get(
    "/jobs/{job_id}",
    summary="Look at a job",
    dependencies=_JOBS,
    responses=answers(JOB, 401, 403, 404, 429, 503),
)
async def look(request: Request, parts: Parts, job_id: Id) -> Response:
    """Tell how a job stands. A browser is shown a page.

    `shards` is there while the workers of a cluster do the list.
    """
    job = await find_job(request, parts, job_id)
    if not wants_page(request):
        return by_accept(JSONResponse(await told_of(parts, job)))
    shards = None
    if may_have_shards(job):
        shards = await parts.ask_catalog(shards_shown, parts.catalog, job)
    page = parts.pages.render("job.html", **visitor_of(request), job=shown(job, shards))
    return by_accept(page)


@router.delete(
    "/jobs/{job_id}",
    summary="Cancel a job, or drop its result",
    dependencies=_JOBS,
    responses=answers(JOB, 401, 403, 404, 429, 503),
)
async def end(request: Request, parts: Parts, job_id: Id) -> JSONResponse:
    """Cancel a job that waits or runs; of one that has ended, drop the result."""
    job = await find_job(request, parts, job_id)
    if job.state not in FINISHED:
        canceled = await _moved(request, parts, job_id, "cancel")
        if canceled and job.state != "running":  # who runs it clears up behind itself
            await parts.ask_catalog(parts.expiry.clear, canceled)
        job = canceled or await find_job(request, parts, job_id)  # it has ended meanwhile
    elif job.state != "expired":
        await parts.ask_catalog(parts.expiry.expire, job)
        job = await find_job(request, parts, job_id)
    return JSONResponse(job_as_json(job))


@router.post(
    "/jobs/{job_id}/retry",
    summary="Do a failed job again",
    dependencies=_JOBS,
    responses=answers(JOB, 401, 403, 404, 409, 429, 503),
)
async def retry(request: Request, parts: Parts, job_id: Id) -> JSONResponse:
    """Have a job done again that has failed, or the URLs of a list that did; 409 without any."""
    job = await find_job(request, parts, job_id)
    try:
        moved = await _moved(request, parts, job_id, "retry") if may_retry(job) else None
    except TooManyJobs as error:
        raise too_many(error) from error
    if moved is None:
        raise ApiError(409, "conflict", f"The job is {job.state}; only what failed is done again")
    request.scope["state"][MADE_JOB] = job_id, False
    parts.wake_jobs()
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
    job = await find_job(request, parts, job_id)
    headers = {"Cache-Control": "no-store"}

    async def may_follow() -> bool:
        return await caller_still_there(request, parts)

    changes = parts.following.changes(
        job, key_id_of(request), lambda: is_ending(request), may_follow
    )
    return StreamingResponse(changes, media_type="text/event-stream", headers=headers)


@router.head("/jobs/{job_id}/result", dependencies=_JOBS, include_in_schema=False)
@router.get(
    "/jobs/{job_id}/result",
    summary="Read what a job made",
    dependencies=_JOBS,
    responses={**answers(None, 401, 403, 404, 409, 416, 429, 503), **RESULT},
)
async def result(request: Request, parts: Parts, job_id: Id) -> Response:
    """Read the result of a job; 409 while it has not ended, 404 where it has none."""
    job = await find_job(request, parts, job_id)
    made = result_of(job)
    return await job_file(request, parts, job, made.name, made.media_type)


def result_of(job: Job) -> Result:
    """Return what a job made. Raises ApiError 409 before its end, 404 where there is nothing."""
    if job.state not in FINISHED:
        raise ApiError(409, "conflict", f"The job is {job.state}")
    made = job.outcome.result
    if made is None or job.state == "expired":
        raise ApiError(404, "not_found", f"The job is {job.state} and has no result")
    return made


async def job_file(
    request: Request, parts: Services, job: Job, blob_name: str, media_type: str
) -> Response:
    """Answer with a file that a job made. Raises ApiError 404 where it is gone."""
    name = blob_name.rpartition("/")[2]
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private, no-cache",
    }
    made_at = job.finished_at or job.created_at
    facts = Facts(f"{job.id}-{made_at.timestamp() * 1000:.0f}", made_at, headers)
    answer = not_modified(request, facts)
    if answer is not None:
        return answer
    blob = await parts.depot.ask(parts.results.open, blob_name)
    if blob is None:
        raise ApiError(404, "not_found", "The result is not there any more")
    return file_answer(request, blob, facts, parts.depot.ask)


async def find_job(request: Request, parts: Services, job_id: str) -> Job:
    """Find a job of the key that asks. Raises ApiError 404."""
    job = await parts.ask_catalog(parts.catalog.jobs.find, job_id, key_id_of(request))
    if job is None:
        raise ApiError(404, "not_found", "There is no such job")
    return job
