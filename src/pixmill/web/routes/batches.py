"""The page that sends a list of URLs to `POST /jobs`: what a key may ask for, and with what."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pixmill.color.difference import METRICS
from pixmill.jobs.list_orders import KINDS, MEDIA_TYPES
from pixmill.web.asked import MOST_COLORS
from pixmill.web.routes.lists import SCOPES
from pixmill.web.services import Parts, visitor_of
from pixmill.web.shelf import BUILT_IN

router = APIRouter(include_in_schema=False)


@router.get("/batches")
async def batches(request: Request, parts: Parts) -> HTMLResponse:
    """Show the form; to keys that may have no jobs a sentence."""
    visitor = visitor_of(request)
    lacking = {kind: SCOPES.get(kind, "jobs") for kind in KINDS}
    lacking = {kind: scope for kind, scope in lacking.items() if scope not in visitor["scopes"]}
    stored = await parts.shelf.all() if "match" not in lacking else []
    return parts.pages.render(
        "batches.html",
        **visitor,
        kinds=KINDS,
        lacking=lacking,
        formats=[
            name for name in MEDIA_TYPES if name != "parquet" or parts.engine.plan.writes_parquet
        ],
        most_colors=MOST_COLORS,
        metrics=METRICS.values(),
        palettes=[BUILT_IN, *(info.name for info in stored)],
        max_list_bytes=parts.incoming.max_bytes,
    )
