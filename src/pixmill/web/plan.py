"""How the service shares out its cap on memory, and what of it lists of URLs may take.

A list works over the service's pool, so it adds to its process only the rows and bodies that wait.
These take what a command leaves to its rows, of which the service itself has none.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from pixmill.batch.memory import PARQUET_BYTES, MemoryPlan, most_workers, plan_memory
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from pixmill.settings import Settings

# What this process needs besides the parent of a batch: the framework, the catalog, palettes.
SERVICE_BYTES = 96 * 2**20
# Parquet is written only where so much is left to decode one picture: some 85 megapixels.
_DECODE_BYTES = 256 * 2**20


class ServicePlan(NamedTuple):
    """How many workers there are, what they share, and whether tables may be Parquet."""

    workers: int
    memory: MemoryPlan
    writes_parquet: bool


def plan_service(settings: Settings) -> ServicePlan:
    """Share out `memory`. Raises UsageError where so many workers do not fit."""
    reserved = SERVICE_BYTES + settings.answers_bytes
    workers = settings.workers
    if "workers" not in settings.model_fields_set:
        workers = min(workers, most_workers(settings.memory, reserved))
    with_parquet = _with_parquet(settings, workers, reserved)
    memory = with_parquet or plan_memory(settings.memory, workers, reserved)
    return ServicePlan(workers, memory, writes_parquet=with_parquet is not None)


def _with_parquet(settings: Settings, workers: int, reserved: int) -> MemoryPlan | None:
    if not settings.jobs or find_spec("pyarrow") is None:
        return None
    try:
        plan = plan_memory(settings.memory, workers, reserved + PARQUET_BYTES)
    except UsageError:
        return None
    return plan if plan.decode >= _DECODE_BYTES else None
