"""`POST /jobs`: a list of URLs as a job, and the table of those of its lines that failed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from pixmill.jobs.list_files import FOLDER, errors_name
from pixmill.jobs.list_orders import KINDS, MEDIA_TYPES
from pixmill.store.jobs import NewJob
from pixmill.web import asked
from pixmill.web.arrival import sender
from pixmill.web.errors import ApiError
from pixmill.web.job_views import job_as_json
from pixmill.web.list_requests import (
    check_list,
    form_of,
    kind_of,
    options_of,
    receive,
    wish_of,
)
from pixmill.web.openapi import answers
from pixmill.web.openapi_jobs import ERRORS, JOB, LIST_TO_DO
from pixmill.web.routes.images import Word
from pixmill.web.routes.jobs import Id, Webhook, find_job, job_file, result_of
from pixmill.web.services import Parts, check_scope, key_id_of, needs
from pixmill.web.submission import add_job, word_of
from pixmill.web.webhooks import webhook_asked

if TYPE_CHECKING:
    from pixmill.jobs.list_orders import ListOptions
    from pixmill.store.jobs import Job
    from pixmill.web.services import Services

router = APIRouter(tags=["jobs"])
_JOBS = [Depends(needs("jobs"))]
SCOPES = {"match": "match", "ingest": "write"}  # what a kind needs besides `jobs`


Kind = Annotated[str | None, Query(description="colors, match or ingest")]
Format = Annotated[str | None, Query(description="of the table: csv, jsonl or parquet")]
Flag = Annotated[str | None, Query(description="true or false")]
Column = Annotated[str | None, Query(description="name or number of the column of URLs")]
Columns = Annotated[str | None, Query(description="names of columns to copy, comma separated")]
Alpha = Annotated[str | None, Query(description="ignore: count fully transparent pixels too")]
Space = Annotated[str | None, Query(description="metric that distances are measured by")]
Summarizer = Annotated[str | None, Query(description="how an image's own color is found")]


async def _described(  # noqa: PLR0913, PLR0917  for the document; `wish_of` reads the query
    kind: Kind = None,
    format: Format = None,  # noqa: A002
    header: Flag = None,
    url_column: Column = None,
    keep_columns: Columns = None,
    n: asked.Number = None,
    counts: Flag = None,
    alpha: Alpha = None,
    palette: asked.PaletteName = None,
    space: Space = None,
    summarizer: Summarizer = None,
    max_distance: asked.MaxDistance = None,
    source: Word = None,
    reference: Word = None,
    webhook: Webhook = None,
) -> None:
    """Name the parameters of the query."""


@router.post(
    "/jobs",
    summary="Have a list of URLs worked through",
    dependencies=_JOBS,
    status_code=202,
    responses={
        **answers(JOB, 400, 401, 403, 408, 409, 413, 415, 429, 503, status=202),
        200: answers(JOB)[200],
    },
    openapi_extra=LIST_TO_DO,
)
async def submit(
    request: Request, parts: Parts, _: Annotated[None, Depends(_described)]
) -> JSONResponse:
    """Make a job of a list: the body, or `urls` of a JSON object. Kinds: colors, match, ingest.

    202 for a new job, 200 where the same request with the same `Idempotency-Key` made it before.
    """
    form, word = form_of(request), word_of(request)
    with parts.incoming.place("txt" if form == "json" else form) as path:
        wish = await wish_of(request, form)
        kind = kind_of(wish)
        if kind in SCOPES:
            check_scope(request, SCOPES[kind])
        options = options_of(kind, wish)
        await _check_means(parts, options)
        who = sender(wish.texts.get("source"), wish.texts.get("reference"), "")
        webhook = webhook_asked(parts.poster, wish.texts.get("webhook"))
        sha256 = await receive(request, wish, path)
        await asyncio.to_thread(check_list, path, options)
        spec: dict[str, Any] = {"options": options.as_json(kind)}
        spec |= {"source": who.source} if who.source else {}
        spec |= {"reference": who.reference} if who.reference else {}
        new = NewJob(
            key_id=key_id_of(request), kind=kind, spec=spec, total=0, word=word, webhook=webhook
        )
        new = _with_list(new, sha256, path.suffix)
        await parts.depot.ask(parts.results.put, new.spec["list"], path)
    job, is_new = await _kept(request, parts, new)
    headers = {"Location": f"/jobs/{job.id}"}
    return JSONResponse(job_as_json(job), 202 if is_new else 200, headers)


async def _check_means(parts: Services, options: ListOptions) -> None:
    """Refuse what this service has not: a palette, room for Parquet. Raises ApiError 400."""
    mistakes = asked.Mistakes()
    if await parts.shelf.get(options.palette) is None:
        mistakes.add("Invalid palette")
    if options.format == "parquet" and not parts.engine.plan.writes_parquet:
        mistakes.add(
            "This service writes no Parquet: it lacks the extra or the memory for it; ask for csv "
            "or jsonl"
        )
    mistakes.check()


def _with_list(new: NewJob, sha256: str, ending: str) -> NewJob:
    """Name the blob of a job's list: nobody else's, and the same where the request comes again."""
    chance = None if new.word else secrets.token_hex(16)
    own = hashlib.sha256(json.dumps([astuple(new), chance], sort_keys=True).encode()).hexdigest()
    return replace(new, spec={**new.spec, "list": f"{FOLDER}/{sha256}-{own[:32]}{ending}"})


async def _kept(request: Request, parts: Services, new: NewJob) -> tuple[Job, bool]:
    """Keep the job, and its list no longer than the job needs it.

    Where it is not known whether the job is kept, its list stays, for `pixmill doctor` to judge.
    """
    try:
        job, is_new = await add_job(request, parts, new)
    except ApiError as error:
        if error.status == 503:
            raise
        await parts.depot.ask(parts.results.delete, new.spec["list"])
        raise
    if job.state in {"canceled", "expired"}:
        await parts.depot.ask(parts.results.delete, new.spec["list"])
    return job, is_new


@router.head("/jobs/{job_id}/errors", dependencies=_JOBS, include_in_schema=False)
@router.get(
    "/jobs/{job_id}/errors",
    summary="Read which URLs of a list failed",
    dependencies=_JOBS,
    responses={**answers(None, 401, 403, 404, 409, 416, 429, 503), **ERRORS},
)
async def errors(request: Request, parts: Parts, job_id: Id) -> Response:
    """Read the lines of a list that failed, and why, as CSV; it is itself a list to try again."""
    job = await find_job(request, parts, job_id)
    if job.kind not in KINDS:
        raise ApiError(404, "not_found", f"Jobs of the kind {job.kind} have no table of errors")
    result_of(job)
    return await job_file(request, parts, job, errors_name(job), MEDIA_TYPES["csv"])
