"""`/keys`: who may use the service, listed, made and revoked by keys with the scope `admin`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, Response

from pixmill.errors import UsageError
from pixmill.store import DEFAULT_SCOPES, SCOPES
from pixmill.store.catalog import LastAdmin, NameTaken
from pixmill.web.arrival import media_type_of
from pixmill.web.errors import ApiError, invalid_request
from pixmill.web.openapi import answers
from pixmill.web.openapi_keys import KEY, KEY_TO_MAKE, KEYS, MADE_KEY
from pixmill.web.pages import by_accept, wants_page
from pixmill.web.routes.images import small_body
from pixmill.web.services import Parts, key_of, needs, visitor_of

if TYPE_CHECKING:
    from datetime import datetime

    from pixmill.store import Key

router = APIRouter(tags=["keys"])
_ADMIN = [Depends(needs("admin"))]
_SHOWN_REVOKED = 50
Name = Annotated[str, Path(description="name of the key, or its prefix as the list has it")]


@router.get(
    "/keys",
    summary="List the keys",
    dependencies=_ADMIN,
    responses=answers(KEYS, 401, 403, 429, 503),
)
async def list_keys(request: Request, parts: Parts) -> Response:
    """List the keys, also revoked ones, without their secrets, oldest first.

    A browser is shown a page.
    """
    found = await parts.ask_catalog(parts.catalog.keys.all)
    if not wants_page(request):
        return by_accept(JSONResponse({"keys": [_told(key) for key in found]}))
    live = [key for key in found if key.revoked_at is None]
    revoked = [key for key in reversed(found) if key.revoked_at]
    page = parts.pages.render(
        "keys.html",
        **visitor_of(request),
        own_prefix=f"pm_{key_of(request)}",
        live=[_told(key) for key in live],
        revoked=[_told(key) for key in revoked[:_SHOWN_REVOKED]],
        revoked_number=len(revoked),
        all_scopes=SCOPES,
        usual_scopes=DEFAULT_SCOPES,
    )
    return by_accept(page)


@router.post(
    "/keys",
    summary="Make a key",
    dependencies=_ADMIN,
    status_code=201,
    responses=answers(MADE_KEY, 400, 401, 403, 409, 413, 415, 429, 503, status=201),
    openapi_extra=KEY_TO_MAKE,
)
async def make(request: Request, parts: Parts) -> JSONResponse:
    """Make a key, and tell its text, which is never told again.

    Without `scopes` it has `read`, `match`, `write` and `jobs`.
    """
    name, scopes = await _asked(request)
    try:
        key, text = await parts.ask_catalog(parts.catalog.keys.add, name, scopes)
    except NameTaken as error:
        raise _refused(error, 409, "conflict") from error
    except UsageError as error:
        raise _refused(error, 400, "invalid_request") from error
    return JSONResponse({**_told(key), "key": text}, 201)


async def _asked(request: Request) -> tuple[str, list[str]]:
    """Read name and scopes. Raises ApiError.

    A form's body is not read: whatever page a browser is on could send one, with the name and key
    that the browser remembers.
    """
    if media_type_of(request) != "application/json":
        raise invalid_request("Please send the key as application/json", status=415)
    try:
        wish = json.loads(await small_body(request))
    except (ValueError, RecursionError) as error:
        raise invalid_request("The body is a JSON object in UTF-8") from error
    if not isinstance(wish, dict):
        raise invalid_request("The body is a JSON object in UTF-8")
    name, scopes = wish.get("name"), wish.get("scopes", list(DEFAULT_SCOPES))
    are_texts = isinstance(scopes, list) and all(isinstance(scope, str) for scope in scopes)
    if not isinstance(name, str) or not are_texts:
        raise invalid_request("Name is a text, and scopes are a list of texts")
    return name, scopes


@router.delete(
    "/keys/{name}",
    summary="Revoke a key",
    dependencies=_ADMIN,
    responses=answers(KEY, 401, 403, 404, 409, 429, 503),
)
async def revoke(parts: Parts, name: Name) -> JSONResponse:
    """Revoke a key, within five seconds, and end the sessions that were started by it.

    The last key with the scope `admin` is not revoked: 409.
    """
    try:
        gone = await parts.ask_catalog(parts.catalog.keys.revoke, name, spare_last_admin=True)
    except LastAdmin as error:
        raise _refused(error, 409, "conflict") from error
    if gone is None:
        raise ApiError(404, "not_found", "There is no live key of that name or prefix")
    parts.credentials.forget_all()
    return JSONResponse(_told(gone))


def _refused(error: UsageError, status: int, code: str) -> ApiError:
    return ApiError(status, code, f"{str(error)[:1].upper()}{str(error)[1:]}")


def _told(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "prefix": f"pm_{key.prefix}",
        "scopes": [scope for scope in SCOPES if scope in key.scopes],
        "created_at": _moment(key.created_at),
        "revoked_at": _moment(key.revoked_at) if key.revoked_at else None,
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
