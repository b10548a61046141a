"""The pages of the archive: the newest images, and one image with all that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from pixmill.imaging.operations import OPERATIONS, PRESETS
from pixmill.imaging.operations.registry import FORMATS
from pixmill.web.routes.images import (
    arrival_as_json,
    find_image,
    image_as_json,
    next_cursor,
    page_asked,
)
from pixmill.web.services import Parts, needs, visitor_of

if TYPE_CHECKING:
    from pixmill.store.archive import StoredImage

router = APIRouter(include_in_schema=False, dependencies=[Depends(needs("read"))])
_PAGE, _ARRIVALS = 48, 20


@router.get("/gallery")
async def gallery(request: Request, parts: Parts, cursor: str | None = None) -> HTMLResponse:
    """Show the newest images, or those behind a cursor."""
    number, behind = page_asked(str(_PAGE), cursor)
    images = await parts.depot.ask(parts.depot.archive.page, number, behind)
    return parts.pages.render(
        "gallery.html",
        **visitor_of(request),
        images=[_shown(each) for each in images],
        next=next_cursor(images, number),
        is_first=behind is None,
    )


@router.get("/gallery/{md5}")
async def image(request: Request, parts: Parts, md5: str) -> HTMLResponse:
    """Show an image: its file, grey version, colors, arrivals, and what operations make of it."""
    stored = await find_image(parts.depot, md5)
    captures = await parts.depot.ask(parts.depot.archive.arrivals, _ARRIVALS, md5=stored.image.md5)
    return parts.pages.render(
        "image.html",
        **visitor_of(request),
        image=_shown(stored),
        arrivals=[arrival_as_json(each) for each in captures],
        operations=OPERATIONS.values(),
        presets=PRESETS,
        formats=FORMATS,
    )


def _shown(stored: StoredImage) -> dict[str, Any]:
    """Tell of an image what a page shows: no color twice, as rows of few colors have them."""
    told = image_as_json(stored)
    colors = {color["hex"]: color for color in told["colors"] if color["count"]}
    return {**told, "colors": list(colors.values())}
