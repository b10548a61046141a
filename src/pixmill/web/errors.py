"""What a request is refused with: one exception, and the one form in which all of them answer.

Owns `{"errors": […], "code": …}` and the refusals that do not depend on a route. Which of the
other rooms' errors becomes which status is said where routes call those rooms.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JSON_TYPE = "application/json"


class ApiError(Exception):
    """A request that is answered with an error.

    `status` is HTTP's, `code` the stable word for the cause, `errors` the sentences that the
    client is shown, `headers` what the answer carries besides, `more` further values of its body.
    The answer waits for `pause_s` seconds, when all that the request held has been given back.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *errors: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(*errors)
        self.status = status
        self.code = code
        self.errors: tuple[str, ...] = errors
        self.headers: Mapping[str, str] = headers or {}
        self.more: Mapping[str, Any] = more or {}
        self.pause_s = 0.0


def error_body(code: str, errors: Sequence[str], **more: Any) -> bytes:
    """Write the body of a failure: JSON in ASCII, so that no sentence can break a terminal."""
    return json.dumps({"errors": list(errors), "code": code, **more}).encode("ascii")


def error_response(error: ApiError) -> Response:
    """Answer with an error."""
    return Response(
        error_body(error.code, error.errors, **error.more),
        status_code=error.status,
        headers=dict(error.headers),
        media_type=JSON_TYPE,
    )


def invalid_request(sentence: str, *, status: int = 400) -> ApiError:
    """Refuse a request that is not as it must be."""
    return ApiError(status, "invalid_request", sentence)


def too_many_bytes(limit: int, what: str = "The request") -> ApiError:
    """Refuse a body, or a part of one, of more than `limit` bytes."""
    return ApiError(413, "too_many_bytes", f"{what} is larger than {limit} bytes")


def overloaded(sentence: str, *, retry_after_s: int) -> ApiError:
    """Refuse for now; the client may come back after `retry_after_s` seconds."""
    return ApiError(503, "overloaded", sentence, headers={"Retry-After": str(retry_after_s)})


def no_room(*, retry_after_s: int) -> ApiError:
    """Refuse for now what would need room on a disk that is full."""
    sentence = "The service has no room to store anything just now"
    return overloaded(sentence, retry_after_s=retry_after_s)


def too_many_requests(sentence: str, *, retry_after_s: int) -> ApiError:
    """Refuse who asks for more than is his share, or than there is room for."""
    headers = {"Retry-After": str(retry_after_s)}
    return ApiError(429, "too_many_requests", sentence, headers=headers)


def internal_error() -> ApiError:
    """Answer for a defect, whose text is for the log alone."""
    return ApiError(500, "internal", "Something went wrong here; it has been noted")
