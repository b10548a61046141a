"""An uploaded image, from a request into a body that is held within the budgets of downloads.

Owns which requests carry an image, raw or in a form, and that nothing stays held where one breaks
off. How large a request may be is `bodies.py`'s; what the bytes are is for those who decode them.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.multipart import parse_options_header

from pixmill.errors import OutputError, TooManyBytes
from pixmill.web.errors import ApiError, invalid_request, overloaded
from pixmill.web.multipart import FILE_FIELD, FormLimits, FormReader, form_boundary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

    from pixmill.fetch.body import Body, BodyWriter

# What waits for room in the temporary folder holds a connection; files before it are done by then.
ROOM_TIMEOUT_S = 20.0
_RETRY_AFTER_S = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """An image as it came; whoever gets it closes `body`. `fields` are the form's other parts."""

    body: Body
    fields: Mapping[str, str] = field(default_factory=dict)


async def read_upload(
    request: Request,
    writer: BodyWriter,
    *,
    limits: FormLimits | None = None,
    room_timeout_s: float = ROOM_TIMEOUT_S,
) -> Upload:
    """Read the request's image into `writer`: the one file of a form, or the whole body.

    Raises ApiError: 400 for a form that is broken or has no file, or an empty body; 413 past the
    writer's limit; 415 for other kinds of forms and encoded bodies; 503 where there is no room.
    On any error, and where the client goes away, nothing stays held.
    """
    with _held(writer):
        kind, parameters = parse_options_header(request.headers.get("content-type"))
        _refuse_encodings(request, kind)
        if kind != b"multipart/form-data":
            await _read_raw(request, writer, room_timeout_s)
            return Upload(body=writer.finish())
        form = FormReader(form_boundary(parameters), writer, limits or FormLimits())
        async for piece in request.stream():
            form.feed(piece)
            await _wait_for_room(writer, room_timeout_s)
        form.finish()
        return Upload(body=writer.finish(), fields=form.fields)


async def _read_raw(request: Request, writer: BodyWriter, room_timeout_s: float) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        writer.expect(int(declared[:20]))
    async for piece in request.stream():
        if piece:
            writer.write(piece)
            await _wait_for_room(writer, room_timeout_s)
    if not writer.size:
        raise invalid_request(
            f"Please send the image as the request's body or as a form's file '{FILE_FIELD}'"
        )


def _refuse_encodings(request: Request, kind: bytes) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise invalid_request("Please send the image without a Content-Encoding", status=415)
    if kind == b"application/x-www-form-urlencoded":
        raise invalid_request(
            "Please send the image as application/octet-stream, an image type or "
            "multipart/form-data",
            status=415,
        )
    if kind.startswith(b"multipart/") and kind != b"multipart/form-data":
        raise invalid_request("Please send forms as multipart/form-data", status=415)


async def _wait_for_room(writer: BodyWriter, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        await writer.wait_for_room()


@contextmanager
def _held(writer: BodyWriter) -> Iterator[None]:
    """Give back what was written on any error, and say those of the writer as the API does."""
    try:
        yield
    except BaseException as error:
        writer.discard()
        if isinstance(error, TooManyBytes):
            raise ApiError(413, error.code, _sentence(error)) from error
        if isinstance(error, OutputError | TimeoutError):
            raise overloaded(
                "There is no room for the image just now", retry_after_s=_RETRY_AFTER_S
            ) from error
        raise


def _sentence(error: TooManyBytes) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
