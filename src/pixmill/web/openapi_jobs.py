"""What the document at `/openapi.json` says of jobs: their schemas, bodies and events."""

from __future__ import annotations

from typing import Any, get_args

from pixmill.analysis import Alpha
from pixmill.color.difference import METRICS
from pixmill.jobs.list_orders import KINDS, MEDIA_TYPES
from pixmill.record import Summarizer
from pixmill.store.jobs import STATES, WEBHOOK_STATES
from pixmill.web.list_requests import ENDINGS
from pixmill.web.openapi_cluster import SHARDS
from pixmill.web.openapi_images import IDEMPOTENCY, WEBHOOK, WORD

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_OR_NOTHING = {"type": ["string", "null"]}
_MOMENT = {"type": "string", "format": "date-time"}
_MOMENT_OR_NOTHING = {"type": ["string", "null"], "format": "date-time"}
# Empty is as if not given.


def _object(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **more}, "required": list(required)}


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_JOB = _object(
    {
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "kind": _TEXT,
        "state": {"type": "string", "enum": list(STATES)},
        "source": _OR_NOTHING,
        "reference": _OR_NOTHING,
        "progress": _object({"done": _COUNT, "failed": _COUNT, "total": _COUNT}),
        "result": _or_nothing(_object({"path": _TEXT, "bytes": _COUNT, "type": _TEXT})),
        "code": _OR_NOTHING,
        "message": _OR_NOTHING,
        "created_at": _MOMENT,
        "started_at": _MOMENT_OR_NOTHING,
        "finished_at": _MOMENT_OR_NOTHING,
        "attempts": _COUNT,
        "webhook": _or_nothing(
            _object(
                {
                    "url": _TEXT,
                    "state": {"type": "string", "enum": list(WEBHOOK_STATES)},
                    "attempts": _COUNT,
                }
            )
        ),
        "links": _object(
            {"self": _TEXT, "events": _TEXT, "result": _OR_NOTHING},
            image=_OR_NOTHING,
            errors=_OR_NOTHING,
        ),
    },
    md5=_OR_NOTHING,
    operations={"type": "array", "items": _TEXT},
    options={"type": "object"},
    shards=SHARDS,
)
_REF = {"$ref": "#/components/schemas/Job"}
_JOBS = _object({"jobs": {"type": "array", "items": _REF}, "next": _OR_NOTHING})
SCHEMAS = {"Job": _JOB, "Jobs": _JOBS}
JOB, JOBS = _REF, {"$ref": "#/components/schemas/Jobs"}

EVENTS: dict[int | str, Any] = {
    200: {
        "description": "Events named `job`, each with a job as its data",
        "content": {
            "text/event-stream": {
                "schema": _object({"id": _TEXT, "event": {"const": "job"}, "data": _TEXT})
            }
        },
    }
}
CHAIN_TO_DO: dict[str, Any] = {
    "parameters": [IDEMPOTENCY],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _object(
                    {"operations": {"type": "array", "items": _TEXT, "minItems": 1}},
                    source=WORD,
                    reference=WORD,
                    webhook=WEBHOOK,
                )
            },
            "text/plain": {"schema": {"type": "string", "minLength": 1}},
        },
    },
}

_COLUMNS = {"type": "string", "description": "names of columns, comma separated"}
LIST_OPTIONS: dict[str, Any] = {
    "kind": {"type": "string", "enum": list(KINDS)},
    "format": {"type": "string", "enum": list(MEDIA_TYPES), "default": "csv"},
    "header": {"type": "boolean", "default": False},
    "url_column": _TEXT,
    "keep_columns": _COLUMNS,
    "n": {"type": "integer", "minimum": 1, "maximum": 256, "default": 3},
    "counts": {"type": "boolean", "default": False},
    "alpha": {"type": "string", "enum": list(get_args(Alpha)), "default": "visible"},
    "palette": {"type": "string", "default": "css"},
    "space": {"type": "string", "enum": list(METRICS), "default": "srgb"},
    "summarizer": {"type": "string", "enum": list(get_args(Summarizer)), "default": "kmeans"},
    "max_distance": {"type": "number", "minimum": 0},
    "source": WORD,
    "reference": WORD,
    "webhook": WEBHOOK,
}
_URLS = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
LIST_TO_DO: dict[str, Any] = {
    "parameters": [IDEMPOTENCY],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _object({"urls": _URLS}, **LIST_OPTIONS)},
            **{name: {"schema": {"type": "string", "minLength": 1}} for name in ENDINGS if name},
        },
    },
}


def _files(*media_types: str) -> dict[int | str, Any]:
    """Describe a job's file as a whole, a part of it, or that the client has it."""
    content = {name: {"schema": {"type": "string", "format": "binary"}} for name in media_types}
    return {
        200: {"description": "The file", "content": content},
        206: {"description": "The part asked for", "content": content},
        304: {"description": "The client has the very file"},
    }


RESULT = _files("image/*", *MEDIA_TYPES.values())
ERRORS = _files(MEDIA_TYPES["csv"])
