"""HEAD wherever there is GET (RFC 9110, section 9.3.2); the server leaves the body out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_OWN = ("/image/", "/images/")  # these answer it without reading a file


class HeadAsGet:
    """ASGI middleware: has a route of GET answer HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].startswith(_OWN):
            await self._app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, send)
        finally:
            if "route" in inner:  # which the log tells
                scope["route"] = inner["route"]
