"""A list of URLs as a request brings it: which form it has, what is asked of it, and its bytes.

Owns the options' spellings and ranges, the bound on lists within JSON, and the file that a list
streams into. What becomes of it is the routes' and `jobs`' matter.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from pixmill.analysis import Alpha
from pixmill.batch.source import open_source
from pixmill.color.difference import METRICS
from pixmill.errors import InputError, OutputError, UsageError
from pixmill.jobs.list_orders import KINDS, MEDIA_TYPES, NAMES, OPTIONS, ListOptions
from pixmill.record import Summarizer
from pixmill.web.arrival import media_type_of
from pixmill.web.asked import Mistakes, number_of_colors, tolerance_of
from pixmill.web.errors import invalid_request, overloaded, too_many_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from starlette.requests import Request

JSON_BYTES = 1 << 20
JSON_TYPE = "application/json"
# Of a list that is the body itself: by its Content-Type, the ending that tells the reader.
ENDINGS: Mapping[str, str] = {
    "": "txt",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
}
_TEXTS = ("kind", "source", "reference", "webhook", *NAMES)
_MOST_COMING = 8
_RETRY_AFTER_S = 10
_FLAGS = {"--url-column": "url_column", "--keep-columns": "keep_columns"}


class Wish(NamedTuple):
    """What is asked of a list: values as texts, and the URLs where they stand among them."""

    texts: Mapping[str, str]
    urls: list[str] | None = None


def form_of(request: Request) -> str:
    """Tell the ending of the list's form, `json` for a document. Raises ApiError 415."""
    kind = media_type_of(request)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise invalid_request("Please send the list without a Content-Encoding", status=415)
    if kind == JSON_TYPE:
        return "json"
    if kind not in ENDINGS:
        known = ", ".join([JSON_TYPE, *filter(None, ENDINGS)])
        raise invalid_request(f"Please send the list as one of {known}", status=415)
    return ENDINGS[kind]


async def wish_of(request: Request, form: str) -> Wish:
    """Read what is asked: of the query, and of a document, which counts where both say it."""
    texts = {name: value for name, value in request.query_params.items() if name in _TEXTS}
    if form != "json":
        return Wish(texts)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > JSON_BYTES:
            raise too_many_bytes(JSON_BYTES, "A list within JSON, unlike one that is the body,")
    told = await asyncio.to_thread(_document, bytes(body))
    return Wish({**texts, **told.texts}, told.urls)


def _document(body: bytes) -> Wish:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid_request("The body is no JSON") from error
    if not isinstance(told, dict) or not isinstance(told.get("urls"), list):
        raise invalid_request('The body is a JSON object with a list "urls"')
    urls = told["urls"]
    if not all(map(_is_line, urls)):
        raise invalid_request("Each of urls is a text of one line that is not empty")
    mistakes = Mistakes()
    texts = {name: _text(name, told[name], mistakes) for name in _TEXTS if name in told}
    mistakes.check()
    return Wish(texts, urls)


def _is_line(url: object) -> bool:
    if not isinstance(url, str) or not url.strip() or "\n" in url:
        return False
    return not _has_surrogates(url)


def _text(name: str, value: object, mistakes: Mistakes) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and name == "keep_columns" and all(map(_is_line, value)):
        return ",".join(value)
    if not isinstance(value, str | int | float) or _has_surrogates(str(value)):
        mistakes.add(f"Invalid {name}")
        return ""
    return str(value)


def _has_surrogates(text: str) -> bool:
    """Tell whether a text has no form in UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def kind_of(wish: Wish) -> str:
    """Read the kind. Raises ApiError 400."""
    kind = wish.texts.get("kind", "")
    if kind not in KINDS:
        raise invalid_request(f"Please specify a kind: one of {', '.join(KINDS)}")
    return kind


def options_of(kind: str, wish: Wish) -> ListOptions:
    """Read the options of a kind. Raises ApiError 400 with all that is wrong."""
    mistakes = Mistakes()
    given = {name: text for name, text in wish.texts.items() if text and name in NAMES}
    for name in sorted(given.keys() - OPTIONS[kind]):
        mistakes.add(f"Jobs of the kind {kind} have no {name}")
    reader = _Reader(given, mistakes)
    columns = [name.strip() for name in given.get("keep_columns", "").split(",")]
    options = ListOptions(
        format=reader.one_of("format", tuple(MEDIA_TYPES)),
        header=reader.flag("header"),
        url_column=given.get("url_column"),
        keep_columns=tuple(filter(None, columns)),
        n=number_of_colors(given.get("n"), ListOptions().n, mistakes),
        counts=reader.flag("counts"),
        alpha=reader.one_of("alpha", get_args(Alpha), "visible"),
        palette=given.get("palette", ListOptions().palette),
        space=reader.one_of("space", tuple(METRICS)),
        summarizer=reader.one_of("summarizer", get_args(Summarizer)),
        max_distance=tolerance_of(given.get("max_distance"), mistakes),
    )
    mistakes.check()
    return options


class _Reader:
    """Reads values that are one of few."""

    def __init__(self, given: Mapping[str, str], mistakes: Mistakes) -> None:
        self._given = given
        self._mistakes = mistakes

    def one_of(self, name: str, known: tuple[str, ...], default: str | None = None) -> Any:
        text = self._given.get(name, default or known[0])
        if text not in known:
            self._mistakes.add(f"Invalid {name}: it is one of {', '.join(known)}")
        return text

    def flag(self, name: str) -> bool:
        return cast("bool", self.one_of(name, ("false", "true")) == "true")


class Incoming:
    """Lists of at most `max_bytes` on their way into files of a folder; for one event loop."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._folder = folder
        self._coming = 0

    @contextmanager
    def place(self, form: str) -> Iterator[Path]:
        """Give the path of a file to be, which is gone at the end; ApiError 503 beyond a few."""
        if self._coming >= _MOST_COMING:
            raise overloaded("Too many lists come in at once", retry_after_s=_RETRY_AFTER_S)
        path = self._folder / f"{secrets.token_hex(8)}.list.{form}"
        self._coming += 1
        try:
            yield path
        finally:
            self._coming -= 1
            path.unlink(missing_ok=True)


async def receive(request: Request, wish: Wish, path: Path) -> str:
    """Write the list into a file and give its SHA-256. Raises OutputError."""
    digest = hashlib.sha256()
    try:
        with path.open("wb") as file:
            if wish.urls is not None:
                data = "".join(f"{url}\n" for url in wish.urls).encode()
                digest.update(data)
                await asyncio.to_thread(file.write, data)
            else:
                async for piece in request.stream():
                    digest.update(piece)
                    await asyncio.to_thread(file.write, piece)
    except OSError as error:
        raise OutputError(f"a list can not be written: {error.strerror}") from error
    return digest.hexdigest()


def check_list(path: Path, options: ListOptions) -> None:
    """Raise ApiError 400 where a file is no list, or an empty one."""
    try:
        first = next(open_source([path], options.source()).items(), None)
    except (InputError, UsageError) as error:
        sentence = str(error).replace(str(path), "the list")
        for flag, name in _FLAGS.items():
            sentence = sentence.replace(flag, name)
        raise invalid_request(f"{sentence[:1].upper()}{sentence[1:]}") from error
    if first is None:
        raise invalid_request("The list has no URL")
