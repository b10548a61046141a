"""`/images/{md5}/render` and `/render`: pictures at once, of the archive and of the web."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from pixmill.web import asked
from pixmill.web.errors import ApiError
from pixmill.web.files import has_tag, whole_file
from pixmill.web.openapi import answers
from pixmill.web.openapi_images import FILE
from pixmill.web.openapi_render import OF_URL, WISH
from pixmill.web.plain_route import PlainRoute
from pixmill.web.services import needs, services_of
from pixmill.web.signatures import keeping, keeping_of_source
from pixmill.web.wish import AUTO, wish_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.web.renders import Rendered
    from pixmill.web.services import Services
    from pixmill.web.wish import Wish

router = APIRouter(tags=["images"], route_class=PlainRoute)
_MD5 = re.compile(r"[0-9a-f]{32}")
_READ = [Depends(needs("read", visitors=True))]
_MATCH = [Depends(needs("match", visitors=True))]
_CODES = 400, 401, 403, 404, 429, 503


@router.head("/images/{md5}/render", dependencies=_READ, include_in_schema=False)
@router.get(
    "/images/{md5}/render",
    summary="Have a picture made of an image",
    dependencies=_READ,
    responses={**answers(None, *_CODES), **FILE},
    openapi_extra=WISH,
)
async def of_image(request: Request, md5: str) -> Response:
    """Carry out operations on an image of the archive, at once."""
    wish = _wish(request)
    lower = md5.lower()
    if not _MD5.fullmatch(lower):
        raise ApiError(404, "not_found", "There is no such image")
    parts = await services_of(request)
    rendered = await parts.renders.of_image(request, lower, wish, _has(request))
    return _answer(request, parts, rendered, keeping(request))


@router.head("/render", dependencies=_MATCH, include_in_schema=False)
@router.get(
    "/render",
    summary="Have a picture made of the image at a URL",
    dependencies=_MATCH,
    responses={**answers(None, *_CODES), **FILE},
    openapi_extra=OF_URL,
)
async def of_url(request: Request) -> Response:
    """Fetch an image and carry out operations on it, at once."""
    url = request.query_params.get("url")
    mistakes = asked.Mistakes()
    asked.check_url(url, mistakes)
    mistakes.check()
    wish = _wish(request)
    parts = await services_of(request)
    rendered = await parts.renders.at_url(request, url or "", wish, _has(request))
    return _answer(request, parts, rendered, keeping_of_source(request, rendered.fresh_s))


def _wish(request: Request) -> Wish:
    return wish_of(request.query_params, ",".join(request.headers.getlist("accept")))


def _has(request: Request) -> Callable[[str], bool]:
    return lambda tag: bool(has_tag(request, tag))


def _answer(request: Request, parts: Services, rendered: Rendered, keeping_: str) -> Response:
    headers = {"ETag": f'"{rendered.tag}"', "Cache-Control": keeping_}
    if request.query_params.get("format") == AUTO:
        headers["Vary"] = "Accept"
    if rendered.picture is None:
        return Response(status_code=304, headers=headers)
    content, format_ = rendered.picture
    headers["Content-Type"] = f"image/{format_}"
    if not isinstance(content, bytes):
        return whole_file(request, content, headers, parts.depot.ask)
    headers["Content-Length"] = str(len(content))
    return Response(b"" if request.method == "HEAD" else content, headers=headers)
