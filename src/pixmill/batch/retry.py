"""Doing only the failed lines of a finished table again.

A job of its own over those lines, which writes a small table beside the finished one and resumes
like any other; its rows are then merged in, and the merged files take the place of the old ones.
Until then the finished table stands as it was.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from pixmill.batch.checkpoint import Checkpoint
from pixmill.batch.durable import OutputLock
from pixmill.batch.job import Report, checkpoint_path, publish, resumable, run_job
from pixmill.batch.sink import errors_path, open_table
from pixmill.batch.sink.merge import TableRows, merge
from pixmill.batch.sink.partial import claimed_paths
from pixmill.batch.sink.rows import ERRORS_HEADER
from pixmill.batch.source import OnlyLines
from pixmill.errors import ResumeRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pixmill.batch.job import Job, Watcher

_OURS = "errors file"  # the option that only the job over failed lines has


def retry_job(
    job: Job, watcher: Watcher, run: Callable[[Job, Watcher], Report] = run_job
) -> Report:
    """Fetch the failed lines of a finished output again and merge what became of them into it.

    `run` runs the job over these lines.
    Raises RunError as `run_job` does, and ResumeRefused where there is no finished output to mend.
    """
    path = checkpoint_path(job.output)
    with OutputLock(job.output):
        checkpoint = resumable(job, Checkpoint.load(path))
        if checkpoint is not None and checkpoint.state == "publishing":
            with closing(open_table(job.output, job.table, checkpoint.sink)) as sink:
                publish(job, checkpoint, sink)
        if checkpoint is None or checkpoint.state != "finished":
            raise ResumeRefused(f"{job.output} is not finished: run without --retry-failed first")
        if not checkpoint.failed:
            return Report(
                complete=True,
                ok=checkpoint.ok,
                missed=checkpoint.missed,
                failed={},
                did_nothing=True,
            )
        again = _again(job)
        report = run(again, watcher)
        if report.complete:
            _take_over(job, checkpoint, again, report)
        return replace(
            report,
            ok=checkpoint.ok,
            missed=checkpoint.missed,
            failed=checkpoint.failed,
            did_nothing=False,
        )


def _again(job: Job) -> Job:
    """Make the job over the failed lines; it resumes one of these lines that was interrupted."""
    errors = errors_path(job.output)
    try:
        with errors.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ResumeRefused(f"{errors} is needed and can not be read: {error.strerror}") from error
    output = job.output.with_name(f"{job.output.stem}.retry{job.output.suffix}")
    bearing = {**job.bearing, _OURS: digest}
    old = Checkpoint.load(checkpoint_path(output))
    if old is None or _OURS not in old.options:
        _refuse_others(output)
    return replace(
        job,
        source=OnlyLines(job.source, FailedLines(errors)),
        output=output,
        bearing=bearing,
        overwrite=old is not None and old.options != bearing,
    )


def _refuse_others(output: Path) -> None:
    """Leave alone what stands where the lines tried again would go, and is not of such a job."""
    for path in (*claimed_paths(output), checkpoint_path(output)):
        if path.exists():
            raise ResumeRefused(
                f"{path} stands where the lines tried again would be written; move it elsewhere"
            )


class FailedLines:
    """The line numbers of an errors file, in order, however long its rows are; read anew each time.

    Reading raises ResumeRefused for a file that was altered.
    """

    def __init__(self, errors: Path) -> None:
        self._errors = errors

    def __iter__(self) -> Iterator[int]:
        with TableRows(self._errors, header=ERRORS_HEADER, quoted=True) as rows:
            while row := rows.take(""):
                number = row.partition(",")[0]
                if not number.isdecimal():
                    raise ResumeRefused(
                        f"{self._errors} was altered: a row of it begins with {number:.40}, "
                        "no line number"
                    )
                yield int(number)


def _take_over(job: Job, checkpoint: Checkpoint, again: Job, report: Report) -> None:
    checkpoint.sink = merge(job.output, job.table, job.source.items(), again.output)
    checkpoint.ok += report.ok
    checkpoint.missed += report.missed
    checkpoint.failed = report.failed
    checkpoint.state = "publishing"
    checkpoint.save(checkpoint_path(job.output))
    with closing(open_table(job.output, job.table, checkpoint.sink)) as sink:
        publish(job, checkpoint, sink)
    # The checkpoint last: while it stands, an interrupted removal is seen as a job of other lines.
    for path in (again.output, errors_path(again.output), checkpoint_path(again.output)):
        path.unlink(missing_ok=True)
