"""What schemathesis sends, made fit for a test: hooks that its command loads.

No URL leads anywhere but to the picture that `OPENAPI_PICTURE_URL` names. With `OPENAPI_SENSE`
requests also make sense as far as no schema can say it: bodies are pictures or palettes in the
format that is told, and palettes that are named exist.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import schemathesis

from pixmill.color.palette import Palette
from pixmill.color.palette_files import write_palette
from tests.pictures import plain

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response

PICTURE_URL = os.environ["OPENAPI_PICTURE_URL"]
SENSE = bool(os.environ.get("OPENAPI_SENSE"))
DOCUMENTS = {
    "application/json": "json",
    "text/csv": "csv",
    "text/plain": "gpl",
    "application/octet-stream": "ase",
}
LISTS: dict[str, Any] = {
    "application/json": {"urls": [PICTURE_URL], "kind": "colors"},
    "text/plain": PICTURE_URL,
    "text/csv": f"id,url\n1,{PICTURE_URL}\n",
    "text/tab-separated-values": f"id\turl\n1\t{PICTURE_URL}\n",
    "application/jsonl": f'{{"url": "{PICTURE_URL}"}}\n',
    "application/x-ndjson": f'{{"url": "{PICTURE_URL}"}}\n',
}


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    # A form that was altered is validated anew, and its file then taken for no text. Its webhook is
    # never called: there is no operation among what is made up.
    is_form = case.media_type == "multipart/form-data"
    for place in (case.query, None if is_form else case.body):
        for name in {"url", "webhook"} & set(place if isinstance(place, dict) else ()):
            place[name] = _harmless(place[name])
    if case.path == "/jobs" and isinstance(case.body, dict):
        case.body = {**case.body, "urls": _harmless(case.body.get("urls"))}
    elif case.path == "/jobs" and isinstance(case.body, str) and "://" in case.body:
        case.body = PICTURE_URL
    if case.path == "/keys" and isinstance(case.body, dict):
        _make_no_admin(case)
    if SENSE:
        _make_sense(case)


def _make_no_admin(case: Case) -> None:
    """The key that is asked with stays the last admin, so that nothing revokes it."""
    scopes = case.body.get("scopes")
    if isinstance(scopes, list):
        named = ["read" if scope == "admin" else scope for scope in scopes]
        case.body = {**case.body, "scopes": named}


def _harmless(url: object) -> object:
    if isinstance(url, list):
        return [_harmless(each) for each in url]
    leads_out = isinstance(url, str) and url.strip().lower().startswith(("http://", "https://"))
    return PICTURE_URL if leads_out else url


def _make_sense(case: Case) -> None:
    if case.path == "/jobs" and case.method == "POST":
        case.query = {"kind": "colors", "n": 2}
        case.body = LISTS[case.media_type]
    _make_query_sense(case)
    if case.method == "PUT":
        case.query.pop("format", None)
        if case.path_parameters["name"] == "css":
            case.path_parameters["name"] = "mine"
        if case.media_type != "application/json":
            case.body = write_palette(Palette.css(), DOCUMENTS[case.media_type])
    elif case.media_type == "multipart/form-data":
        words = {name: case.body[name] for name in ("source", "reference") if name in case.body}
        case.body = {"image": plain((1, 2, 3)), **words}
    elif case.path == "/images" and case.media_type == "application/json":
        case.body = {**case.body, "operations": ["flip"]}
    elif case.media_type == "application/octet-stream":
        case.body = plain((1, 2, 3))
    elif case.path.endswith("/operations"):
        case.body = {"operations": ["flip"]} if case.media_type == "application/json" else "flip"


def _make_query_sense(case: Case) -> None:
    if case.query.get("webhook"):
        case.query["webhook"] = PICTURE_URL
        if case.path == "/images":  # a webhook is told of the end of operations
            case.query["operations"] = ["flip"]
    for name in {"operations", "op"} & case.query.keys():
        case.query[name] = ["flip"]
    if case.query.get("palette"):
        case.query["palette"] = "css"


if SENSE:

    @schemathesis.check
    def what_makes_sense_is_accepted(context: CheckContext, response: Response, case: Case) -> None:
        # 404 is for names, and for colors too far from any; 405 for methods that are tried out.
        # 409 is for jobs in another state, or of which no shard is dead, for words that stand for
        # another request, and for keys whose name is taken.
        jobs = case.path.startswith(("/jobs", "/images")) or case.path.endswith("/operations")
        conflicts = {409} if jobs or case.path.startswith(("/cluster", "/keys")) else set()
        assert response.status_code in {200, 201, 202, 204, 404, 405} | conflicts, response.text
