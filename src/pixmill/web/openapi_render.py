"""What the document at `/openapi.json` says of pictures at once: their parameters."""

from __future__ import annotations

from typing import Any

from pixmill.imaging.operations import OPERATIONS
from pixmill.imaging.operations.registry import FORMATS
from pixmill.imaging.operations.text import MAX_STEPS, PRESET
from pixmill.web.wish import AUTO


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


FORMAT = {"type": "string", "enum": [AUTO, *FORMATS]}
_NAMES = "|".join((*OPERATIONS, PRESET))
_LINE = {"type": "string", "maxLength": 200, "pattern": f"^({_NAMES})( .*)?$"}
_EXAMPLES = "; ".join(operation.example for operation in OPERATIONS.values())
_WISH = [
    _parameter(
        "op",
        {"type": "array", "items": _LINE, "maxItems": MAX_STEPS},
        f"an operation, any number of times, in order; as {_EXAMPLES}",
    ),
    _parameter(
        "format",
        FORMAT,
        "format of the picture; auto: the best that the Accept header names. By default as the "
        "operations say, else the source's",
    ),
    _parameter(
        "quality",
        {"type": "integer", "minimum": 1, "maximum": 100},
        "of the format, where it loses something",
    ),
]
_URL = {
    "name": "url",
    "in": "query",
    "required": True,
    "schema": {"type": "string"},
    "description": "http or https URL of an image",
}
WISH: dict[str, Any] = {"parameters": _WISH}
OF_URL: dict[str, Any] = {"parameters": [_URL, *_WISH]}
