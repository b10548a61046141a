"""What the document at `/openapi.json` says of jobs: their schemas, bodies and events."""

from __future__ import annotations

from typing import Any

from pixmill.store.jobs import STATES, WEBHOOK_STATES
from pixmill.web.openapi_images import WORD

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_OR_NOTHING = {"type": ["string", "null"]}
_MOMENT = {"type": "string", "format": "date-time"}
_MOMENT_OR_NOTHING = {"type": ["string", "null"], "format": "date-time"}
# Empty is as if not given.
WEBHOOK = {"type": "string", "pattern": "^([Hh][Tt][Tt][Pp][Ss]?://.*)?$", "maxLength": 2048}


def _object(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **more}, "required": list(required)}


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_JOB = _object(
    {
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "kind": _TEXT,
        "state": {"type": "string", "enum": list(STATES)},
        "md5": _OR_NOTHING,
        "operations": {"type": "array", "items": _TEXT},
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
            {"self": _TEXT, "events": _TEXT, "result": _OR_NOTHING, "image": _OR_NOTHING}
        ),
    }
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
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "the same request with it again is the same job",
            "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        }
    ],
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
