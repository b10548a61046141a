"""A route for what is asked for in haste: FastAPI takes longer than some answers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastapi import Request
from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    Dependency = Callable[[Request], Awaitable[None]]


class PlainRoute(APIRoute):
    """A route for the request and the words of its path alone.

    Its dependencies are given the request, too. What else it reads of the request is to be told
    to the document by `openapi_extra`.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive)
        for check in self.dependencies:
            await cast("Dependency", check.dependency)(request)
        response: Response = await self.endpoint(request, **scope["path_params"])
        await response(scope, receive, send)
