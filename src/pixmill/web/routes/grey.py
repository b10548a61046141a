"""`/image`: grey versions, at the speed of pages full of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from pixmill.web.errors import ApiError
from pixmill.web.files import has_tag, whole_file
from pixmill.web.openapi import answers
from pixmill.web.openapi_images import FILE
from pixmill.web.plain_route import PlainRoute
from pixmill.web.services import needs, services_of
from pixmill.web.signatures import keeping

if TYPE_CHECKING:
    from pixmill.web.depot import Depot
    from pixmill.web.greys import Grey

_MD5 = re.compile(r"[0-9a-f]{32}")
_VISIT = [Depends(needs("read", visitors=True))]
router = APIRouter(tags=["images"], route_class=PlainRoute)


@router.head("/image/{md5}", dependencies=_VISIT, include_in_schema=False)
@router.get(
    "/image/{md5}",
    summary="Read an image's grey version",
    dependencies=_VISIT,
    responses={**answers(None, 401, 403, 404, 429, 503), **FILE},
)
async def grey(request: Request, md5: str) -> Response:
    """Read the grey version, a PNG in which each pixel is `(R + G + B) // 3`."""
    depot = (await services_of(request)).depot
    lower = md5.lower()
    found = await depot.grey(lower) if _MD5.fullmatch(lower) else None
    if found is None:
        raise ApiError(404, "not_found", "There is no such image")
    headers = {"ETag": f'"{found.sha256}"', "Cache-Control": keeping(request)}
    if has_tag(request, found.sha256):
        return Response(status_code=304, headers=headers)
    if found.png is None:
        return await _large(request, depot, found, headers)
    body = b"" if request.method == "HEAD" else found.png
    headers["Content-Length"] = str(len(found.png))
    return Response(body, media_type="image/png", headers=headers)


async def _large(request: Request, depot: Depot, grey: Grey, headers: dict[str, str]) -> Response:
    """Answer with an image that is too large to be held, a piece at a time."""
    blob = await depot.ask(depot.archive.blobs.open, grey.blob)
    if blob is None:
        raise ApiError(404, "not_found", "There is no such image")
    return whole_file(request, blob, {**headers, "Content-Type": "image/png"}, depot.ask)
