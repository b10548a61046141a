"""What is said of an image that a request brings: who sends it, and what is to be done with it.

Owns which of query, form and document counts. The image itself is `depot.py`'s matter.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pixmill.fetch.url import without_password
from pixmill.web import asked
from pixmill.web.depot import UPLOADED, Sender
from pixmill.web.errors import invalid_request
from pixmill.web.multipart import LINES_FIELD
from pixmill.web.services import check_scope
from pixmill.web.submission import read_chain
from pixmill.web.webhooks import webhook_asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from pixmill.fetch.poster import Poster
    from pixmill.imaging.operations import Chain
    from pixmill.web.uploads import Upload

_WISH = ("url", "source", "reference", "webhook")
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Accompaniment:
    """What is said of an image: in the query first, else in what it comes with."""

    def __init__(
        self,
        request: Request,
        poster: Poster,
        source: str | None,
        reference: str | None,
        webhook: str | None,
    ) -> None:
        self._request = request
        self._poster = poster
        self._source, self._reference = source, reference
        self.who = sender(source, reference, "")
        self.webhook = webhook_asked(poster, webhook)
        self.chain: Chain = ()

    def order(self, lines: str | list[str]) -> None:
        """Take operations, unless some were taken before. Raises ApiError 400, 403."""
        if lines and not self.chain:
            check_scope(self._request, "jobs")
            self.chain = read_chain(lines)

    def of_upload(self, upload: Upload) -> Sender:
        """Read the fields of a form. Raises ApiError."""
        self.order(upload.fields.get(LINES_FIELD, ""))
        who = self.sent(upload.fields, UPLOADED)
        self._check_webhook()
        return who

    def of_document(self, body: bytes) -> tuple[str, Sender]:
        """Read a JSON object with the image's URL. Raises ApiError."""
        try:
            wish = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise invalid_request("The body is no JSON") from error
        if not isinstance(wish, dict) or not all(
            isinstance(wish.get(name, ""), str) for name in _WISH
        ):
            raise invalid_request(f"The body is a JSON object of texts: {', '.join(_WISH)}")
        mistakes = asked.Mistakes()
        asked.check_url(wish.get("url"), mistakes)
        mistakes.check()
        lines = wish.get("operations", [])
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise invalid_request("The operations are a list of texts")
        self.order(lines)
        url = str(wish["url"])
        who = self.sent(wish, without_password(url))
        self._check_webhook()
        return url, who

    def _check_webhook(self) -> None:
        """Refuse a webhook that would never be told of anything. Raises ApiError 400."""
        if self.webhook and not self.chain:
            raise invalid_request("A webhook is told of the end of operations: name some, too")

    def sent(self, told: Mapping[str, str], otherwise: str) -> Sender:
        """Read who sends it, and who is told of the job's end. Raises ApiError 400."""
        self.webhook = self.webhook or webhook_asked(self._poster, told.get("webhook"))
        source = self._source or told.get("source")
        reference = self._reference or told.get("reference")
        self.who = sender(source, reference, "")
        return sender(source, reference, otherwise)


def media_type_of(request: Request) -> str:
    """Return the media type of the body without its parameters, empty where none is told."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def sender(source: str | None, reference: str | None, otherwise: str) -> Sender:
    """Read who sends something, and their own word for it. Raises ApiError 400."""
    mistakes = asked.Mistakes()
    for name, word in (("source", source), ("reference", reference)):
        if word and not _WORD.fullmatch(word):
            mistakes.add(
                f"Invalid {name}: letters, digits, dots, dashes and _, no leading dot, at most 100"
            )
    mistakes.check()
    return Sender(source or otherwise, reference or "")
