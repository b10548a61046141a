"""What the document at `/openapi.json` says of a cluster: its workers, queues and shards."""

from __future__ import annotations

from typing import Any, get_args

from pixmill.store.jobs import STATES
from pixmill.store.shards import ShardState

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": "string", "format": "date-time"}
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


SHARDS = _object(**dict.fromkeys(get_args(ShardState), _COUNT))
_TASK = _object(job=_ID, kind=_TEXT, shard={"type": ["integer", "null"]}, since=_MOMENT)
_WORKER = _object(
    name=_TEXT,
    version=_TEXT,
    slots=_COUNT,
    started_at=_MOMENT,
    seen_at=_MOMENT,
    at_work=_list_of(_TASK),
)
_DEAD = _object(
    job=_ID,
    shard=_COUNT,
    first_line=_COUNT,
    last_line=_COUNT,
    attempts=_list_of(_object(worker=_TEXT, ended_at=_MOMENT, cause=_TEXT)),
)
_COMMAND = _object(
    id=_ID,
    state={"type": "string", "enum": list(STATES)},
    product=_TEXT,
    output=_TEXT,
    progress=_object(done=_COUNT, failed=_COUNT, total=_COUNT),
    message={"type": ["string", "null"]},
    created_at=_MOMENT,
    started_at={**_MOMENT, "type": ["string", "null"]},
)
_QUEUES = {"type": ["object", "null"], "additionalProperties": _COUNT}
SCHEMAS = {
    "ClusterState": _object(
        broker={"type": "boolean"},
        workers=_list_of(_WORKER),
        queues=_QUEUES,
        shards=SHARDS,
        dead=_list_of(_DEAD),
        commands=_list_of(_COMMAND),
    )
}
CLUSTER = {"$ref": "#/components/schemas/ClusterState"}
