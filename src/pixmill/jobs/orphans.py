"""What jobs and the blob store do not tell alike: files of no job, and jobs without their results.

A kill leaves the first, between the end of a job and the deletion of what it had and made, or
between a list and its job; the second takes a lost disk, or a catalog and a folder that were not
restored together. Others may go on meanwhile; of the jobs only the names of lists are held.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pixmill.jobs.list_files import FOLDER as LISTS
from pixmill.jobs.list_files import drop_work_folder, work_folders
from pixmill.jobs.results import FOLDER
from pixmill.jobs.shard_files import PARTS, SHARDS, left_folders
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
_LIST = re.compile(rf"{LISTS}/[0-9a-f]{{64}}-[0-9a-f]{{32}}\.[a-z]+")
_SHARD = re.compile(rf"(?:{SHARDS}|{PARTS})/([0-9a-f]{{32}})/[^/]+")
_NEEDS_NO_FILES = frozenset({"canceled", "expired"})
_AT_ONCE = 100

Kind = Literal[
    "result without job",
    "job without result",
    "list without job",
    "folder without job",
    "shard without job",
    "unfinished folder",
]


class Lost(NamedTuple):
    """One of them: the name of the blob or the path of the folder, and the id of the job."""

    kind: Kind
    name: str
    job: str = ""


def find_lost(jobs: Jobs, results: BlobStore, before: datetime) -> Iterator[Lost]:
    """Find files from before a time that are of no job, and jobs whose results are gone.

    A query a file, and a look for a file a job. Raises OutputError.
    """
    for info in results.all(FOLDER):
        found = _RESULT.fullmatch(info.name)
        if found and info.written_at < before and not _is_of_a_job(jobs, found[1], info.name):
            yield Lost("result without job", info.name, found[1])
    for job in _all(jobs):
        name = _result_of(job)
        if name and not _stands(results, name) and _is_of_a_job(jobs, job.id, name):
            yield Lost("job without result", name, job.id)
    lists = [info.name for info in results.all(LISTS) if info.written_at < before]
    needed = _needed_lists(jobs)  # after the lists, since a list comes before its job
    for name in lists:
        if _LIST.fullmatch(name) and name not in needed:
            yield Lost("list without job", name)
    for id_, path in work_folders(results, before):
        if not _needs_files(jobs.find(id_)):
            yield Lost("folder without job", str(path), id_)
    yield from _lost_shards(jobs, results, before)
    for path in left_folders(results, before):
        yield Lost("unfinished folder", str(path))


def _lost_shards(jobs: Jobs, results: BlobStore, before: datetime) -> Iterator[Lost]:
    """Find what lists were cut into and became, of jobs that are over."""
    needed: tuple[str, bool] | None = None  # of the last job, whose files follow each other
    for folder in (SHARDS, PARTS):
        for info in results.all(folder):
            found = _SHARD.fullmatch(info.name)
            if found is None or info.written_at >= before:
                continue
            if needed is None or needed[0] != found[1]:
                needed = (found[1], _needs_files(jobs.find(found[1])))
            if not needed[1]:
                yield Lost("shard without job", info.name, found[1])


def drop(jobs: Jobs, results: BlobStore, lost: Lost) -> None:
    """Delete what is of no job, unless it has become one's meanwhile. Raises OutputError."""
    match lost.kind:
        case "result without job":
            if not _is_of_a_job(jobs, lost.job, lost.name):
                results.delete(lost.name)
        case "list without job":
            if lost.name not in _needed_lists(jobs):
                results.delete(lost.name)
        case "shard without job":
            if not _needs_files(jobs.find(lost.job)):
                results.delete(lost.name)
        case "unfinished folder":
            drop_work_folder(Path(lost.name))
        case "folder without job":
            if not _needs_files(jobs.find(lost.job)):
                drop_work_folder(Path(lost.name))


def _needed_lists(jobs: Jobs) -> set[str]:
    """Name the lists of all jobs that read theirs, or may be asked to read it again."""
    return {job.spec["list"] for job in _all(jobs) if "list" in job.spec and _needs_files(job)}


def _needs_files(job: Job | None) -> bool:
    return job is not None and job.state not in _NEEDS_NO_FILES


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
