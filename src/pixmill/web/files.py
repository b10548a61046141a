"""A file of the archive as an answer: conditions, one range, and the bytes a piece at a time.

Source: RFC 9110, sections 13 (conditions) and 14 (ranges).
"""

from __future__ import annotations

import re
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response, StreamingResponse

from pixmill.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from pixmill.store.blobs import Blob
    from pixmill.web.store_calls import StoreCalls

_PIECE_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class Facts(NamedTuple):
    """What a file is: `tag` stands for its bytes, `changed_at` is in UTC, without its fraction."""

    tag: str
    changed_at: datetime
    headers: Mapping[str, str]


def not_modified(request: Request, facts: Facts) -> Response | None:
    """Answer 304 where the client has the very file."""
    same = has_tag(request, facts.tag)
    if same is None:
        since = _time(request.headers.get("if-modified-since"))
        same = since is not None and facts.changed_at.replace(microsecond=0) <= since
    return Response(status_code=304, headers=_validators(facts)) if same else None


def has_tag(request: Request, tag: str) -> bool | None:
    """Tell whether the client has what a tag stands for; None where it does not say by tag."""
    tags = request.headers.get("if-none-match")
    if tags is None:
        return None
    return tags.strip() == "*" or f'"{tag}"' in re.findall(r'"[^"]*"', tags)


def file_answer(request: Request, blob: Blob, facts: Facts, ask: StoreCalls) -> Response:
    """Answer with a file, or the part of it that is asked for; closes the blob in any case.

    It is read by `ask`.
    """
    try:
        first, length = _asked_range(request, facts, blob.size)
    except ApiError:
        blob.close()
        raise
    headers = {
        **facts.headers,
        **_validators(facts),
        "Accept-Ranges": "bytes",
        "Content-Length": str(length),
    }
    status = 200
    if length < blob.size:
        status = 206
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{blob.size}"
    if request.method == "HEAD":
        blob.close()
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_pieces(blob, first, length, ask), status, headers)


def whole_file(
    request: Request, blob: Blob, headers: Mapping[str, str], ask: StoreCalls
) -> Response:
    """Answer with a whole file, read by `ask`; closes the blob in any case."""
    told = {**headers, "Content-Length": str(blob.size)}
    if request.method == "HEAD":
        blob.close()
        return Response(headers=told)
    return StreamingResponse(_pieces(blob, 0, blob.size, ask), headers=told)


async def _pieces(blob: Blob, first: int, length: int, ask: StoreCalls) -> AsyncIterator[bytes]:
    with blob:
        for offset in range(first, first + length, _PIECE_BYTES):
            size = min(_PIECE_BYTES, first + length - offset)
            yield await ask(blob.read, offset, size)


def _validators(facts: Facts) -> dict[str, str]:
    return {
        "ETag": f'"{facts.tag}"',
        "Last-Modified": format_datetime(facts.changed_at, usegmt=True),
    }


def _asked_range(request: Request, facts: Facts, size: int) -> tuple[int, int]:
    """Return the first byte and how many; what is no single range is as if not asked for."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    condition = request.headers.get("if-range")
    if found is None or not any(found.groups()) or condition not in {None, f'"{facts.tag}"'}:
        return 0, size
    begin, end = found.groups()
    if not begin:  # the last so many
        length = min(int(end), size)
        first = size - length
    else:
        first = int(begin)
        length = min(int(end) if end else size - 1, size - 1) - first + 1
        if end and int(end) < int(begin):
            return 0, size
    if length <= 0 or first >= size:
        raise ApiError(
            416,
            "invalid_request",
            "The file has no such range",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, length


def _time(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else None
