"""Dead shards done again: those of a job of one's own, and by an operator those of any job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from pixmill.jobs.redriving import redrive as redrive_job
from pixmill.web.armor import MADE_JOB
from pixmill.web.errors import ApiError
from pixmill.web.openapi import answers
from pixmill.web.openapi_jobs import JOB
from pixmill.web.routes.jobs import Id, find_job
from pixmill.web.services import Parts, needs
from pixmill.web.shard_views import told_of

if TYPE_CHECKING:
    from pixmill.store.jobs import Job
    from pixmill.web.services import Services

router = APIRouter()
_ANSWERS = answers(JOB, 401, 403, 404, 409, 429, 503)


@router.post(
    "/jobs/{job_id}/redrive",
    summary="Have the dead shards of a list done again",
    tags=["jobs"],
    dependencies=[Depends(needs("jobs"))],
    responses=_ANSWERS,
)
async def redrive(request: Request, parts: Parts, job_id: Id) -> JSONResponse:
    """Have the shards done again that killed their workers, and a stalled job go on.

    409 where none is dead.
    """
    return await _redriven(request, parts, await find_job(request, parts, job_id))


@router.post(
    "/cluster/jobs/{job_id}/redrive",
    summary="Have the dead shards of anybody's job done again",
    tags=["operation"],
    dependencies=[Depends(needs("admin"))],
    responses=_ANSWERS,
)
async def redrive_any(request: Request, parts: Parts, job_id: Id) -> JSONResponse:
    """Do for a job of any key, or of a command, what its owner does by `/jobs/{id}/redrive`."""
    job = await parts.ask_catalog(parts.catalog.jobs.find, job_id)
    if job is None:
        raise ApiError(404, "not_found", "There is no such job")
    return await _redriven(request, parts, job)


async def _redriven(request: Request, parts: Services, job: Job) -> JSONResponse:
    if not await parts.ask_catalog(redrive_job, parts.catalog, job.id):
        sentence = f"The job is {job.state}, and none of its shards is dead"
        raise ApiError(409, "conflict", sentence)
    request.scope["state"][MADE_JOB] = job.id, False
    now = await parts.ask_catalog(parts.catalog.jobs.find, job.id)
    parts.wake_jobs()  # then, or the answer might tell of what comes after
    return JSONResponse(await told_of(parts, now or job))
