"""What jobs and the folder of results do not tell alike: results of no job, jobs without theirs.

A kill leaves the first, between the end of a job and the deletion of its result; the second takes a
lost disk, or a catalog and a folder that were not restored together. Each is looked at by itself,
so memory stays bounded, and others may go on meanwhile.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from pixmill.jobs.results import FOLDER
from pixmill.store.jobs import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pixmill.store.blobs import BlobStore
    from pixmill.store.jobs import Job, Jobs

_WORD = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}"
_RESULT = re.compile(
    rf"{FOLDER}/[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}/{_WORD}/{_WORD}-([0-9a-f]{{32}})(?:-errors)?\.[a-z0-9]{{1,10}}"
)
_AT_ONCE = 100


class LostResult(NamedTuple):
    """One of them: the name of the blob, and the id of the job."""

    kind: Literal["result without job", "job without result"]
    name: str
    job: str


def find_lost_results(jobs: Jobs, results: BlobStore, before: datetime) -> Iterator[LostResult]:
    """Find results from before a time that are of no job, and jobs whose results are gone.

    A query a file, and a look for a file a job. Raises OutputError.
    """
    for info in results.all(FOLDER):
        found = _RESULT.fullmatch(info.name)
        if found and info.written_at < before and not _is_of_a_job(jobs, found[1], info.name):
            yield LostResult("result without job", info.name, found[1])
    for job in _all(jobs):
        name = _result_of(job)
        if name and not _stands(results, name) and _is_of_a_job(jobs, job.id, name):
            yield LostResult("job without result", name, job.id)


def drop_result(jobs: Jobs, results: BlobStore, lost: LostResult) -> None:
    """Delete a result that is of no job, unless it has become one's meanwhile."""
    if not _is_of_a_job(jobs, lost.job, lost.name):
        results.delete(lost.name)


def _is_of_a_job(jobs: Jobs, id_: str, name: str) -> bool:
    """Tell whether a job names a result, or may be writing it just now."""
    job = jobs.find(id_)
    if job is None or job.state not in FINISHED:
        return job is not None
    result = _result_of(job)
    # Beside the table of a list lies that of its errors.
    return result is not None and name in {result, f"{result.rpartition('.')[0]}-errors.csv"}


def _result_of(job: Job) -> str | None:
    """Return the name of the result that a job should have."""
    result = job.outcome.result
    return result.name if result and job.state != "expired" else None


def _all(jobs: Jobs) -> Iterator[Job]:
    behind = None
    while found := jobs.page(_AT_ONCE, behind=behind):
        yield from found
        behind = found[-1].place


def _stands(results: BlobStore, name: str) -> bool:
    blob = results.open(name)
    if blob is None:
        return False
    blob.close()
    return True
