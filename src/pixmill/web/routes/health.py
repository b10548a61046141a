"""Probes and metrics: whether the process lives, whether it can serve, and how it does."""

from __future__ import annotations

import asyncio
import tempfile
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from pixmill.errors import OutputError
from pixmill.store.blobs import GREYS
from pixmill.web.errors import ApiError
from pixmill.web.openapi import STATE, answers
from pixmill.web.services import Parts, Services, needs

if TYPE_CHECKING:
    from collections.abc import Coroutine

router = APIRouter(tags=["operation"])
_OPEN: dict[str, Any] = {"security": []}
_RETRY_AFTER_S = 5
_PROBE_BYTES = 4096
_PROBE_S = 3.0
_PROBE_NAME = f"{GREYS}/probe"


@router.get("/healthz", summary="Alive?", responses=answers(STATE), openapi_extra=_OPEN)
async def alive() -> JSONResponse:
    """Answer at once, as long as the process does."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", summary="Ready?", responses=answers(STATE, 503), openapi_extra=_OPEN)
async def ready(parts: Parts) -> JSONResponse:
    """Tell whether requests can be served, and what is missing if not."""
    catalog, archive = await asyncio.gather(
        _within_time(parts.ask_catalog(_has_catalog, parts)),
        _within_time(parts.depot.ask(_has_archive, parts)),
    )
    missing = [name for name, well in (("catalog", catalog), ("archive", archive)) if not well]
    if not parts.engine.ready:
        missing.append("analysis processes")
    if missing:
        errors = [f"The {what} can not be used" for what in missing]
        told = {"errors": errors, "code": "overloaded", "missing": missing}
        return JSONResponse(told, 503, headers={"Retry-After": str(_RETRY_AFTER_S)})
    return JSONResponse({"status": "ok", "missing": []})


async def _within_time(look: Coroutine[Any, Any, bool]) -> bool:
    """Give what a look at a database tells, which is bad where it takes too long."""
    try:
        async with asyncio.timeout(_PROBE_S):
            return await look
    except (TimeoutError, ApiError):
        return False


def _has_catalog(parts: Services) -> bool:
    """Tell whether the catalog can be asked, and is there: a file that was removed answers on."""
    try:
        parts.catalog.keys.count()
    except OutputError:
        return False
    return parts.catalog_stands()


def _has_archive(parts: Services) -> bool:
    """Tell whether images and their files can be asked for, and new files be made."""
    archive = parts.depot.archive
    try:
        archive.page(1)
        archive.blobs.open(_PROBE_NAME)  # which is not there
        with tempfile.TemporaryFile(dir=archive.blobs.spool, buffering=0) as file:
            file.write(bytes(_PROBE_BYTES))
    except (OutputError, OSError):
        return False
    return True


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    dependencies=[Depends(needs("metrics"))],
    responses={
        **answers(None, 401, 403, 429, 503),
        200: {"description": "Success", "content": {"text/plain": {}}},
    },
)
async def metrics(parts: Parts) -> Response:
    """Tell all counts and times in the text format of Prometheus."""
    text, media_type = parts.metrics.render()
    return Response(text, media_type=media_type)
