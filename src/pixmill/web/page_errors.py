"""Errors as pages, where a browser asks for a page: in its frame, with the way to the others.

Scripts and programs have them as JSON, from `armor.py`; so have all what this service is to blame
for, which is logged there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from pixmill.web.errors import ApiError
from pixmill.web.gate import CSRF_HEADER
from pixmill.web.pages import wants_page
from pixmill.web.services import services_of, visitor_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_PAGES = ("/batches", "/cluster", "/gallery", "/jobs", "/keys", "/monitoring")


class PageErrors:
    """ASGI middleware inside the gate."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what is not shown as a page is raised on."""
        try:
            await self._app(scope, receive, send)
        except ApiError as error:
            if error.status >= 500 or not _is_page(scope):
                raise
            request = Request(scope)
            error.headers = {**error.headers, "Vary": "Accept"}
            if CSRF_HEADER in request.headers or not wants_page(request):
                raise
            parts = await services_of(request)
            page = parts.pages.render(
                "refused.html",
                error.status,
                **visitor_of(request),
                errors=error.errors,
                is_forbidden=error.status == 403,
            )
            page.headers.update(error.headers)
            await page(scope, receive, send)


def _is_page(scope: Scope) -> bool:
    path = scope["path"]
    is_one = any(path == page or path.startswith(f"{page}/") for page in _PAGES)
    return is_one and scope["method"] == "GET"
