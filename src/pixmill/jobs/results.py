"""Where results lie: `results/YYYY-MM-DD/SOURCE/REFERENCE-JOB.EXT`, found by people as well.

The name follows from the job alone, so whoever runs a job once more writes the same blob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.store.jobs import Job

FOLDER = "results"
_UNKNOWN = "unknown"


def result_name(job: Job, ending: str) -> str:
    """Name the blob of a job's result; the day is that of the job's making, in UTC."""
    source = job.spec.get("source") or _UNKNOWN
    reference = job.spec.get("reference") or _UNKNOWN
    return f"{FOLDER}/{job.created_at:%Y-%m-%d}/{source}/{reference}-{job.id}.{ending}"
