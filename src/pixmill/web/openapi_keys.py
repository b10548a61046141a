"""What the document at `/openapi.json` says of keys: their schemas, and the body of a new one."""

from __future__ import annotations

from typing import Any

from pixmill.store import DEFAULT_SCOPES, SCOPES

_MOMENT = {"type": "string", "format": "date-time"}
_SCOPES = {"type": "array", "items": {"type": "string", "enum": list(SCOPES)}, "minItems": 1}
_KEY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "prefix": {"type": "string", "pattern": "^pm_[a-z0-9]{8}$"},
        "scopes": _SCOPES,
        "created_at": _MOMENT,
        "revoked_at": {**_MOMENT, "type": ["string", "null"]},
    },
    "required": ["name", "prefix", "scopes", "created_at", "revoked_at"],
}
_MADE_KEY: dict[str, Any] = {
    "type": "object",
    "properties": {**_KEY["properties"], "key": {"type": "string"}},
    "required": [*_KEY["required"], "key"],
}
KEY = {"$ref": "#/components/schemas/Key"}
MADE_KEY = {"$ref": "#/components/schemas/MadeKey"}
KEYS = {"$ref": "#/components/schemas/Keys"}
SCHEMAS = {
    "Key": _KEY,
    "Keys": {
        "type": "object",
        "properties": {"keys": {"type": "array", "items": KEY}},
        "required": ["keys"],
    },
    "MadeKey": _MADE_KEY,
}
KEY_TO_MAKE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$"},
                        "scopes": {**_SCOPES, "default": list(DEFAULT_SCOPES)},
                    },
                    "required": ["name"],
                }
            }
        },
    }
}
