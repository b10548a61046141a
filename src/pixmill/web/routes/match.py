"""`/colours/match`: the palette color nearest to an image's own, in the words of its users."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from pixmill.analysis import Wanted
from pixmill.matching import Matcher
from pixmill.told import clusters_as_json, match_as_json
from pixmill.web import asked
from pixmill.web.asked import MatchQuery
from pixmill.web.errors import ApiError
from pixmill.web.openapi import MATCH, UPLOAD, answers
from pixmill.web.services import Parts, needs

if TYPE_CHECKING:
    from pixmill.record import Analysis, Match
    from pixmill.web.asked import MatchAsked

_FEW_ENTRIES = 2_000

router = APIRouter(tags=["match"], dependencies=[Depends(needs("match"))])
_ANSWERS: dict[str, Any] = {
    "responses": answers(MATCH, 400, 401, 403, 404, 429, 503),
    "response_class": JSONResponse,
}
_UPLOAD_ANSWERS: dict[str, Any] = {
    "responses": answers(MATCH, 400, 401, 403, 404, 408, 413, 415, 429, 503),
    "response_class": JSONResponse,
    "openapi_extra": UPLOAD,
}


@router.get("/colours/match", summary="Match the image at a URL", **_ANSWERS)
@router.get("/colors/match", summary="Match the image at a URL", **_ANSWERS)
async def match_url(
    request: Request, parts: Parts, query: MatchQuery, url: asked.Url = None
) -> JSONResponse:
    """Find the color of a palette that is nearest to the color that stands for an image."""
    wish = await asked.match_asked(parts.shelf, query, url)
    analysis = await parts.engine.at_url(request, wish.url, wanted(wish))
    return answer(await matched(wish, analysis), analysis)


@router.post("/colours/match", summary="Match an uploaded image", **_UPLOAD_ANSWERS)
@router.post("/colors/match", summary="Match an uploaded image", **_UPLOAD_ANSWERS)
async def match_upload(request: Request, parts: Parts, query: MatchQuery) -> JSONResponse:
    """Find the color of a palette that is nearest to the color that stands for an image."""
    wish = await asked.match_asked(parts.shelf, query, None, upload=True)
    analysis = await parts.engine.of_upload(request, wanted(wish))
    return answer(await matched(wish, analysis), analysis)


def wanted(wish: MatchAsked) -> Wanted:
    """Say what a match needs of an image."""
    return Wanted(n=0, summarizer=wish.summarizer)


async def matched(wish: MatchAsked, analysis: Analysis) -> Match:
    """Search the palette; not in the event loop where that may take long."""
    matcher = Matcher(wish.palette, wish.space, wish.max_distance, wish.summarizer)
    clusters = analysis.clusters or ()
    if len(wish.palette.entries) > _FEW_ENTRIES:
        return await asyncio.to_thread(matcher, clusters)
    return matcher(clusters)


def answer(match: Match, analysis: Analysis) -> JSONResponse:
    """Answer with a match, or with 404 and what would have been nearest."""
    told = {"match": match_as_json(match), "clusters": clusters_as_json(match.clusters)}
    if match.nearest is None:
        raise ApiError(404, "no_match", "The image has no visible pixel", more=told)
    if not match.found:
        sentence = f"No colour found within {match.max_distance:g} units"
        raise ApiError(404, "no_match", sentence, more=told)
    return JSONResponse(
        {
            "colour": match.nearest.name,
            "distance": match.nearest.distance,
            **told,
            "image": facts(analysis),
        }
    )


def facts(analysis: Analysis) -> dict[str, object]:
    """Tell what an image is."""
    return {
        "width": analysis.width,
        "height": analysis.height,
        "format": analysis.format,
        "bytes": analysis.bytes,
        "md5": analysis.md5,
    }
