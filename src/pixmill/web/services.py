"""What routes work with, as one value that the app carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Request

from pixmill.errors import OutputError
from pixmill.store import SCOPES
from pixmill.web.auth import COOKIE
from pixmill.web.errors import ApiError
from pixmill.web.gate import CALLER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pixmill.fetch.poster import Poster
    from pixmill.jobs.expiry import Expiry
    from pixmill.store import BlobStore, Catalog
    from pixmill.web.auth import Caller, Credentials
    from pixmill.web.cluster_watch import Watch
    from pixmill.web.depot import Depot
    from pixmill.web.engine import Engine
    from pixmill.web.following import Following
    from pixmill.web.list_requests import Incoming
    from pixmill.web.metrics import Metrics
    from pixmill.web.pages import Pages
    from pixmill.web.quotas import Quotas
    from pixmill.web.renders import Renders
    from pixmill.web.shelf import Shelf
    from pixmill.web.store_calls import StoreCalls


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """The parts of one serving process.

    `catalog_stands` looks whether the catalog is still where it was opened, `ask_catalog` is how
    the catalog is asked, `wake_jobs` tells that there is a new job, `watch` knows the broker's
    queues where there is one.
    """

    ask_catalog: StoreCalls
    catalog: Catalog
    catalog_stands: Callable[[], bool]
    credentials: Credentials
    depot: Depot
    engine: Engine
    expiry: Expiry
    following: Following
    incoming: Incoming
    metrics: Metrics
    pages: Pages
    poster: Poster
    quotas: Quotas
    renders: Renders
    results: BlobStore
    shelf: Shelf
    wake_jobs: Callable[[], None]
    watch: Watch | None


async def services_of(request: Request) -> Services:
    """Return the parts that the app was opened with; async, or each call would need a thread."""
    return cast(Services, request.app.state.services)


def caller_of(request: Request) -> Caller:
    """Return who asks; the gate has let nobody else in."""
    return cast("Caller", request.scope["state"][CALLER])


def key_of(request: Request) -> str:
    """Return what the key of whoever asks is known by."""
    return caller_of(request).key.prefix


def who_of(request: Request) -> str:
    """Return what whoever asks is known by: his key, or the address of a visitor."""
    if CALLER in request.scope["state"]:
        return key_of(request)
    return request.client.host if request.client else "unknown"


def key_id_of(request: Request) -> int:
    """Return the number of the key of whoever asks."""
    return caller_of(request).key.id


async def caller_still_there(request: Request, parts: Services) -> bool:
    """Whether the key or the session that a long request came by is still good.

    As far as can be told: where the catalog can not be asked, nothing is said against it.
    """
    authorization, cookie = request.headers.get("authorization"), request.cookies.get(COOKIE)
    try:
        return await parts.credentials.find(authorization, cookie) is not None
    except (OutputError, ApiError):
        return True


def check_scope(request: Request, *scopes: str) -> None:
    """Raise ApiError 403 unless the key of whoever asks has one of the scopes, or `admin`."""
    if not caller_of(request).key.scopes & {*scopes, "admin"}:
        raise ApiError(403, "forbidden", f"This key has not the scope {' or '.join(scopes)}")


def needs(*scopes: str, visitors: bool = False) -> Callable[[Request], Awaitable[None]]:
    """Make a dependency that refuses keys with none of the scopes by ApiError 403.

    With `visitors` whoever has no key may pass, if the gate let one in.
    """

    async def check(request: Request) -> None:
        if visitors and CALLER not in request.scope["state"]:
            return
        check_scope(request, *scopes)

    return check


def visitor_of(request: Request) -> dict[str, Any]:
    """Tell a page whose key it is shown to, and its scopes; empty for a visitor without one."""
    caller = request.scope["state"].get(CALLER)
    if caller is None:
        return {"csrf_token": "", "key_name": "", "scopes": frozenset()}
    key = caller.key
    scopes = frozenset(SCOPES) if "admin" in key.scopes else key.scopes
    return {"csrf_token": caller.csrf_token, "key_name": key.name, "scopes": scopes}


Parts = Annotated[Services, Depends(services_of)]
