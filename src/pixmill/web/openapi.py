"""The document at `/openapi.json`: what FastAPI can not read from the routes themselves.

Owns the schemas of answers, which are made by hand because answers are not models, and the ways to
sign in. A test holds real answers against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from fastapi.openapi.utils import get_openapi

from pixmill import __version__
from pixmill.analysis import Alpha
from pixmill.color.difference import METRICS
from pixmill.color.palette import MAX_ENTRIES, MAX_NAME_CHARS
from pixmill.color.palette_files import FORMATS
from pixmill.record import Summarizer
from pixmill.web.openapi_cluster import SCHEMAS as CLUSTER_SCHEMAS
from pixmill.web.openapi_images import SCHEMAS as IMAGE_SCHEMAS
from pixmill.web.openapi_images import WORD
from pixmill.web.openapi_jobs import LIST_OPTIONS
from pixmill.web.openapi_jobs import SCHEMAS as JOB_SCHEMAS
from pixmill.web.openapi_keys import SCHEMAS as KEY_SCHEMAS
from pixmill.web.openapi_render import FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI
    from starlette.routing import BaseRoute

_ABOUT = (
    "Exact colors, clusters and nearest palette colors of images. One credential, the key: as "
    "HTTP Basic `name:key`, as Bearer, or by signing in at `/sign-in`."
)
_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
_SENTENCES = {
    400: "The request, or the image it names, can not be used; `code` tells why",
    401: "No valid credential",
    403: "The key's scopes do not suffice",
    404: "Nothing there, or no color within the tolerance",
    408: "The request came too slowly",
    409: "What stands there does not allow it",
    412: "What stands there is not what was expected",
    413: "The request is too large",
    415: "Not a form of upload that is read",
    416: "The file has no such range",
    429: "Too many requests; Retry-After tells when to come back",
    503: "Too much is going on; Retry-After tells when to come back",
}


def _object(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **more},
        "required": list(required),
    }


def _schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_HEX = {"type": "string", "pattern": "^#[0-9A-F]{6}$"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_NUMBER = {"type": "number", "minimum": 0}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_OR_NULL = {"type": "null"}
_CLUSTER = _object({"hex": _HEX, "share": _SHARE})
_CLUSTERS = {"type": "array", "items": _schema("Cluster")}
_IMAGE = _object(
    {"width": _COUNT, "height": _COUNT, "format": _TEXT, "bytes": _COUNT, "md5": _TEXT}
)
_NEIGHBOR = _object(
    {
        "name": _TEXT,
        "hex": _HEX,
        "id": {"type": ["string", "null"]},
        "synonyms": {"type": "array", "items": _TEXT},
        "distance": _NUMBER,
    }
)
_FOUND = _object(
    {
        "found": {"type": "boolean"},
        "color": {"anyOf": [_schema("Cluster"), _OR_NULL]},
        "summarizer": _TEXT,
        "palette": _TEXT,
        "metric": _TEXT,
        "max_distance": _NUMBER,
        "nearest": {"anyOf": [_schema("Neighbor"), _OR_NULL]},
        "runner_up": {"anyOf": [_schema("Neighbor"), _OR_NULL]},
        "margin": {"type": ["number", "null"]},
    }
)

_MATCHED = _object(
    {
        "colour": _TEXT,
        "distance": _NUMBER,
        "match": _schema("Match"),
        "clusters": _CLUSTERS,
        "image": _schema("Image"),
    }
)
_TOP = _object(
    {
        "colors": {
            "type": "array",
            "items": _object({"hex": _HEX, "count": _COUNT, "share": _SHARE}),
        },
        "pixels": _COUNT,
        "image": _schema("Image"),
    }
)
_DOMINANT = _object({"colors": _CLUSTERS, "image": _schema("Image")})
_PALETTE_INFO = _object(
    {"name": _TEXT, "entries": _COUNT, "built_in": {"type": "boolean"}},
    revision=_COUNT,
    changed_at=_TEXT,
)
_PALETTES = _object({"palettes": {"type": "array", "items": _schema("PaletteInfo")}})
# One line of text, as `color.palette` checks it.
_LINE = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_NAME_CHARS,
    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$",
}
_PALETTE = _object(
    {
        "name": _LINE,
        "colors": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_ENTRIES,
            "items": _object(
                {"name": _LINE, "hex": _HEX}, id=_LINE, synonyms={"type": "array", "items": _LINE}
            ),
        },
    }
)
_STATE = _object({"status": _TEXT}, missing={"type": "array", "items": _TEXT})
_FAILURE = _object(
    {"errors": {"type": "array", "items": _TEXT, "minItems": 1}, "code": _TEXT},
    match=_schema("Match"),
    clusters=_CLUSTERS,
    missing={"type": "array", "items": _TEXT},
)
_SCHEMAS = {
    "Cluster": _CLUSTER,
    "Dominant": _DOMINANT,
    "Failure": _FAILURE,
    "Image": _IMAGE,
    "Match": _FOUND,
    "Matched": _MATCHED,
    "Neighbor": _NEIGHBOR,
    "Palette": _PALETTE,
    "PaletteInfo": _PALETTE_INFO,
    "Palettes": _PALETTES,
    "State": _STATE,
    "Top": _TOP,
}
MATCH, TOP, DOMINANT = _schema("Matched"), _schema("Top"), _schema("Dominant")
PALETTE, PALETTE_INFO, PALETTES = _schema("Palette"), _schema("PaletteInfo"), _schema("Palettes")
STATE = _schema("State")

_SPACE = {"type": "string", "enum": list(METRICS), "default": "srgb"}
_SUMMARIZER = {"type": "string", "enum": list(get_args(Summarizer)), "default": "kmeans"}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "url": {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"},
    "colour_space": _SPACE,
    "color_space": _SPACE,
    "summariser": _SUMMARIZER,
    "summarizer": _SUMMARIZER,
    "max_distance": _NUMBER,
    "palette": {"type": "string", "default": "css"},
    "n": {"type": "integer", "minimum": 1, "maximum": 256},
    "alpha": {"type": "string", "enum": list(get_args(Alpha)), "default": "visible"},
    "format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    "cursor": {"type": "string", "pattern": "^[0-9]{1,12}-[0-9a-f]{32}$"},
    "minutes": {"type": "integer", "minimum": 1, "maximum": 10_080, "default": 60},
    "from": {"type": "string", "format": "date-time"},
    "source": WORD,
    "reference": WORD,
}

# Where a name has another meaning.
_PARAMETERS_OF = {
    **{("/jobs", name): schema for name, schema in LIST_OPTIONS.items()},
    ("/images/{md5}/render", "format"): FORMAT,
    ("/render", "format"): FORMAT,
    ("/jobs", "cursor"): {"type": "string", "pattern": "^[0-9]{1,15}$"},
}
_OTHER_SPELLINGS = {"color_space", "summarizer"}

UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": _object({"image": {"type": "string", "format": "binary"}})
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def answers(
    schema: dict[str, Any] | None, *failures: int, status: int = 200
) -> dict[int | str, Any]:
    """Describe a route's answers: JSON of a schema (None: no body), and failures by status."""
    content = {"content": {"application/json": {"schema": schema}}} if schema else {}
    described: dict[int | str, Any] = {status: {"description": "Success", **content}}
    for code in failures:
        described[code] = {
            "description": _SENTENCES[code],
            "content": {"application/json": {"schema": _schema("Failure")}},
        }
        if code in _HEADERS:
            described[code]["headers"] = {_HEADERS[code]: {"required": True, "schema": _TEXT}}
    return described


def _describe_parameter(path: str, parameter: dict[str, Any]) -> None:
    """Say what a parameter may be: FastAPI knows only that it is read as text."""
    name = parameter["name"]
    schema = _PARAMETERS_OF.get((path, name)) or _PARAMETERS.get(name)
    if parameter["in"] == "query" and schema is not None:
        parameter["schema"] = schema
        parameter["required"] = parameter["name"] == "url"
        if not parameter["required"]:
            # Forms send what nobody filled in; it is as if not given.
            parameter["allowEmptyValue"] = True
        if parameter["name"] in _OTHER_SPELLINGS:
            parameter["deprecated"] = True


def describe(app: FastAPI, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Make the document, once, with the routes in this order."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title="pixmill", version=__version__, description=_ABOUT, routes=routes)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            # Parameters are read as text, so what FastAPI would refuse never comes to that.
            operation["responses"].pop("422", None)
            for parameter in operation.get("parameters", ()):
                _describe_parameter(path, parameter)
    components = document.setdefault("components", {})
    schemas = (_SCHEMAS, CLUSTER_SCHEMAS, IMAGE_SCHEMAS, JOB_SCHEMAS, KEY_SCHEMAS)
    components["schemas"] = {name: schema for part in schemas for name, schema in part.items()}
    components["securitySchemes"] = {
        "basic": {"type": "http", "scheme": "basic", "description": "`name:key`"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "the key"},
    }
    document["security"] = [{"basic": []}, {"bearer": []}]
    app.openapi_schema = document
    return document
