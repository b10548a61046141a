"""What the document at `/openapi.json` says of the archive: its schemas, bodies and files."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_HEX = {"type": "string", "pattern": "^#[0-9A-F]{6}$"}
# Empty is as if not given: forms send what nobody filled in.
WORD = {"type": "string", "pattern": "^([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})?$"}
_MOMENT = {"type": "string", "format": "date-time"}
_OPERATIONS = {"type": "array", "items": {"type": "string"}}
_BYTES = {"type": "string", "format": "binary"}


def _object(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **more}, "required": list(required)}


_ARRIVAL = _object(
    {
        "arrived_at": _MOMENT,
        "source": _TEXT,
        "reference": _TEXT,
        "result": {"type": "string", "enum": ["success", "duplicate", "fail"]},
        "code": {"type": ["string", "null"]},
    }
)
_STORED = _object(
    {
        "md5": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "bytes": _COUNT,
        "format": _TEXT,
        "width": _COUNT,
        "height": _COUNT,
        "colors": {
            "type": "array",
            "items": _object({"hex": _HEX, "count": _COUNT, "share": {"type": "number"}}),
        },
        "color": {"type": ["string", "null"]},
        "inserted_at": _MOMENT,
        "arrived_at": _MOMENT,
        "links": _object(
            {"self": _TEXT, "grey": _TEXT, "original": {"type": ["string", "null"]}, "page": _TEXT}
        ),
    },
    arrival={"type": "string", "enum": ["success", "duplicate"]},
    arrivals={"type": "array", "items": {"$ref": "#/components/schemas/Arrival"}},
    job={"$ref": "#/components/schemas/Job"},
)
_IMAGES = _object(
    {
        "images": {"type": "array", "items": {"$ref": "#/components/schemas/StoredImage"}},
        "next": {"type": ["string", "null"]},
    }
)
_MINUTE = _object(
    {
        "interval": _MOMENT,
        "success": _COUNT,
        "fail": _COUNT,
        "duplicate": _COUNT,
        "codes": {"type": "object", "additionalProperties": _COUNT},
    }
)
SCHEMAS = {"Arrival": _ARRIVAL, "Images": _IMAGES, "Minute": _MINUTE, "StoredImage": _STORED}
STORED = {"$ref": "#/components/schemas/StoredImage"}
IMAGES = {"$ref": "#/components/schemas/Images"}
MINUTES = {"type": "array", "items": {"$ref": "#/components/schemas/Minute"}}

FILE: dict[int | str, Any] = {
    200: {"description": "The file", "content": {"image/*": {"schema": _BYTES}}},
    304: {"description": "The client has the very file"},
}
PARTS: dict[int | str, Any] = {
    **FILE,
    206: {"description": "The part asked for", "content": {"image/*": {"schema": _BYTES}}},
}
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same request with it again is the same job",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}
WEBHOOK = {"type": "string", "pattern": "^([Hh][Tt][Tt][Pp][Ss]?://.*)?$", "maxLength": 2048}
IMAGE_TO_KEEP: dict[str, Any] = {
    "parameters": [IDEMPOTENCY],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": _object(
                    {"image": _BYTES},
                    source=WORD,
                    reference=WORD,
                    operations=_OPERATIONS,
                    webhook=WEBHOOK,
                )
            },
            "application/octet-stream": {"schema": _BYTES},
            "application/json": {
                "schema": _object(
                    {"url": {"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}},
                    source=WORD,
                    reference=WORD,
                    operations=_OPERATIONS,
                    webhook=WEBHOOK,
                )
            },
        },
    },
}
