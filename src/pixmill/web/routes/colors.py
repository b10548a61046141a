"""`/colors/top` and `/colors/dominant`: an image's exact colors, and the clusters of its colors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from pixmill.analysis import Alpha, Wanted
from pixmill.told import clusters_as_json
from pixmill.web import asked
from pixmill.web.openapi import DOMINANT, TOP, UPLOAD, answers
from pixmill.web.routes.match import facts
from pixmill.web.services import Parts, needs

if TYPE_CHECKING:
    from pixmill.record import Analysis

DEFAULT_TOP, DEFAULT_DOMINANT = 3, 5

router = APIRouter(tags=["colors"], dependencies=[Depends(needs("match"))])
AlphaText = Annotated[str | None, Query(description="ignore: count fully transparent pixels too")]


def _described(schema: dict[str, Any], *, upload: bool) -> dict[str, Any]:
    codes = (400, 401, 403, 408, 413, 415, 429, 503) if upload else (400, 401, 403, 429, 503)
    extra = {"openapi_extra": UPLOAD} if upload else {}
    return {"responses": answers(schema, *codes), "response_class": JSONResponse, **extra}


@router.get(
    "/colors/top", summary="Exact colors of the image at a URL", **_described(TOP, upload=False)
)
async def top_of_url(
    request: Request,
    parts: Parts,
    url: asked.Url = None,
    n: asked.Number = None,
    alpha: AlphaText = None,
) -> JSONResponse:
    """Count every pixel and return the most common exact colors, most common first."""
    mistakes = asked.Mistakes()
    asked.check_url(url, mistakes)
    wanted = _top_wanted(n, alpha, mistakes)
    return top_answer(await parts.engine.at_url(request, url or "", wanted))


@router.post(
    "/colors/top", summary="Exact colors of an uploaded image", **_described(TOP, upload=True)
)
async def top_of_upload(
    request: Request, parts: Parts, n: asked.Number = None, alpha: AlphaText = None
) -> JSONResponse:
    """Count every pixel and return the most common exact colors, most common first."""
    wanted = _top_wanted(n, alpha, asked.Mistakes())
    return top_answer(await parts.engine.of_upload(request, wanted))


@router.get(
    "/colors/dominant",
    summary="Clusters of the image at a URL",
    **_described(DOMINANT, upload=False),
)
async def dominant_of_url(
    request: Request, parts: Parts, url: asked.Url = None, n: asked.Number = None
) -> JSONResponse:
    """Find the clusters of an image's colors by k-means, most populous first."""
    mistakes = asked.Mistakes()
    asked.check_url(url, mistakes)
    wanted = _dominant_wanted(n, mistakes)
    return _dominant_answer(await parts.engine.at_url(request, url or "", wanted))


@router.post(
    "/colors/dominant",
    summary="Clusters of an uploaded image",
    **_described(DOMINANT, upload=True),
)
async def dominant_of_upload(
    request: Request, parts: Parts, n: asked.Number = None
) -> JSONResponse:
    """Find the clusters of an image's colors by k-means, most populous first."""
    wanted = _dominant_wanted(n, asked.Mistakes())
    return _dominant_answer(await parts.engine.of_upload(request, wanted))


def _top_wanted(n: str | None, alpha: str | None, mistakes: asked.Mistakes) -> Wanted:
    number = asked.number_of_colors(n, DEFAULT_TOP, mistakes)
    alpha = alpha or "visible"
    if alpha not in {"visible", "ignore"}:
        mistakes.add("Invalid alpha")
    mistakes.check()
    return Wanted(n=number, alpha=cast(Alpha, alpha))


def _dominant_wanted(n: str | None, mistakes: asked.Mistakes) -> Wanted:
    number = asked.number_of_colors(n, DEFAULT_DOMINANT, mistakes)
    mistakes.check()
    return Wanted(n=0, summarizer="kmeans", k=number)


def top_answer(analysis: Analysis) -> JSONResponse:
    """Answer with exact colors."""
    return JSONResponse({**top_as_json(analysis), "image": facts(analysis)})


def top_as_json(analysis: Analysis) -> dict[str, object]:
    """Put exact colors into JSON types."""
    colors = [
        {"hex": color.hex, "count": color.count, "share": color.share} for color in analysis.colors
    ]
    return {"colors": colors, "pixels": analysis.pixels}


def _dominant_answer(analysis: Analysis) -> JSONResponse:
    return JSONResponse(
        {"colors": clusters_as_json(analysis.clusters or ()), "image": facts(analysis)}
    )
