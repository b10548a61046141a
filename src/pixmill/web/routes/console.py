"""The pages for browsers: the console, what it asks for, and the browsable API."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse

from pixmill.analysis import Wanted
from pixmill.color.difference import METRICS
from pixmill.told import clusters_as_json, match_as_json
from pixmill.web import asked
from pixmill.web.asked import MatchQuery
from pixmill.web.routes.colors import top_as_json
from pixmill.web.routes.match import facts, matched
from pixmill.web.services import Parts, needs, visitor_of
from pixmill.web.shelf import BUILT_IN

if TYPE_CHECKING:
    from pixmill.record import Analysis
    from pixmill.web.asked import MatchAsked

router = APIRouter(include_in_schema=False)
_DEFAULT_TOP = 5


@router.get("/")
async def console(request: Request, parts: Parts) -> HTMLResponse:
    """Show the console."""
    names = [BUILT_IN, *(info.name for info in await parts.shelf.all())]
    metrics = [
        {"name": metric.name, "default_tolerance": metric.default_tolerance}
        for metric in METRICS.values()
    ]
    return parts.pages.render(
        "console.html",
        **visitor_of(request),
        metrics=metrics,
        palettes=names,
        max_upload_bytes=parts.engine.max_bytes,
    )


@router.get("/docs")
async def docs(request: Request, parts: Parts) -> HTMLResponse:
    """Show the browsable API."""
    return parts.pages.render("docs.html", **visitor_of(request))


@router.get("/console/look", dependencies=[Depends(needs("match"))])
async def look_at_url(
    request: Request,
    parts: Parts,
    query: MatchQuery,
    url: str | None = None,
    n: str | None = None,
) -> JSONResponse:
    """Tell everything about the image at a URL."""
    number = _number(n)
    wish = await asked.match_asked(parts.shelf, query, url)
    return await _answer(wish, await parts.engine.at_url(request, wish.url, _wanted(wish, number)))


@router.post("/console/look", dependencies=[Depends(needs("match"))])
async def look_at_upload(
    request: Request,
    parts: Parts,
    query: MatchQuery,
    n: str | None = None,
) -> JSONResponse:
    """Tell everything about an uploaded image."""
    number = _number(n)
    wish = await asked.match_asked(parts.shelf, query, None, upload=True)
    return await _answer(wish, await parts.engine.of_upload(request, _wanted(wish, number)))


def _number(n: str | None) -> int:
    mistakes = asked.Mistakes()
    number = asked.number_of_colors(n, _DEFAULT_TOP, mistakes)
    mistakes.check()
    return number


def _wanted(wish: MatchAsked, n: int) -> Wanted:
    return Wanted(n=n, summarizer=wish.summarizer, preview=True)


async def _answer(wish: MatchAsked, analysis: Analysis) -> JSONResponse:
    match = await matched(wish, analysis)
    preview = base64.b64encode(analysis.preview or b"").decode("ascii")
    image: dict[str, Any] = {**facts(analysis), "preview": f"data:image/png;base64,{preview}"}
    return JSONResponse(
        {
            "image": image,
            "top": top_as_json(analysis),
            "dominant": {"colors": clusters_as_json(match.clusters)},
            "match": match_as_json(match) if match.nearest else None,
        }
    )
