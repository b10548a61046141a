"""`/images`: images into the archive, what is known of them, their files."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from pixmill.store.archive import Cursor
from pixmill.web.arrival import Accompaniment, media_type_of, sender
from pixmill.web.bodies import SMALL_BYTES
from pixmill.web.depot import UPLOADED
from pixmill.web.errors import ApiError, invalid_request, too_many_bytes
from pixmill.web.files import Facts, file_answer, not_modified
from pixmill.web.job_views import job_as_json
from pixmill.web.openapi import answers
from pixmill.web.openapi_images import IMAGE_TO_KEEP, IMAGES, PARTS, STORED
from pixmill.web.services import Parts, needs
from pixmill.web.signatures import keeping
from pixmill.web.submission import add_job, chain_job, word_of

if TYPE_CHECKING:
    from pixmill.store.archive import Arrival, StoredImage
    from pixmill.web.depot import Depot

router = APIRouter(tags=["images"])
_READ, _WRITE = [Depends(needs("read"))], [Depends(needs("write"))]
_ADMIN, _VISIT = [Depends(needs("admin"))], [Depends(needs("read", visitors=True))]
_MD5 = re.compile(r"[0-9a-f]{32}")
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9a-f]{32})")
_DEFAULT_PAGE, _MOST_IMAGES, _SHOWN_ARRIVALS = 50, 200, 20
# What browsers show as a picture and nothing else.
_SHOWN = {"jpeg": "jpg", "png": "png", "webp": "webp", "gif": "gif", "avif": "avif"}
_ENDINGS = {**_SHOWN, "tiff": "tif", "bmp": "bmp", "ico": "ico"}
_TYPES = {"ico": "image/x-icon"}
Md5 = Annotated[str, Path(description="MD5 of the file, 32 hex digits")]
Word = Annotated[str | None, Query(description="letters, digits, dots, dashes and _, at most 100")]
Webhook = Annotated[str | None, Query(description="URL that the end of the job is told to")]
Operations = Annotated[list[str] | None, Query(description="an operation each, to carry out")]


@router.post(
    "/images",
    summary="Keep an image",
    dependencies=_WRITE,
    status_code=201,
    responses={
        **answers(STORED, 400, 401, 403, 408, 409, 413, 415, 429, 503, status=201),
        200: answers(STORED)[200],
    },
    openapi_extra=IMAGE_TO_KEEP,
)
async def keep(  # noqa: PLR0913, PLR0917  FastAPI reads the request's parameters from these
    request: Request,
    parts: Parts,
    source: Word = None,
    reference: Word = None,
    operations: Operations = None,
    webhook: Webhook = None,
) -> JSONResponse:
    """Take an image into the archive: an upload, raw or in a form, or the image at a URL.

    201 where it is new, 200 where the archive has it. `source` and `reference` say who sends it,
    and their own word for it. With `operations` these are carried out on it, as a job.
    """
    said = Accompaniment(request, parts.poster, source, reference, webhook)
    word_of(request)  # before the image is kept
    said.order("\n".join(operations or ()))
    if media_type_of(request) == "application/json":
        url, who = said.of_document(await small_body(request))
        taken = await parts.depot.take_url(request, url, who)
    else:
        sender(source, reference, UPLOADED)  # before the body is read
        taken = await parts.depot.take_upload(request, said.of_upload)
    stored = await find_image(parts.depot, taken.md5)
    told = {**image_as_json(stored), "arrival": "success" if taken.is_new else "duplicate"}
    if said.chain:
        new = chain_job(request, taken.md5, said.chain, said.who, said.webhook)
        job, _ = await add_job(request, parts, new)
        told["job"] = job_as_json(job)
    headers = {"Location": f"/images/{taken.md5}"}
    return JSONResponse(told, 201 if taken.is_new else 200, headers)


async def small_body(request: Request) -> bytes:
    """Read a body that is no image: no more of it than a document of a few fields has."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > SMALL_BYTES:
            raise too_many_bytes(SMALL_BYTES)
    return body


@router.get(
    "/images",
    summary="List images",
    dependencies=_READ,
    responses=answers(IMAGES, 400, 401, 403, 429, 503),
)
async def list_images(
    parts: Parts,
    limit: Annotated[str | None, Query(description="how many, 1 to 200, by default 50")] = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> JSONResponse:
    """List the images of the archive, the newest first, a page at a time."""
    number, behind = page_asked(limit, cursor)
    images = await parts.depot.ask(parts.depot.archive.page, number, behind)
    told = {"images": [image_as_json(each) for each in images]}
    return JSONResponse({**told, "next": next_cursor(images, number)})


def page_asked(limit: str | None, cursor: str | None) -> tuple[int, Cursor | None]:
    """Read which page is asked for. Raises ApiError 400."""
    number = int(limit) if limit and limit.isascii() and limit.isdecimal() and len(limit) < 9 else 0
    if limit and not 1 <= number <= _MOST_IMAGES:
        raise invalid_request(f"Invalid limit, it is 1 to {_MOST_IMAGES}")
    if not cursor:
        return number or _DEFAULT_PAGE, None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise invalid_request("Invalid cursor")
    try:
        moment = datetime.fromtimestamp(int(found[1]) / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise invalid_request("Invalid cursor") from error
    return number or _DEFAULT_PAGE, Cursor(moment, found[2])


def next_cursor(images: list[StoredImage], limit: int) -> str | None:
    """Make the cursor of the page behind these; None where there can be none."""
    if len(images) < limit:
        return None
    last = images[-1]
    return f"{round(last.inserted_at.timestamp() * 1000)}-{last.image.md5}"


@router.get(
    "/images/{md5}",
    summary="Look at an image",
    dependencies=_READ,
    responses=answers(STORED, 401, 403, 404, 429, 503),
)
async def look(parts: Parts, md5: Md5) -> JSONResponse:
    """Tell what is known of an image, and when and from where it came."""
    stored = await find_image(parts.depot, md5)
    captures = await parts.depot.ask(
        parts.depot.archive.arrivals, _SHOWN_ARRIVALS, md5=stored.image.md5
    )
    told = {**image_as_json(stored), "arrivals": [arrival_as_json(each) for each in captures]}
    return JSONResponse(told)


@router.head("/images/{md5}/original", dependencies=_VISIT, include_in_schema=False)
@router.get(
    "/images/{md5}/original",
    summary="Read an image's file",
    dependencies=_VISIT,
    responses={**answers(None, 401, 403, 404, 416, 429, 503), **PARTS},
)
async def original(request: Request, parts: Parts, md5: Md5) -> Response:
    """Read the file as it came; in parts, and only if it changed, where that is asked for."""
    stored = await find_image(parts.depot, md5)
    image = stored.image
    name = image.blobs.original if image.blobs else None
    headers = {**_file_headers(image.format, image.md5), "Cache-Control": keeping(request)}
    facts = Facts(image.sha256, stored.inserted_at, headers)
    if name is None:
        raise _unknown("The archive keeps no original of this image")
    answer = not_modified(request, facts)
    if answer is not None:
        return answer
    blob = await parts.depot.ask(parts.depot.archive.blobs.open, name)
    if blob is None:
        raise _unknown()
    return file_answer(request, blob, facts, parts.depot.ask)


def _file_headers(format_: str, md5: str) -> dict[str, str]:
    disposition = "inline" if format_ in _SHOWN else "attachment"
    return {
        "Content-Type": _TYPES.get(format_, f"image/{format_}"),
        "Content-Disposition": f'{disposition}; filename="{md5}.{_ENDINGS.get(format_, "bin")}"',
    }


@router.delete(
    "/images/{md5}",
    summary="Drop an image",
    dependencies=_ADMIN,
    status_code=204,
    responses=answers(None, 401, 403, 404, 429, 503, status=204),
)
async def delete(parts: Parts, md5: Md5) -> Response:
    """Drop an image and its files; when and from where it came is kept."""
    lower = md5.lower()
    if not _MD5.fullmatch(lower) or not await parts.depot.delete(lower):
        raise _unknown()
    return Response(status_code=204)


async def find_image(depot: Depot, md5: str) -> StoredImage:
    """Find an image by its MD5 in either case. Raises ApiError 404."""
    lower = md5.lower()
    stored = None
    if _MD5.fullmatch(lower):
        stored = await depot.ask(depot.archive.find, lower)
    if stored is None:
        raise _unknown()
    return stored


def _unknown(sentence: str = "There is no such image") -> ApiError:
    return ApiError(404, "not_found", sentence)


def image_as_json(stored: StoredImage) -> dict[str, Any]:
    """Tell what is known of an image."""
    image = stored.image
    has_original = image.blobs is not None and image.blobs.original is not None
    return {
        "md5": image.md5,
        "sha256": image.sha256,
        "bytes": image.bytes,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "colors": [
            {"hex": color.hex, "count": color.count, "share": color.share} for color in image.colors
        ],
        "color": image.color,
        "inserted_at": _moment(stored.inserted_at),
        "arrived_at": _moment(stored.arrived_at),
        "links": {
            "self": f"/images/{image.md5}",
            "grey": f"/image/{image.md5}",
            "original": f"/images/{image.md5}/original" if has_original else None,
            "page": f"/gallery/{image.md5}",
        },
    }


def arrival_as_json(arrival: Arrival) -> dict[str, Any]:
    """Tell of a capture."""
    return {
        "arrived_at": _moment(arrival.arrived_at),
        "source": arrival.source,
        "reference": arrival.reference,
        "result": arrival.outcome.result,
        "code": arrival.outcome.code,
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
