"""`/palettes`: those that are kept, read, written and dropped; `css` is always there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from pixmill.color.palette import Palette
from pixmill.color.palette_files import FORMATS, write_palette
from pixmill.errors import UsageError
from pixmill.store import MUST_BE_NEW
from pixmill.web.errors import ApiError, invalid_request
from pixmill.web.openapi import PALETTE, PALETTE_INFO, PALETTES, answers
from pixmill.web.services import Parts, Services, needs
from pixmill.web.shelf import BUILT_IN

if TYPE_CHECKING:
    from pixmill.store import PaletteInfo

_BODY_S = 60

router = APIRouter(tags=["palettes"])
_READ = [Depends(needs("read", "match"))]
_WRITE = [Depends(needs("write"))]
_MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "gpl": "text/plain; charset=utf-8",
    "ase": "application/octet-stream",
}
Name = Annotated[str, Path(description="name of the palette", max_length=200)]
NewName = Annotated[
    str,
    Path(
        description="name of the palette; not css, and without the ending of a palette file",
        max_length=200,
        # For the document alone: a name that breaks it is answered in the store's own words.
        json_schema_extra={"pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"},
    ),
]
Form = Annotated[str | None, Query(description="format of the document")]
_DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": PALETTE},
            "text/csv": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_READ_ANSWER: dict[str, Any] = {
    "description": "The palette, in the format that was asked for",
    "content": _DOCUMENT["requestBody"]["content"],
}


@router.get(
    "/palettes",
    summary="List the palettes",
    dependencies=_READ,
    responses=answers(PALETTES, 401, 403, 429, 503),
)
async def list_palettes(parts: Parts) -> JSONResponse:
    """List the built-in palette and those that are kept."""
    built_in = Palette.css()
    first = {"name": BUILT_IN, "entries": len(built_in.entries), "built_in": True}
    return JSONResponse({"palettes": [first, *map(_told, await parts.shelf.all())]})


@router.get(
    "/palettes/{name}",
    summary="Read a palette",
    dependencies=_READ,
    responses={**answers(PALETTE, 400, 401, 403, 404, 429, 503), 200: _READ_ANSWER},
)
async def read(parts: Parts, name: Name, format: Form = None) -> Response:  # noqa: A002
    """Read a palette, as JSON or in another format."""
    form = format or "json"
    if form not in FORMATS:
        raise invalid_request(f"The format is one of {', '.join(FORMATS)}")
    palette = await parts.shelf.get(name)
    if palette is None:
        raise _unknown()
    document = await asyncio.to_thread(write_palette, palette, form)
    revision = parts.shelf.revision_of(name)
    headers = {} if revision is None else {"ETag": f'"{revision}"'}
    return Response(document, media_type=_MEDIA[form], headers=headers)


@router.put(
    "/palettes/{name}",
    summary="Keep a palette",
    dependencies=_WRITE,
    responses=answers(PALETTE_INFO, 400, 401, 403, 408, 412, 413, 429, 503),
    openapi_extra=_DOCUMENT,
)
async def put(
    request: Request,
    parts: Parts,
    name: NewName,
    format: Form = None,  # noqa: A002
) -> JSONResponse:
    """Keep a palette, in place of what has its name.

    The document is JSON, CSV, GIMP or Adobe; its content tells which. With `If-None-Match: *` it
    must be new, with `If-Match` it takes the place of that revision.
    """
    expected = await _expected(request, parts, name)
    try:
        async with parts.shelf.room_for_one():
            async with asyncio.timeout(_BODY_S):
                data = await request.body()
            info = await parts.shelf.put(name, data, format or None, expected)
    except TimeoutError as error:
        raise ApiError(408, "timeout", f"The palette took longer than {_BODY_S} s") from error
    except UsageError as error:
        raise invalid_request(str(error)) from error
    if info is None:
        raise _unexpected()
    return JSONResponse(_told(info), headers={"ETag": f'"{info.revision}"'})


@router.delete(
    "/palettes/{name}",
    summary="Drop a palette",
    dependencies=_WRITE,
    status_code=204,
    responses=answers(None, 400, 401, 403, 404, 412, 429, 503, status=204),
)
async def delete(request: Request, parts: Parts, name: Name) -> Response:
    """Drop a palette that is kept, with `If-Match` that revision alone; never the built-in one."""
    expected = await _expected(request, parts, name)
    if not await parts.shelf.delete(name, expected):
        standing = await parts.ask_catalog(parts.catalog.palettes.revision, name)
        raise _unknown() if standing is None else _unexpected()
    return Response(status_code=204)


async def _expected(request: Request, parts: Services, name: str) -> int | None:
    """Read what must stand at the name (RFC 9110, section 13.1): a revision, nothing, whatever."""
    if (unless := request.headers.get("if-none-match", "").strip()) not in {"", "*"}:
        raise invalid_request(f"If-None-Match is read as * alone, not as {unless[:40]!a}")
    if unless:
        return MUST_BE_NEW
    match = request.headers.get("if-match", "").strip()
    if not match:
        return None
    if match == "*":
        revision = await parts.ask_catalog(parts.catalog.palettes.revision, name)
    else:
        digits = match.strip('"')
        fits = digits.isascii() and digits.isdecimal() and len(digits) < 18
        revision = int(digits) if fits else None
    if not revision:
        raise _unexpected()
    return revision


def _told(info: PaletteInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "entries": info.entries,
        "built_in": False,
        "revision": info.revision,
        "changed_at": info.changed_at.isoformat(),
    }


def _unexpected() -> ApiError:
    return ApiError(412, "conflict", "The palette that stands there is not the one expected")


def _unknown() -> ApiError:
    return ApiError(404, "not_found", "There is no such palette")
